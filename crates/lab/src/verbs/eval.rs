//! `frugan eval`: the metrics of a snapshot or of a folder of images, against a data set or another folder.

mod nearest;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::Device;
use frugan_data::{DataConfig, DataName, Dataset, Labels};
use frugan_metrics::{EvalConfig, Evaluator, FeatureCache, Features, Floor, Images, Reference, Score, Scores};
use frugan_train::{Config, Draw, Evaluation, Snapshot, fakes, path_lengths};
use serde_json::json;

use super::place::check_file;
use super::{arguments, snapshot};
use crate::config::{Argument, Composer, Layer, Library, Resolved};
use crate::failure::{InputContext, input};
use crate::report::Grid;
use crate::runs::{lift, tell_choice};
use crate::sources::{Allowed, network_name, stand_ins};

/// Under the metrics stands the floor: what two disjoint halves of the reference images have against each other.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A snapshot (.safetensors) or a folder of images; a second folder is the reference, else `data=cifar10` names
    /// it (a snapshot knows its own); then overrides of eval.*, data.* and device
    #[arg(value_name = "SNAPSHOT|FOLDER [FOLDER] [OVERRIDES]")]
    items: Vec<String>,
    /// Measure real against real instead: the training images against the test images, and two halves of the former
    #[arg(long)]
    floor: bool,
    #[command(flatten)]
    search: nearest::Search,
    /// auto, cpu, cuda or cuda:N
    #[arg(long)]
    device: Option<String>,
    /// Also write the numbers to this file, as JSON
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What is measured.
enum Subject {
    Snapshot(Box<Snapshot>, Device),
    Images(Dataset),
}

impl Subject {
    /// `[channels, height, width]` of an image.
    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Snapshot(snapshot, _) => snapshot.generator.image_shape(),
            Self::Images(images) => images.shape,
        }
    }
}

/// Reads, measures, prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let (paths, overrides): (Vec<&String>, Vec<&String>) =
        args.items.iter().partition(|item| !item.contains('=') || Path::new(item).exists());
    let overrides: Vec<String> = overrides.into_iter().cloned().collect();
    let arguments = arguments(&overrides, args.device.as_deref())?;
    if let Some(other) = arguments.iter().find(|a| !matches!(a.key.split('.').next(), Some("eval" | "data" | "device")))
    {
        return Err(input(format!("{}: frugan eval reads eval.*, data.* and device only", other.name())));
    }
    let paths: Vec<&Path> = paths.into_iter().map(Path::new).collect();
    args.out.as_ref().map_or(Ok(()), |out| check_file("--out ", out, &paths))?;
    if let ([subject, folder @ ..], false) = (paths.as_slice(), args.search.nearest.is_empty())
        && folder.len() < 2
    {
        return nearest::run(subject, folder.first().copied(), &arguments, &args.search, args.out.as_deref());
    }
    match (args.floor, paths.as_slice()) {
        (true, []) => floor_of_data(&settle(None, &arguments, true)?, device_of(&arguments)?, args.out.as_deref()),
        (true, _) => Err(input("--floor measures a data set: name it by data=cifar10, without a snapshot or folder")),
        (false, [subject]) => measure(subject, None, &arguments, args.out.as_deref()),
        (false, [subject, reference]) => measure(subject, Some(reference), &arguments, args.out.as_deref()),
        (false, _) => Err(input("give a snapshot or a folder of images, and at most one folder as its reference")),
    }
}

