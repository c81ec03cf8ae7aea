//! Whole iterations, and a regulariser's step.

use anyhow::{Context, Result};
use frugan_autograd::{Device, GraphMode, Ints, Tensor, Var, cuda, grad_of_scalar};
use frugan_data::{DataConfig, DataName};
use frugan_models::{BigganConfig, Blueprint, Discriminator, ModelConfig, Placement, StyleGan2Discriminator};
use frugan_nn::{Adam, Precision, Purpose, Stream};
use frugan_train::{Config, Lazy, Objective, Trainer};

use super::{print_iteration, timed};
use crate::config::{Argument, Composer, Library};

const SIDE: usize = 32;
/// BigGAN's iterations between two waits for a GPU, as in training, where the host prepares one while another runs; benches/'s
/// PyTorch side waits as often.
const PER_WAIT: u32 = 5;

/// BigGAN's iterations.
pub(super) fn biggan(iterations: u32, batch: usize, place: (Device, Precision)) -> Result<Trainer> {
    let (device, mut trainer) = (place.0, biggan_trainer(batch, place)?);
    let at_once = if device.runs_graphs() { PER_WAIT } else { 1 };
    for _ in 0..iterations {
        print_iteration(steps(&mut trainer, device, at_once)?);
    }
    Ok(trainer)
}

/// StyleGAN2's iterations: on a GPU whole cycles of the lazy R1 step; on the CPU one with it and one without, weighted as they
/// come in a cycle. The trainer, and the iterations of a cycle.
pub(super) fn stylegan2(iterations: u32, batch: usize, place: (Device, Precision)) -> Result<(Trainer, u32)> {
    let interval = lazy(&stylegan2_config()?)?.d_interval;
    let (device, mut trainer) = (place.0, stylegan2_trainer(batch, place)?);
    if device.runs_graphs() {
        for _ in 0..iterations {
            print_iteration(steps(&mut trainer, device, interval as u32)?);
        }
        return Ok((trainer, interval as u32));
    }
    for cycle in 0..u64::from(iterations) {
        trainer.itr = cycle * interval;
        let with_r1 = step(&mut trainer, device)?;
        let plain = step(&mut trainer, device)?;
        print_iteration((with_r1 + (interval - 1) as f64 * plain) / interval as f64);
    }
    Ok((trainer, interval as u32))
}

/// StyleGAN2's R1 step: D's gradient by the images, that gradient's by D's weights, and Adam.
pub(super) fn r1(iterations: u32, batch: usize) -> Result<()> {
    const REALS: Purpose = Purpose::new("bench.reals");
    let config = stylegan2_config()?;
    let ModelConfig::StyleGan2(model) = &config.model else { unreachable!("stylegan2_config picks it") };
    let placement = Placement::default();
    let blueprint = Blueprint { num_classes: 1, resolution: SIDE, seed: config.seed, placement };
    let discriminator = StyleGan2Discriminator::new(model, &blueprint)?;
    let objective = Objective::new(&config, &Device::Cpu)?;
    let mut adam = Adam::new(config.optim.lazily_scaled()[1], discriminator.params())?;
    let labels = Ints::from(vec![0; batch]);
    let interval = lazy(&config)?.d_interval as f64;
    let mut last = 0.0;
    for i in 0..u64::from(iterations) {
        let pixels = Stream::new(config.seed, REALS, i).normals(batch * 3 * SIDE * SIDE);
        let reals = Tensor::from_vec(pixels, (batch, 3, SIDE, SIDE), &candle_core::Device::Cpu)?.affine(0.5, 0.0)?;
        let reals = Var::constant(reals);
        let (penalty, seconds) = timed(|| {
            let draws = objective.r1_draws(batch, [3, SIDE, SIDE], config.seed, i);
            let (penalty, _) =
                objective.r1(&discriminator, (&reals, &labels), &draws)?.context("the loss has no R1")?;
            let loss = penalty.scale(interval)?;
            let gradients = grad_of_scalar(&loss, &discriminator.params().weights(), GraphMode::Free)?;
            adam.step(discriminator.params(), &gradients)?;
            Ok(penalty.item()?)
        })?;
        print_iteration(seconds);
        last = penalty;
    }
    println!("loss_r1 {last:.3e}");
    Ok(())
}

/// Seconds of an iteration, until the device has done it.
fn step(trainer: &mut Trainer, device: Device) -> Result<f64> {
    steps(trainer, device, 1)
}

/// Seconds of one of so many iterations, until the device has done the last.
pub(crate) fn steps(trainer: &mut Trainer, device: Device, count: u32) -> Result<f64> {
    let steps = || {
        (0..count).try_for_each(|_| trainer.step())?;
        if device == Device::Cpu { Ok(()) } else { Ok(cuda::synchronise(device)?) }
    };
    Ok(timed(steps)?.1 / f64::from(count))
}

fn lazy(config: &Config) -> Result<Lazy> {
    config.optim.lazy.context("the configuration has no lazy regularisation")
}

/// BigGAN for CIFAR-10 as published: 4 D steps and 1 G step, translation,cutout.
pub(crate) fn biggan_trainer(batch: usize, place: (Device, Precision)) -> Result<Trainer> {
    let mut config = Config { model: ModelConfig::Biggan(BigganConfig::default()), ..Config::default() };
    config.augment.policy = "translation,cutout".to_owned();
    config.data = DataConfig { name: DataName::Synthetic, ..DataConfig::default() };
    trainer(config, batch, place)
}

/// StyleGAN2 for CIFAR-10 as ADA trains it, without T.
pub(crate) fn stylegan2_trainer(batch: usize, place: (Device, Precision)) -> Result<Trainer> {
    trainer(stylegan2_config()?, batch, place)
}

fn trainer(mut config: Config, batch: usize, (device, precision): (Device, Precision)) -> Result<Trainer> {
    (config.optim.batch, config.precision) = (batch, precision);
    let data = frugan_data::open(&config.data)?;
    Ok(Trainer::new(&config, &data, &device)?)
}

/// ADA's configuration for CIFAR-10, unconditional, without T. The clamp is off: ADA's code has it for the sake of half
/// precision and leaves it out in single precision.
fn stylegan2_config() -> Result<Config> {
    let library = Library::open(None)?;
    let mut composer = Composer::new(&library);
    let choices = [
        ("model", "stylegan2-ada-cifar"),
        ("loss", "stylegan2-ada-cifar"),
        ("optim", "stylegan2-ada-cifar"),
        ("augment", "none"),
        ("data", "synthetic"),
    ];
    for (group, choice) in choices {
        composer.pick(group, choice, "frugan bench")?;
    }
    composer.argument(&Argument::parse("model.conv_clamp=0.0")?)?;
    Ok(composer.resolve::<Config>()?.config)
}
