//! Training from a config written in code: DCGAN with DiffAugment on the embedded set, a minute or two on a CPU.
//!
//! `cargo run --release -p frugan-train --example train -- DIR` writes the run into DIR (default: runs/example) and goes
//! on where an earlier, interrupted run of it stopped.
#![allow(clippy::print_stdout, reason = "an example speaks")]

use std::error::Error;
use std::path::PathBuf;

use frugan_augment::AugmentConfig;
use frugan_losses::{LossConfig, LossName};
use frugan_metrics::{EvalConfig, Network};
use frugan_models::{DcganConfig, ModelConfig};
use frugan_train::{Config, Interrupt, Library, Observer, OptimConfig, Plan, Record, Speed, TrainConfig, Warning};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).map_or_else(|| PathBuf::from("runs/example"), PathBuf::from);
    let plan = Plan::new(config(), dir.clone(), &mut Library::default())?;
    println!("{} images, config {}", plan.splits().train.len(), plan.config().hash());
    let outcome = plan.run(&Lines, &Interrupt::new())?;
    println!("{:?}: samples, states and logs are in {}", outcome.status, dir.display());
    Ok(())
}

/// Every field has a default; what is left out here is the published BigGAN setting, or the embedded data.
fn config() -> Config {
    let base = Config::default();
    let mut optim = OptimConfig { batch: 32, num_d_steps: 1, ..base.optim };
    (optim.g.beta1, optim.d.beta1) = (0.5, 0.5);
    (optim.ema.decay, optim.ema.start_itr) = (0.99, 50);
    Config {
        model: ModelConfig::Dcgan(DcganConfig::default()),
        augment: AugmentConfig { policy: "color,translation,cutout".to_owned(), ..base.augment },
        loss: LossConfig { name: LossName::Bce, ..base.loss },
        eval: EvalConfig { network: Network::Random, num_fakes: 500, every_steps: 200, ..base.eval },
        train: TrainConfig { steps: 400, tick_steps: 20, save_every_steps: 200, sample_every_steps: 100, ..base.train },
        optim,
        ..base
    }
}

/// A line a tick, a warning, an evaluation.
struct Lines;

impl Observer for Lines {
    fn note(&self, line: &str) {
        println!("{line}");
    }

    fn tick(&self, record: &Record, speed: Speed) {
        let loss = |name| record.get(name).unwrap_or(f64::NAN);
        let (d, g) = (loss("loss/d"), loss("loss/g"));
        println!("step {}: loss D {d:.3}, G {g:.3}; {:.0} s left", record.step, speed.sec_left);
    }

    fn warning(&self, step: u64, warning: &Warning) {
        println!("step {step}: {}: {}", warning.kind, warning.text);
    }

    fn evaluated(&self, record: &Record) {
        for (name, value) in &record.values {
            println!(
                "step {}: {name} = {}",
                record.step,
                value.map_or("n/a".to_owned(), |value| format!("{value:.3}"))
            );
        }
    }
}