/// The config: a snapshot's own or the defaults, the arguments over it. `measures` says whether a feature network is
/// wanted; another stands in only for the default one, for numbers of a snapshot are to compare with its run's.
fn settle(snapshot: Option<(&Path, &Snapshot)>, arguments: &[Argument], measures: bool) -> Result<Resolved<Config>> {
    let library = Library::open(None)?;
    let mut composer = Composer::new(&library);
    if let Some((path, snapshot)) = snapshot {
        composer.whole(Layer::from_toml(&path.display().to_string(), &snapshot.about.config)?);
    }
    for argument in arguments {
        composer.argument(argument)?;
    }
    let allowed = Allowed { data: false, network: measures && snapshot.is_none() };
    for layer in stand_ins(&composer.resolve()?, allowed, true)? {
        eprintln!("{}", layer.name);
        composer.layer(layer);
    }
    let resolved: Resolved<Config> = composer.resolve()?;
    resolved.config.eval.validate().or_input()?;
    Ok(resolved)
}

fn measure(path: &Path, reference: Option<&Path>, arguments: &[Argument], out: Option<&Path>) -> Result<ExitCode> {
    let (subject, resolved) = open_subject(path, arguments, true)?;
    let mut config = resolved.config.eval.clone();
    if let Subject::Images(images) = &subject
        && !resolved.provenance.contains_key("eval.num_fakes")
    {
        config.num_fakes = images.len();
    }
    if matches!(subject, Subject::Images(_)) {
        // T's traces are looked for where a policy is known: in a run's snapshots.
        config.metrics.retain(|metric| metric != "leak");
    }
    let (reals, reals_name) = match reference {
        Some(folder) => (read_folder(folder)?, folder.display().to_string()),
        None if matches!(subject, Subject::Images(_)) && !resolved.provenance.contains_key("data.name") => {
            return Err(input(format!(
                "{}: measured against what? Give a second folder, or data=cifar10",
                path.display()
            )));
        }
        None => {
            let name = format!("{} {}", resolved.config.data.name, config.reference.name());
            (reference_of(&resolved.config, config.reference)?, name)
        }
    };
    let device = match &subject {
        Subject::Snapshot(_, device) => *device,
        Subject::Images(_) => device_of(arguments)?,
    };
    let mut evaluator = Evaluator::open(&config).and_then(|evaluator| evaluator.to_device(&device)).or_input()?;
    let cache = FeatureCache::of_user();
    let what = what_of(&subject, path);
    eprintln!(
        "{what} against {reals_name} ({} images), {} fakes, network {} ({})",
        reals.len(),
        config.num_fakes,
        network_name(&resolved.config),
        evaluator.network().source()
    );
    check_reals(&reals_name, reals.len(), reference.is_some())?;
    let images = images_of(&reals)?;
    let mut scores = match (&subject, reference) {
        (Subject::Snapshot(snapshot, device), None) => score_as_in_training(snapshot, device, &resolved.config)?,
        _ => {
            evaluator.set_reference(images, cache.as_ref()).or_input()?;
            for other in config.references().or_input()?.into_iter().skip(1) {
                // A folder stands for both splits.
                let split = reference.is_none().then(|| reference_of(&resolved.config, other)).transpose()?;
                let images = images_of(split.as_ref().unwrap_or(&reals))?;
                evaluator.set_reference_of(other, images, cache.as_ref()).or_input()?;
            }
            score(&subject, &evaluator)?
        }
    };
    let features = features(&evaluator, images, cache.as_ref())?;
    let half = reals.len() / 2;
    // A covariance is of two images or more.
    let mut floor = match half {
        0 | 1 => Scores::new(),
        _ => Floor::of_halves(&features).or_input()?.scores(evaluator.protocol()),
    };
    if reference.is_some() {
        rename_reference(&mut scores);
        rename_reference(&mut floor);
    }
    print_scores(&what, &scores);
    if !floor.is_empty() {
        print_scores(&format!("floor: {half} of the reference images against {half} others"), &floor);
    }
    write(out, json!({"subject": what, "reference": reals_name, "scores": object(&scores), "floor": object(&floor)}))
}

