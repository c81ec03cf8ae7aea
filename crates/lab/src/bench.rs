//! `frugan bench NAME`: seconds a training iteration and the peak of memory, for `cargo xtask ratio`.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use frugan_autograd::Device;
use frugan_data::{DataConfig, DataName};
use frugan_models::{BigganConfig, ModelConfig};
use frugan_train::{Config, Trainer};

/// Time training iterations on this machine
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to time
    #[arg(value_enum)]
    name: Name,
    /// How often; the first is warm-up
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    iterations: u32,
    /// Images a batch
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(2..=1024))]
    batch: u32,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    /// BigGAN for CIFAR-10 as published: 4 D steps and 1 G step, translation,cutout, Adam, EMA
    Biggan,
}

/// Trains on the synthetic set, whose content does not change the time.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut config = match args.name {
        Name::Biggan => Config { model: ModelConfig::Biggan(BigganConfig::default()), ..Config::default() },
    };
    config.augment.policy = "translation,cutout".to_owned();
    config.optim.batch = args.batch as usize;
    config.data = DataConfig { name: DataName::Synthetic, ..DataConfig::default() };
    let data = frugan_data::open(&config.data)?;
    let mut trainer = Trainer::new(&config, &data, &Device::Cpu)?;
    for _ in 0..args.iterations {
        let start = Instant::now();
        trainer.step()?;
        println!("iteration_s {:.4}", start.elapsed().as_secs_f64());
    }
    println!("peak_rss_mib {:.1}", peak_rss_mib()?);
    Ok(ExitCode::SUCCESS)
}

/// The high-water mark of resident memory, as Linux counts it.
fn peak_rss_mib() -> Result<f64> {
    let status =
        std::fs::read_to_string("/proc/self/status").context("the peak of memory is read from Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("/proc/self/status has no VmHWM")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("VmHWM is no number")?;
    Ok(kib / 1024.0)
}
