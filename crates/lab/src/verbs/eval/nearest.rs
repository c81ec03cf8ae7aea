//! `frugan eval --nearest`: each sample beside its nearest training images. A generator that copies is seen to.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use frugan_data::{Dataset, Mirror};
use frugan_metrics::{Images, Lpips, LpipsNet, Neighbours, nearest_by_lpips, nearest_by_pixels};
use frugan_train::{Config, fakes};
use serde_json::{Value, json};

use super::{Subject, draw_of, images_of, open_subject, read_folder, what_of, write};
use crate::config::Argument;
use crate::failure::{InputContext, input};
use crate::report::{Grid, number};
use crate::runs::lift;
use crate::verbs::generate::picture::{WHITE, write_png};
use crate::verbs::place::check_ending;

/// By what two images are near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Distance {
    /// Mean absolute difference of bytes
    L1,
    /// LPIPS on AlexNet
    Lpips,
}

/// What is searched and shown.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Instead of measuring, put samples beside their nearest training images, by l1, lpips or both
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "floor")]
    pub(crate) nearest: Vec<Distance>,
    /// Samples of --nearest
    #[arg(long, value_name = "N", default_value_t = 10, requires = "nearest", value_parser = clap::value_parser!(u32).range(1..=1000))]
    samples: u32,
    /// Training images beside each sample
    #[arg(long, value_name = "K", default_value_t = 3, requires = "nearest", value_parser = clap::value_parser!(u32).range(1..=100))]
    neighbours: u32,
    /// The picture of --nearest, a PNG
    #[arg(long, value_name = "FILE", default_value = "nearest.png", requires = "nearest")]
    picture: PathBuf,
}

/// What was found by one distance.
struct Found {
    name: &'static str,
    neighbours: Neighbours,
    /// Median distance of the samples to their nearest training image, and of held-out images.
    medians: [Option<f64>; 2],
}

/// Reads, searches, draws, prints.
pub(super) fn run(
    path: &Path,
    folder: Option<&Path>,
    arguments: &[Argument],
    search: &Search,
    out: Option<&Path>,
) -> Result<ExitCode> {
    let inputs = [&[path], folder.as_slice()].concat();
    check_ending("png", "--picture ", &search.picture, &inputs)?;
    let (subject, resolved) = open_subject(path, arguments, false)?;
    let lpips = search.nearest.contains(&Distance::Lpips).then(|| Lpips::open(LpipsNet::AlexNet, None));
    let lpips = lpips.transpose().or_input()?;
    let known = matches!(subject, Subject::Snapshot(..)) || resolved.provenance.contains_key("data.name");
    let (training, held_out) = match folder {
        Some(folder) => (read_folder(folder)?, None),
        None if known => training_of(&resolved.config)?,
        None => return Err(input(format!("{}: near to what? Give a second folder, or data=cifar10", path.display()))),
    };
    if let Subject::Snapshot(snapshot, _) = &subject
        && folder.is_none()
        && snapshot.about.fingerprint != training.fingerprint
    {
        eprintln!("these are not the images that the snapshot was trained on: another set, subset or size");
    }
    check_sizes(subject.shape(), &training)?;
    let samples = samples_of(&subject, &resolved.config, search.samples as usize)?;
    let samples = Images::new(&samples, training.shape).or_input()?;
    let pool = Pool::new(&training, folder.is_none() && resolved.config.data.mirror != Mirror::Off);
    let what = what_of(&subject, path);
    eprintln!("{} samples of {what} among {}", samples.len(), pool.describe(&training));
    let k = search.neighbours as usize;
    let held_out = held_out.as_ref().map(images_of).transpose()?.map(|images| images.slice(0, samples.len()));
    let mut all = Vec::new();
    for distance in &search.nearest {
        let name = if *distance == Distance::L1 { "l1" } else { "lpips" };
        let find = |images: Images<'_>, k: usize| match (&lpips, distance) {
            (Some(lpips), Distance::Lpips) => nearest_by_lpips(images, pool.images()?, k, lpips).or_input(),
            _ => nearest_by_pixels(images, pool.images()?, k).or_input(),
        };
        let neighbours = find(samples, k)?;
        let others = held_out.filter(|images| !images.is_empty()).map(|images| find(images, 1)).transpose()?;
        let medians = [median(&neighbours), others.as_ref().and_then(median)];
        all.push(Found { name, neighbours, medians });
    }
    draw(&search.picture, samples, &pool, &all)?;
    print(&all, &pool, samples.len());
    println!("{}", search.picture.display());
    write(out, report(&what, &training, &pool, &all, samples.len()))
}

/// Images are compared value by value.
fn check_sizes(samples: [usize; 3], training: &Dataset) -> Result<()> {
    let shown = |[channels, height, width]: [usize; 3]| format!("{channels}x{height}x{width}");
    if samples == training.shape {
        return Ok(());
    }
    Err(input(format!(
        "the samples are {} and the images of {} {}, want one size; data=folder data.root=FOLDER data.resolution={} brings \
         a folder's images to it",
        shown(samples),
        training.name,
        shown(training.shape),
        samples[1]
    )))
}

/// The images that the run trained on, and the test images.
fn training_of(config: &Config) -> Result<(Dataset, Option<Dataset>)> {
    let splits = frugan_data::open(&config.data).or_input()?;
    Ok((splits.train, Some(splits.test)))
}