fn open_subject(path: &Path, arguments: &[Argument], measures: bool) -> Result<(Subject, Resolved<Config>)> {
    if path.is_dir() {
        let resolved = settle(None, arguments, measures)?;
        return Ok((Subject::Images(read_folder(path)?), resolved));
    }
    let device = device_of(arguments)?;
    let snapshot = snapshot::load(path, &device)?;
    let resolved = settle(Some((path, &snapshot)), arguments, measures)?;
    Ok((Subject::Snapshot(Box::new(snapshot), device), resolved))
}

/// All images of a folder and its sub-folders, whatever their names.
fn read_folder(path: &Path) -> Result<Dataset> {
    let config = DataConfig {
        name: DataName::Folder,
        root: Some(path.into()),
        labels: Labels::None,
        test_fraction: 0.0,
        ..DataConfig::default()
    };
    Ok(frugan_data::open(&config).or_input()?.train)
}

/// The test images, or all training images, also where the run trained on a subset.
fn reference_of(config: &Config, reference: Reference) -> Result<Dataset> {
    let whole = DataConfig { num_images: None, fraction: None, ..config.data.clone() };
    let splits = frugan_data::open(&whole).or_input()?;
    Ok(if reference.is_train() { splits.train } else { splits.test })
}

/// Refuses a reference that has no covariance.
fn check_reals(name: &str, count: usize, is_folder: bool) -> Result<()> {
    if count > 1 {
        return Ok(());
    }
    let fix = match is_folder {
        true => "give a folder of more",
        false => "set eval.reference=train, or a larger data.test_fraction",
    };
    Err(input(format!("{name}: {count} images to measure against, want 2 or more; {fix}")))
}

fn images_of(dataset: &Dataset) -> Result<Images<'_>> {
    Images::new(&dataset.images, dataset.shape).or_input()
}

fn what_of(subject: &Subject, path: &Path) -> String {
    match subject {
        Subject::Snapshot(snapshot, _) => format!("{} at step {}", path.display(), snapshot.about.step),
        Subject::Images(images) => format!("{} ({} images)", path.display(), images.len()),
    }
}

/// What the run itself measured, the leak of its policy with it.
fn score_as_in_training(snapshot: &Snapshot, device: &Device, config: &Config) -> Result<Scores> {
    let mut library = frugan_train::Library::new();
    let splits = library.splits(&config.data).map_err(lift)?;
    let config = Config { device: device.to_string(), ..config.clone() };
    let evaluation = Evaluation::new(&config, &splits, &mut library).map_err(lift)?;
    let scores = evaluation.scores(snapshot.generator.as_ref(), device, &|_, _| ()).map_err(lift)?;
    Ok(scores.into_iter().collect())
}

fn score(subject: &Subject, evaluator: &Evaluator) -> Result<Scores> {
    let eval = evaluator.config();
    let wanted = eval.most_fakes().or_input()?;
    let mut measurement = evaluator.begin();
    match subject {
        Subject::Images(images) if images.len() < wanted => {
            let key = if wanted == eval.num_fakes { "eval.num_fakes = " } else { "eval.also takes " };
            return Err(input(format!("{key}{wanted}: the folder has {} images", images.len())));
        }
        Subject::Images(images) => {
            let all = images_of(images)?;
            measurement.push(all.slice(0, wanted)).or_input()?;
        }
        Subject::Snapshot(snapshot, device) => {
            let generator = snapshot.generator.as_ref();
            let shape = generator.image_shape();
            fakes(
                generator,
                draw_of(eval, wanted),
                device,
                |pixels| Ok(measurement.push(Images::new(pixels, shape)?)?),
            )
            .map_err(lift)?;
        }
    }
    let mut scores = measurement.finish().or_input()?;
    match subject {
        Subject::Snapshot(snapshot, device) => {
            scores.extend(path_lengths(snapshot.generator.as_ref(), eval, None, device).map_err(lift)?);
        }
        Subject::Images(_) => {
            let absent = || Score::Absent("images lie on no path: give a snapshot".into());
            scores.extend(eval.path_lengths().iter().map(|path| (path.name(), absent())));
        }
    }
    Ok(scores)
}

