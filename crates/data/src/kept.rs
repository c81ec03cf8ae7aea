//! A part of CIFAR, small enough to carry: the images that a run with limited data needs, and no others.
//!
//! A folder with `kept.json` (which images, their labels, a checksum of their pixels) and one PNG a split, in which the
//! images stand below each other. Nothing is lost, and an image keeps its index in the whole set: a subset that lies
//! within what was kept is drawn as from the official files, and has their fingerprint.

use crate::checksum::sha256;
use crate::cifar::Format;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file that makes a folder one of this kind.
pub(crate) const INDEX: &str = "kept.json";

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const PIXELS: usize = 3 * PLANE;

/// What `kept.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Index {
    /// `cifar10` or `cifar100`.
    of: String,
    train: Part,
    test: Part,
}

/// The kept images of one split.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    /// Images of the whole split.
    total: usize,
    /// Places in the whole split, rising.
    indices: Vec<u32>,
    labels: Vec<u32>,
    /// Of the kept pixels, `[N, 3, 32, 32]`.
    sha256: String,
}

/// A set of which some images are known. The others are black and have label 0.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) splits: Splits,
    /// For each training image, whether it is known.
    known: Vec<bool>,
}

impl Kept {
    /// That a run which sees these training images, all where `None`, and the test split, sees no other than known ones.
    pub(crate) fn check(&self, folder: &Path, wanted: Option<&[u32]>) -> Result<()> {
        let missing = match wanted {
            Some(indices) => indices.iter().filter(|index| !self.known[**index as usize]).count(),
            None => self.known.iter().filter(|known| !**known).count(),
        };
        if missing == 0 {
            return Ok(());
        }
        Err(Error::NotKept {
            path: folder.to_owned(),
            kept: self.known.iter().filter(|known| **known).count(),
            total: self.known.len(),
            wanted: wanted.map_or(self.known.len(), <[u32]>::len),
            missing,
        })
    }
}

/// Writes the training images at `indices` of a whole CIFAR set, and the test split, to `folder`, which is made.
///
/// # Errors
/// When an index is outside the training split, or a file cannot be written.
///
/// ```no_run
/// use frugan_data::{DataConfig, DataName, SubsetOrder, cifar::CIFAR10, kept, open, subset_indices};
/// let whole = open(&DataConfig { name: DataName::Cifar10, ..DataConfig::default() })?;
/// let tenth = subset_indices(50_000, 5_000, 0, SubsetOrder::Sorted);
/// kept::write(&CIFAR10, &whole, &tenth, "tenth/cifar-10-batches-bin".as_ref())?;
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn write(format: &Format, whole: &Splits, indices: &[u32], folder: &Path) -> Result<()> {
    let mut train = indices.to_vec();
    train.sort_unstable();
    train.dedup();
    if let Some(index) = train.iter().find(|index| **index as usize >= whole.train.len()) {
        let expected = format!("below {}, the training images", whole.train.len());
        return Err(Error::Shape { what: "index of an image to keep".into(), got: index.to_string(), expected });
    }
    let test: Vec<u32> = (0..whole.test.len() as u32).collect();
    std::fs::create_dir_all(folder).map_err(Error::write(folder))?;
    let index = Index {
        of: format.name.to_string(),
        train: write_part(&whole.train, train, &folder.join("train.png"))?,
        test: write_part(&whole.test, test, &folder.join("test.png"))?,
    };
    // Last: a folder without it is none of this kind.
    let path = folder.join(INDEX);
    let text = serde_json::to_string(&index).map_err(|e| kept_error(&path, &e.to_string()))?;
    std::fs::write(&path, text).map_err(Error::write(&path))
}

fn write_part(split: &Dataset, indices: Vec<u32>, path: &Path) -> Result<Part> {
    let kept = split.select("kept", &indices);
    let mut rows = vec![0; kept.images.len()];
    for (image, out) in kept.images.chunks_exact(PIXELS).zip(rows.chunks_exact_mut(PIXELS)) {
        for place in 0..PLANE {
            (0..3).for_each(|channel| out[3 * place + channel] = image[channel * PLANE + place]);
        }
    }
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).map_err(Error::write(path))?);
    // A PNG has at least one row: nothing kept is one black image.
    rows.resize(rows.len().max(PIXELS), 0);
    PngEncoder::new_with_quality(&mut file, CompressionType::Best, FilterType::Adaptive)
        .write_image(&rows, SIDE as u32, (rows.len() / (3 * SIDE)) as u32, ExtendedColorType::Rgb8)
        .map_err(|e| kept_error(path, &e.to_string()))?;
    file.into_inner().map_err(|e| e.into_error()).and_then(|file| file.sync_all()).map_err(Error::write(path))?;
    Ok(Part { total: split.len(), sha256: sha256(&kept.images), labels: kept.labels.to_vec(), indices })
}

/// Reads what [`write`] wrote.
pub(crate) fn read(format: &Format, folder: &Path) -> Result<Kept> {
    let path = folder.join(INDEX);
    let text = std::fs::read_to_string(&path).map_err(Error::read(&path))?;
    let index: Index = serde_json::from_str(&text).map_err(|e| kept_error(&path, &e.to_string()))?;
    if index.of != format.name.to_string() {
        return Err(kept_error(&path, &format!("it is of {}, and {} is wanted", index.of, format.name)));
    }
    let mut known = vec![false; index.train.total];
    let train = read_part(format, "train", &index.train, folder)?;
    index.train.indices.iter().for_each(|index| known[*index as usize] = true);
    Ok(Kept { splits: Splits { train, test: read_part(format, "test", &index.test, folder)? }, known })
}

fn read_part(format: &Format, split: &str, part: &Part, folder: &Path) -> Result<Dataset> {
    let path = folder.join(format!("{split}.png"));
    let (expected, rising) = (part.indices.len(), part.indices.is_sorted_by(|a, b| a < b));
    if !rising || part.labels.len() != expected || part.indices.last().is_some_and(|i| *i as usize >= part.total) {
        let reason = format!("its {split} indices do not rise below {}, or labels are missing", part.total);
        return Err(kept_error(&folder.join(INDEX), &reason));
    }
    let bytes = std::fs::read(&path).map_err(Error::read(&path))?;
    let decoded = image::load_from_memory_with_format(&bytes, ImageFormat::Png);
    let rows = decoded.map_err(|e| kept_error(&path, &e.to_string()))?.into_rgb8().into_raw();
    if rows.len() < expected * PIXELS {
        return Err(kept_error(&path, &format!("{} images, and {expected} are wanted", rows.len() / PIXELS)));
    }
    let (mut images, mut labels) = (vec![0; part.total * PIXELS], vec![0; part.total]);
    let mut kept = vec![0; expected * PIXELS];
    for (i, (image, row)) in kept.chunks_exact_mut(PIXELS).zip(rows.chunks_exact(PIXELS)).enumerate() {
        for place in 0..PLANE {
            (0..3).for_each(|channel| image[channel * PLANE + place] = row[3 * place + channel]);
        }
        let index = part.indices[i] as usize;
        images[index * PIXELS..][..PIXELS].copy_from_slice(image);
        labels[index] = part.labels[i];
    }
    crate::checksum::check(&path, sha256(&kept), &part.sha256)?;
    let class_names = format.class_names.iter().map(|name| (*name).to_owned()).collect();
    Dataset::new(format!("{} {split}", format.name), [3, SIDE, SIDE], images, labels, class_names)
}

fn kept_error(path: &Path, reason: &str) -> Error {
    Error::Kept { path: path.to_owned(), reason: reason.to_owned() }
}
