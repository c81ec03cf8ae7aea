//! `frugan data`: a data set as StyleGAN's zip of PNGs (`pack`), or a part of one to carry (`keep`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use frugan_data::{DataConfig, DataName, Dataset, Labels, Splits, archive, checksum};
use serde::{Deserialize, Serialize};

use super::place::check_ending;
use super::{arguments, keep};
use crate::config::{Argument, Composer, Library, did_you_mean};
use crate::failure::{InputContext, input};
use crate::report::Grid;

/// Data sets as files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write a data set as a zip of PNGs with dataset.json, the format of StyleGAN's data set tools
    Pack(PackArgs),
    /// Write a subset of CIFAR's training images, and its test images, for a machine that has no network
    Keep(keep::Args),
}

/// The same source gives the same bytes. `data=zip data.root=OUT.zip` trains on what was packed.
#[derive(Debug, clap::Args)]
struct PackArgs {
    /// cifar10, cifar100, synthetic, a folder of images or a zip of them (./cifar10 is a folder of that name)
    source: String,
    /// The zip to write
    #[arg(value_name = "OUT.zip")]
    out: PathBuf,
    /// data.root, data.verify and data.download for CIFAR; data.num_images, data.fraction, data.subset_seed and
    /// data.subset_order for a subset of the training images
    #[arg(value_name = "OVERRIDES")]
    overrides: Vec<String>,
    /// Which images of CIFAR or of the synthetic set; a folder or a zip is packed whole
    #[arg(long, value_enum, default_value_t = Split::Train)]
    split: Split,
    /// Crop each image to its central square and resize it to N pixels (folders and zips)
    #[arg(long, value_name = "N")]
    resolution: Option<usize>,
    /// none: write no labels, for unconditional training
    #[arg(long, value_enum, default_value_t = LabelChoice::Own)]
    labels: LabelChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Split {
    Train,
    Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum LabelChoice {
    Own,
    None,
}

/// What overrides can set.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Section {
    data: DataConfig,
}

/// The sets that are called by a name.
const NAMED: [DataName; 3] = [DataName::Cifar10, DataName::Cifar100, DataName::Synthetic];
/// Keys that say where and how CIFAR is read.
const PLACE: [&str; 3] = ["data.root", "data.verify", "data.download"];
/// Keys that choose among the training images.
const SUBSET: [&str; 4] = ["data.num_images", "data.fraction", "data.subset_seed", "data.subset_order"];

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match &args.action {
        Action::Pack(args) => pack(args),
        Action::Keep(args) => keep::run(args),
    }
}

/// Reads, packs, tells what was packed.
fn pack(args: &PackArgs) -> Result<ExitCode> {
    // A zip may be packed in place.
    check_ending("zip", "", &args.out, &[])?;
    let config = settle(args)?;
    let Splits { train, test } = frugan_data::open(&config).or_input()?;
    let dataset = if args.split == Split::Train { train } else { test };
    archive::write(&dataset, &args.out).or_input()?;
    tell(&dataset, &args.out)?;
    Ok(ExitCode::SUCCESS)
}

fn settle(args: &PackArgs) -> Result<DataConfig> {
    let arguments = arguments(&args.overrides, None)?;
    let mut config = settings(&arguments)?;
    (config.name, config.root) = match NAMED.into_iter().find(|name| name.to_string() == args.source) {
        Some(name) => (name, config.root),
        None => (kind_of_path(&args.source)?, Some(args.source.clone().into())),
    };
    let named = NAMED.contains(&config.name);
    for argument in &arguments {
        let why = match argument.key.as_str() {
            key if PLACE.contains(&key) && !named => format!("{} says where the images are", args.source),
            key if SUBSET.contains(&key) && args.split == Split::Test => "--split test packs all test images".into(),
            key if PLACE.contains(&key) || SUBSET.contains(&key) => continue,
            _ => format!("frugan data pack reads only {}", [PLACE.as_slice(), &SUBSET].concat().join(", ")),
        };
        return Err(input(format!("{} has no effect, for {why}", argument.name())));
    }
    if args.split == Split::Test && !named {
        return Err(input(format!("--split test: {} is packed whole; leave --split out", args.source)));
    }
    // All images of a folder; what to hold out is for a run to say.
    config.test_fraction = 0.0;
    config.resolution = args.resolution;
    config.labels = if args.labels == LabelChoice::None { Labels::None } else { Labels::Folders };
    if let (Some(resolution), true) = (args.resolution, named) {
        config.check().input(format!("--resolution {resolution}"))?;
    }
    Ok(config)
}

/// The values of `[data]` that the overrides set, over the defaults.
pub(super) fn settings(arguments: &[Argument]) -> Result<DataConfig> {
    let library = Library::open(None)?;
    let mut composer = Composer::new(&library);
    for argument in arguments {
        composer.argument(argument)?;
    }
    Ok(composer.resolve::<Section>()?.config.data)
}

fn kind_of_path(source: &str) -> Result<DataName> {
    let path = Path::new(source);
    match (path.is_dir(), path.is_file()) {
        (true, _) => Ok(DataName::Folder),
        (_, true) => Ok(DataName::Zip),
        _ => {
            let names = NAMED.map(|name| name.to_string());
            let near = did_you_mean(source, names.iter().map(String::as_str));
            Err(input(format!("{source}: no folder, no zip file, and none of {}{near}", names.join(", "))))
        }
    }
}

/// The classes, and in one line what the file holds.
fn tell(dataset: &Dataset, out: &Path) -> Result<()> {
    let [channels, height, width] = dataset.shape;
    if dataset.num_classes > 1 {
        let mut grid = Grid::new(["label", "class", "images"]);
        for (label, count) in dataset.class_counts().iter().enumerate() {
            grid.row([label.to_string(), dataset.class_names[label].clone(), count.to_string()]);
        }
        println!("{}", grid.render());
    }
    eprintln!(
        "{}: {} images of {channels}x{height}x{width}, {}, fingerprint {}, sha256 of the file {}",
        dataset.name,
        dataset.len(),
        if dataset.num_classes > 1 { format!("{} classes", dataset.num_classes) } else { "no labels".into() },
        &dataset.fingerprint[..12],
        checksum::sha256_of_file(out).or_input()?,
    );
    println!("{}", out.display());
    Ok(())
}
