//! `frugan bench NAME`: seconds a piece of training and the peak of memory, for `cargo xtask ratio`.

mod augmentation;
mod kernels;
pub(crate) mod training;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use frugan_autograd::{Device, cuda};
use frugan_nn::Precision;

use crate::failure::{InputContext, input};

/// Time pieces of training on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to time
    #[arg(value_enum)]
    name: Name,
    /// How often; the first is warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    iterations: u32,
    /// Images a batch; by default 50 for biggan, 8 for stylegan2, 64 for the augmentations
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=1024))]
    batch: Option<u32>,
    /// cpu, cuda or cuda:N; whole iterations only
    #[arg(long, default_value = "cpu")]
    device: String,
    /// f32, or on a GPU tf32 or bf16
    #[arg(long, value_parser = ["f32", "tf32", "bf16"], default_value = "f32")]
    precision: String,
    /// On a GPU: lists the kernels and library calls of one iteration behind it, with the time that each kind takes
    #[arg(long)]
    kernels: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    /// BigGAN for CIFAR-10 as published: 4 D steps and 1 G step, translation,cutout, Adam, EMA
    Biggan,
    /// StyleGAN2 for CIFAR-10 as ADA trains it, without T: an iteration, the mean of a cycle of 16 with one R1 step
    #[value(name = "stylegan2")]
    StyleGan2,
    /// The R1 step of that alone
    #[value(name = "stylegan2-r1")]
    StyleGan2R1,
    /// ADA's pipe bgc at p = 1, forward and backward
    Ada,
    /// DiffAugment's color,translation,cutout, forward and backward
    #[value(name = "diffaugment")]
    DiffAugment,
}

/// Runs on made-up images, whose content does not change the time.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let iterations = args.iterations;
    let device = args.device.parse::<Device>().input(format!("--device {}", args.device))?.open().or_input()?;
    let precision: Precision = args.precision.parse().or_input()?;
    precision.apply(device).or_input()?;
    if device != Device::Cpu && !matches!(args.name, Name::Biggan | Name::StyleGan2) {
        return Err(input(format!("--device {device}: only biggan and stylegan2 are timed there")));
    }
    if device == Device::Cpu && args.kernels {
        return Err(input("--kernels: the CPU has none to list; choose --device cuda"));
    }
    let batch = |default| args.batch.unwrap_or(default) as usize;
    match args.name {
        Name::Biggan => {
            let mut trainer = training::biggan(iterations, batch(50), (device, precision))?;
            if args.kernels {
                kernels::print(&mut trainer, device, 1)?;
            }
        }
        Name::StyleGan2 => {
            let (mut trainer, cycle) = training::stylegan2(iterations, batch(8), (device, precision))?;
            if args.kernels {
                kernels::print(&mut trainer, device, cycle)?;
            }
        }
        Name::StyleGan2R1 => training::r1(iterations, batch(8))?,
        Name::Ada => augmentation::ada(iterations, batch(64))?,
        Name::DiffAugment => augmentation::diffaugment(iterations, batch(64))?,
    }
    if device != Device::Cpu {
        println!("peak_device_mib {:.1}", cuda::usage(device)?.reserved as f64 / f64::from(1 << 20));
    }
    println!("peak_rss_mib {:.1}", peak_rss_mib()?);
    Ok(ExitCode::SUCCESS)
}

fn print_iteration(seconds: f64) {
    println!("iteration_s {seconds:.6}");
}

/// The result and the seconds that it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    Ok((work()?, start.elapsed().as_secs_f64()))
}

/// The high-water mark of resident memory, as Linux counts it.
fn peak_rss_mib() -> Result<f64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("the peak of memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("/proc/self/status has no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("VmHWM is no number")?;
    Ok(kib / 1024.0)
}
