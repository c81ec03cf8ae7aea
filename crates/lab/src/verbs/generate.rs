//! `frugan generate`: pictures of what a snapshot's generator makes, one kind a file.

mod classes;
mod interpolation;
mod mixing;
pub(crate) mod picture;
mod subject;
mod truncation;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::place::check_ending;
use crate::failure::input;
use subject::Subject;

/// A grid, a row a class; or with --psi, --threshold, --interpolate or --mix another picture. The same seed draws the same
/// picture.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A snapshot file of a run: snapshot-STEP.safetensors
    snapshot: PathBuf,
    /// The picture to write, a PNG; --interpolate writes an animated GIF of the same name beside it
    #[arg(long, default_value = "samples.png")]
    out: PathBuf,
    /// Seed of the latents
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Classes [default: all, at most 20]
    #[arg(long, value_delimiter = ',')]
    classes: Vec<usize>,
    /// Samples of a class [default: 10; in a sweep or interpolation 1, or 6 where there is one class; 5 sources of --mix]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_class: Option<u32>,
    /// Truncation of StyleGAN2, a row for each psi: styles drawn towards their average, w_avg + psi (w - w_avg); with
    /// --interpolate or --mix one psi for the whole picture
    #[arg(long, value_name = "PSI", value_delimiter = ',', allow_negative_numbers = true)]
    psi: Vec<f64>,
    /// Truncate the first so many layers only
    #[arg(long, value_name = "LAYERS", requires = "psi")]
    cutoff: Option<usize>,
    /// Truncation of BigGAN and DCGAN, a row for each threshold: values of z beyond it are drawn again
    #[arg(long, value_name = "T", value_delimiter = ',', conflicts_with_all = ["psi", "interpolate", "mix"])]
    threshold: Vec<f64>,
    /// From one sample to another, a row each, through z or through StyleGAN2's w
    #[arg(long, value_enum, conflicts_with = "mix")]
    interpolate: Option<interpolation::Space>,
    /// Images in a row of --interpolate
    #[arg(long, default_value_t = 9, requires = "interpolate", value_parser = clap::value_parser!(u32).range(2..=1000))]
    steps: u32,
    /// Images of the GIF from one end to the other; it then goes back
    #[arg(long, default_value_t = 25, requires = "interpolate", value_parser = clap::value_parser!(u32).range(2..=1000))]
    frames: u32,
    /// StyleGAN2's style mixing: the left column's images with the styles of the upper row's in these layers, as 0-3 (pose
    /// and shape), 4-7 or 0,2,5
    #[arg(long, value_name = "LAYERS")]
    mix: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Loads, checks, draws, writes.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    check_ending("png", "--out ", &args.out, &[&args.snapshot])?;
    let mut subject = Subject::load(&args.snapshot, &args.device)?;
    let classes = subject.classes(&args.classes)?;
    let (files, words) = if let Some(layers) = &args.mix {
        mixing::draw(&subject, args, &classes, layers)?
    } else if let Some(space) = args.interpolate {
        interpolation::draw(&mut subject, args, &classes, space)?
    } else if !args.psi.is_empty() {
        truncation::of_styles(&subject, args, &classes)?
    } else if !args.threshold.is_empty() {
        truncation::of_latents(&mut subject, args, &classes)?
    } else {
        classes::draw(&subject, args, &classes)?
    };
    eprintln!("{}: {words}, seed {}", subject.describe(), args.seed);
    println!("{}", files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" "));
    Ok(ExitCode::SUCCESS)
}

/// What was written, and what it shows in words.
type Drawn = (Vec<PathBuf>, String);

impl Args {
    /// The one psi of a picture that is no sweep.
    fn single_psi(&self) -> Result<Option<f64>> {
        match self.psi.as_slice() {
            [] => Ok(None),
            [psi] => Ok(Some(*psi)),
            several => {
                Err(input(format!("--psi: {} values; a picture of --interpolate or --mix takes one", several.len())))
            }
        }
    }

    /// Labels of the samples of a sweep or an interpolation, class by class.
    fn labels(&self, classes: &[i32]) -> Vec<i32> {
        let each = self.per_class.map_or(if classes.len() > 1 { 1 } else { 6 }, |n| n as usize);
        classes.iter().flat_map(|class| std::iter::repeat_n(*class, each)).collect()
    }
}