fn samples_of(subject: &Subject, config: &Config, count: usize) -> Result<Vec<u8>> {
    match subject {
        Subject::Images(images) if images.len() < count => {
            Err(input(format!("--samples {count}: the folder has {} images", images.len())))
        }
        Subject::Images(images) => Ok(images.images[..count * images.image_bytes()].to_vec()),
        Subject::Snapshot(snapshot, device) => {
            let mut samples = Vec::new();
            fakes(snapshot.generator.as_ref(), draw_of(&config.eval, count), device, |pixels| {
                samples.extend_from_slice(pixels);
                Ok(())
            })
            .map_err(lift)?;
            Ok(samples)
        }
    }
}

/// The training images, and behind them their mirror images where the run saw those too.
struct Pool {
    bytes: Vec<u8>,
    shape: [usize; 3],
    /// Images before the mirror images begin.
    plain: usize,
}

impl Pool {
    fn new(training: &Dataset, mirrored: bool) -> Self {
        let (mut bytes, shape) = (training.images.to_vec(), training.shape);
        if mirrored {
            let rows = training.images.chunks_exact(shape[2]);
            bytes.extend(rows.flat_map(|row| row.iter().rev()));
        }
        Self { bytes, shape, plain: training.len() }
    }

    fn images(&self) -> Result<Images<'_>> {
        Images::new(&self.bytes, self.shape).or_input()
    }

    fn image(&self, index: u32) -> &[u8] {
        let size: usize = self.shape.iter().product();
        &self.bytes[index as usize * size..][..size]
    }

    /// Number of the training image, and whether it is mirrored.
    fn place(&self, index: u32) -> (usize, bool) {
        (index as usize % self.plain, index as usize >= self.plain)
    }

    fn describe(&self, training: &Dataset) -> String {
        let size: usize = self.shape.iter().product();
        let mirrored = if self.bytes.len() > self.plain * size { " and their mirror images" } else { "" };
        format!("the {} training images of {}{mirrored}", self.plain, training.name)
    }
}

/// A row a sample: it, then for each distance a gap and its nearest images, the nearest first.
fn draw(path: &Path, samples: Images<'_>, pool: &Pool, all: &[Found]) -> Result<()> {
    let gap = vec![WHITE; samples.shape().iter().product()];
    let mut tiles: Vec<&[u8]> = Vec::new();
    for (i, sample) in samples.iter().enumerate() {
        tiles.push(sample);
        for found in all {
            tiles.push(&gap);
            tiles.extend(found.neighbours.of(i).0.iter().map(|index| pool.image(*index)));
        }
    }
    let columns = tiles.len() / samples.len();
    write_png(path, &tiles.concat(), samples.shape(), samples.len(), columns)
}

fn print(all: &[Found], pool: &Pool, count: usize) {
    let heads = all.iter().flat_map(|found| [format!("nearest by {}", found.name), found.name.to_string()]);
    let mut grid = Grid::new(std::iter::once("sample".to_string()).chain(heads));
    for i in 0..count {
        let mut row = vec![i.to_string()];
        for found in all {
            let (indices, distances) = found.neighbours.of(i);
            let (index, mirrored) = pool.place(indices[0]);
            row.push(if mirrored { format!("{index}, mirrored") } else { index.to_string() });
            row.push(number(distances[0]));
        }
        grid.row(row);
    }
    print!("{}", grid.render());
    for found in all {
        let shown = |median: Option<f64>| median.map_or("-".into(), number);
        let [ours, held_out] = found.medians;
        println!(
            "{}: median distance to the nearest training image {} (held-out images: {}); copies lie near 0",
            found.name,
            shown(ours),
            shown(held_out)
        );
    }
}

fn report(what: &str, training: &Dataset, pool: &Pool, all: &[Found], count: usize) -> Value {
    let neighbour = |(index, distance): (&u32, &f64)| {
        let (index, mirrored) = pool.place(*index);
        json!({"index": index, "mirrored": mirrored, "distance": distance})
    };
    let of = |found: &Found| {
        let samples: Vec<Value> = (0..count)
            .map(|i| {
                let (indices, distances) = found.neighbours.of(i);
                indices.iter().zip(distances).map(neighbour).collect()
            })
            .collect();
        let [ours, held_out] = found.medians;
        (found.name.to_string(), json!({"samples": samples, "median": ours, "median_of_held_out": held_out}))
    };
    let found: serde_json::Map<String, Value> = all.iter().map(of).collect();
    json!({"subject": what, "training": training.name, "nearest": found})
}

/// Of the distances to the nearest.
fn median(found: &Neighbours) -> Option<f64> {
    let mut nearest: Vec<f64> = found.distances.iter().step_by(found.k).copied().collect();
    nearest.sort_by(f64::total_cmp);
    let (last, middle) = (nearest.len().checked_sub(1)?, nearest.len() / 2);
    Some(f64::midpoint(nearest[last / 2], nearest[middle]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_nearest_alone() {
        let found =
            |distances: &[f64]| Neighbours { k: 2, indices: vec![0; distances.len()], distances: distances.into() };
        assert_eq!(median(&found(&[1.0, 90.0, 3.0, 90.0])), Some(2.0));
        assert_eq!(median(&found(&[1.0, 90.0, 5.0, 90.0, 3.0, 90.0])), Some(3.0));
        assert_eq!(median(&found(&[])), None);
    }
}
