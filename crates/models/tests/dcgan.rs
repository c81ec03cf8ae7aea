//! DCGAN: shapes, options, and that it learns.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{GraphMode, Ints, Var, concat, grad_of_scalar, no_grad};
use frugan_models::{DcganConfig, DiscriminatorNorm, ModelConfig, Models};
use frugan_nn::{Adam, AdamConfig, Mode, Purpose, Stream};

fn tiny() -> DcganConfig {
    DcganConfig { g_ch: 8, d_ch: 8, latent_dim: 8, embed_dim: 4, ..Default::default() }
}

fn var(values: Vec<f32>, shape: &[usize]) -> Var {
    Var::constant(frugan_autograd::Tensor::from_vec(values, shape, &candle_core::Device::Cpu).unwrap())
}

fn latents(n: usize, step: u64) -> Var {
    var(Stream::new(0, Purpose::new("z"), step).normals(n * 8), &[n, 8])
}

#[test]
fn every_option_runs() {
    let options = [
        (tiny(), 16),
        (DcganConfig { conditional: false, ..tiny() }, 32),
        (DcganConfig { d_norm: DiscriminatorNorm::Batch, bn_group: 2, ..tiny() }, 8),
        (DcganConfig { d_norm: DiscriminatorNorm::None, ..tiny() }, 64),
    ];
    for (config, side) in options {
        let Models { generator, discriminator } = ModelConfig::Dcgan(config.clone()).build(3, side, 0).unwrap();
        let labels: Ints = [0, 1, 2, 1].into_iter().collect();
        let images = generator.generate(&latents(4, 0), &labels, Mode::Train).unwrap();
        assert_eq!(images.dims(), [4, 3, side, side]);
        let logits = discriminator.logits(&images, &labels, Mode::Train).unwrap();
        assert_eq!(logits.dims(), [4, 1]);
        let params = generator.params();
        let grads = grad_of_scalar(&logits.sum().unwrap(), &params.weights(), GraphMode::Free).unwrap();
        for ((name, _), grad) in params.named_weights().zip(&grads) {
            assert!(grad.to_vec::<f32>().unwrap().iter().any(|v| *v != 0.0), "{config:?}: {name}");
        }
        assert_eq!(params.get("embed.weight").is_some(), config.conditional);
    }
}

#[test]
fn settings_that_make_no_network_are_named() {
    for (config, side, want) in [
        (tiny(), 48, "48x48"),
        (tiny(), 4, "8, 16, 32"),
        (DcganConfig { d_ch: 0, ..tiny() }, 32, "model.d_ch = 0"),
        (DcganConfig { leaky_slope: 1.0, ..tiny() }, 32, "model.leaky_slope = 1"),
    ] {
        let error = ModelConfig::Dcgan(config).build(3, side, 0).err().unwrap().to_string();
        assert!(error.contains(want), "{error}");
    }
}

/// Reals are of one colour by class: red at +0.8 for class 0, at -0.8 for class 1. After some steps the generator's mean
/// red tells the classes apart.
#[test]
fn it_learns_two_colours_by_class() {
    const BATCH: usize = 16;
    let Models { generator, discriminator } = ModelConfig::Dcgan(tiny()).build(2, 8, 1).unwrap();
    let labels: Ints = (0..BATCH as i32).map(|i| i % 2).collect();
    let plane = |class: usize| if class == 0 { 0.8f32 } else { -0.8 };
    let pixel = |i: usize| if (i / 64).is_multiple_of(3) { plane(i / 192 % 2) } else { 0.0 };
    let reals = var((0..BATCH * 192).map(pixel).collect(), &[BATCH, 3, 8, 8]);
    let both: Ints = labels.to_vec().unwrap().into_iter().cycle().take(2 * BATCH).collect();
    let config = AdamConfig { lr: 2e-3, beta1: 0.5, ..Default::default() };
    let mut adam_g = Adam::new(config, generator.params()).unwrap();
    let mut adam_d = Adam::new(config, discriminator.params()).unwrap();
    for step in 0..120 {
        let fakes = no_grad(|| generator.generate(&latents(BATCH, 2 * step), &labels, Mode::Train)).unwrap();
        let logits = discriminator.logits(&concat(&[&fakes, &reals], 0).unwrap(), &both, Mode::Train).unwrap();
        let fake = logits.narrow(0, 0, BATCH).unwrap().softplus().unwrap().mean().unwrap();
        let real = logits.narrow(0, BATCH, BATCH).unwrap().neg().unwrap().softplus().unwrap().mean().unwrap();
        let loss = fake.add(&real).unwrap();
        let grads = grad_of_scalar(&loss, &discriminator.params().weights(), GraphMode::Free).unwrap();
        adam_d.step(discriminator.params(), &grads).unwrap();
        let fakes = generator.generate(&latents(BATCH, 2 * step + 1), &labels, Mode::Train).unwrap();
        let logits = discriminator.logits(&fakes, &labels, Mode::Train).unwrap();
        let loss = logits.neg().unwrap().softplus().unwrap().mean().unwrap();
        let grads = grad_of_scalar(&loss, &generator.params().weights(), GraphMode::Free).unwrap();
        adam_g.step(generator.params(), &grads).unwrap();
    }
    let red = |class: i32| {
        let labels: Ints = std::iter::repeat_n(class, BATCH).collect();
        let images = no_grad(|| generator.generate(&latents(BATCH, 999), &labels, Mode::Running)).unwrap();
        images.narrow(1, 0, 1).unwrap().mean().unwrap().item().unwrap()
    };
    let (first, second) = (red(0), red(1));
    assert!(first > 0.3 && second < -0.3, "{first} {second}");
}