/// Fakes with uniform labels: where a folder is the reference, the run's data need not be there.
fn draw_of(eval: &EvalConfig, count: usize) -> Draw<'static> {
    let (batch, mode) = (eval.batch, eval.generator_mode.layers());
    Draw { count, batch, mode, seed: eval.seed, rule: eval.uint8, labels: None }
}

/// Features of reals, read from the user's cache where they are there.
fn features(evaluator: &Evaluator, images: Images<'_>, cache: Option<&FeatureCache>) -> Result<Features> {
    match cache {
        Some(cache) => cache.features(evaluator.network(), images),
        None => evaluator.network().extract(images),
    }
    .or_input()
}

/// Where networks compute: not where a snapshot was trained, unless the arguments say so.
fn device_of(arguments: &[Argument]) -> Result<Device> {
    let device = arguments.iter().rev().find(|a| a.key == "device").map_or("auto", |a| a.text.as_str());
    tell_choice(device);
    device.parse::<Device>().input("--device")?.open().or_input()
}

/// Training images against test images, and two disjoint halves of the training images.
fn floor_of_data(resolved: &Resolved<Config>, device: Device, out: Option<&Path>) -> Result<ExitCode> {
    let config = &resolved.config;
    let splits = frugan_data::open(&config.data).or_input()?;
    let (train, test) = (splits.train.len(), splits.test.len());
    if train < 4 || test < 2 {
        return Err(input(format!(
            "--floor: {train} training and {test} test images, want 4 and 2 or more; data.test_fraction shares them out"
        )));
    }
    let evaluator = Evaluator::open(&config.eval).and_then(|evaluator| evaluator.to_device(&device)).or_input()?;
    let cache = FeatureCache::of_user();
    eprintln!(
        "floor of {}: {} training and {} test images, network {} ({})",
        config.data.name,
        splits.train.len(),
        splits.test.len(),
        network_name(config),
        evaluator.network().source()
    );
    let train = features(&evaluator, images_of(&splits.train)?, cache.as_ref())?;
    let test = features(&evaluator, images_of(&splits.test)?, cache.as_ref())?;
    let protocol = |reference| frugan_metrics::Protocol { reference, ..evaluator.protocol() };
    let against_test = Floor::between(&train, &test).or_input()?.scores(protocol(Reference::Test));
    let halves = Floor::of_halves(&train).or_input()?.scores(protocol(Reference::Train));
    print_scores(&format!("{} training images against {} test images", train.len(), test.len()), &against_test);
    let half = train.len() / 2;
    print_scores(&format!("{half} training images against {half} others"), &halves);
    write(
        out,
        json!({"data": config.data.name.to_string(), "train_test": object(&against_test), "halves": object(&halves)}),
    )
}

/// A folder is neither split of a data set; `full` also says how covariances are divided, and stays.
fn rename_reference(scores: &mut Scores) {
    for (name, _) in scores {
        *name = name.replace("_test", "_folder").replace("_train", "_folder").replace("_full", "_folder_full");
    }
}

fn print_scores(title: &str, scores: &Scores) {
    let mut grid = Grid::new(["metric", "value"]);
    for (name, score) in scores {
        grid.row([name.clone(), score.value().map_or("n/a".into(), |value| format!("{value:.4}"))]);
    }
    println!("{title}\n{}", grid.render());
    for (name, score) in scores.iter().filter(|(_, score)| score.value().is_none()) {
        println!("{name}: {score}");
    }
}

fn object(scores: &Scores) -> serde_json::Value {
    scores.iter().map(|(name, score)| (name.clone(), json!(score.value()))).collect::<serde_json::Map<_, _>>().into()
}

fn write(out: Option<&Path>, value: serde_json::Value) -> Result<ExitCode> {
    if let Some(path) = out {
        let text = serde_json::to_string_pretty(&value)? + "\n";
        frugan_train::write_atomic(path, text.as_bytes()).map_err(lift)?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
