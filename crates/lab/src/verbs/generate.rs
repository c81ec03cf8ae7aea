//! `frugan generate`: a grid of a snapshot's samples, a row a class.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::{Device, Ints, Tensor, Var, no_grad};
use frugan_metrics::GeneratorMode;
use frugan_nn::{Mode, Purpose, Stream};
use frugan_train::{Grid, Snapshot};

use crate::failure::{InputContext, input};
use crate::runs::lift;

/// The same seed draws the same picture.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A snapshot file of a run: snapshot-STEP.safetensors
    snapshot: PathBuf,
    /// The picture to write, a PNG
    #[arg(long, default_value = "samples.png")]
    out: PathBuf,
    /// Seed of the latents
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Classes, a row each [default: all, at most 20]
    #[arg(long, value_delimiter = ',')]
    classes: Vec<usize>,
    /// Samples of a class
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    per_class: u32,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, default_value = "auto")]
    device: String,
}

const LATENT: Purpose = Purpose::new("generate.latent");

/// Loads, draws, writes.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let device: Device = args.device.parse().input(format!("--device {}", args.device))?;
    let snapshot = Snapshot::load(&args.snapshot, &device).map_err(lift)?;
    let (generator, about) = (snapshot.generator.as_ref(), &snapshot.about);
    let classes = match args.classes.as_slice() {
        [] => (0..about.num_classes.min(20)).collect(),
        given => given.to_vec(),
    };
    if let Some(class) = classes.iter().find(|class| **class >= about.num_classes) {
        let last = about.num_classes - 1;
        return Err(input(format!("--classes {class}: the snapshot has the classes 0 to {last}")));
    }
    let mode = match snapshot.config.eval.generator_mode {
        GeneratorMode::Batch => Mode::Batch,
        GeneratorMode::Running => Mode::Running,
    };
    let (rows, columns) = (classes.len(), args.per_class as usize);
    let mut stream = Stream::new(args.seed, LATENT, 0);
    let count = rows * columns;
    let latents = stream.normals(count * generator.latent_dim());
    let z = Tensor::from_vec(latents, (count, generator.latent_dim()), &candle_core::Device::Cpu)?;
    let z = Var::constant(z).to_device(&device)?;
    let labels: Ints = classes.iter().flat_map(|class| std::iter::repeat_n(*class as i32, columns)).collect();
    let images = no_grad(|| generator.generate(&z, &labels.to_device(&device)?, mode))?;
    let pixels = snapshot.config.eval.uint8.to_bytes(&images.to_vec::<f32>()?);
    let grid = Grid::new(&pixels, generator.image_shape(), rows, columns);
    frugan_train::write_atomic(&args.out, &grid.png).map_err(lift)?;
    eprintln!(
        "{} of {} at step {}, trained on {}: {rows} classes, {columns} samples each, seed {}",
        snapshot.config.model.name(),
        args.snapshot.display(),
        about.step,
        about.data,
        args.seed
    );
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
