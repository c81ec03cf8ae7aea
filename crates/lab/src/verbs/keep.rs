//! `frugan data keep`: the part of CIFAR that a run with limited data needs, small enough to carry.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_data::cifar::{CIFAR10, CIFAR100};
use frugan_data::{DataConfig, DataName, SubsetOrder, kept, subset_indices};

use super::arguments;
use super::data::settings;
use crate::failure::{InputContext, input};

/// Lossless. A folder that holds it is used as one that holds the set; a run that needs other images says so.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// cifar10 or cifar100
    source: String,
    /// The folder to write; below it the set's own folder is made
    #[arg(value_name = "DIR")]
    out: PathBuf,
    /// data.num_images or data.fraction, and data.subset_seed: which training images; data.root, data.verify and
    /// data.download: where the whole set is
    #[arg(value_name = "OVERRIDES")]
    overrides: Vec<String>,
}

/// Keys that have an effect.
const KEYS: [&str; 6] =
    ["data.num_images", "data.fraction", "data.subset_seed", "data.root", "data.verify", "data.download"];

/// Reads the whole set and writes a subset of its training images and all test images.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let format = match args.source.as_str() {
        "cifar10" => &CIFAR10,
        "cifar100" => &CIFAR100,
        other => return Err(input(format!("{other}: only cifar10 and cifar100 are kept in part"))),
    };
    let arguments = arguments(&args.overrides, None)?;
    if let Some(argument) = arguments.iter().find(|argument| !KEYS.contains(&argument.key.as_str())) {
        let (name, keys) = (argument.name(), KEYS.join(", "));
        return Err(input(format!("{name} has no effect, for frugan data keep reads only {keys}")));
    }
    let config = DataConfig { name: format.name, ..settings(&arguments)? };
    let whole = frugan_data::open(&DataConfig { num_images: None, fraction: None, ..config.clone() }).or_input()?;
    let total = whole.train.len();
    let size = config.subset_size(total).or_input()?.unwrap_or(total);
    let indices = subset_indices(total as u32, size, config.subset_seed, SubsetOrder::Sorted);
    let folder = args.out.join(format.folder);
    let official = format.files().find(|file| folder.join(file.name).exists());
    if let Some(file) = official {
        let shown = folder.display();
        return Err(input(format!("{shown} holds {}, which would stand before the part: give another DIR", file.name)));
    }
    kept::write(format, &whole, &indices, &folder).or_input()?;
    eprintln!("{size} of {total} training images and {} test images of {}", whole.test.len(), name(format.name));
    println!("{}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn name(name: DataName) -> &'static str {
    if name == DataName::Cifar10 { "CIFAR-10" } else { "CIFAR-100" }
}
