//! Sizes, options and modes of BigGAN.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{DType, Device, GraphMode, Ints, Var, concat, grad_of_scalar, no_grad};
use frugan_models::{BigganConfig, GeneratorNorm, ModelConfig, ModelError, Models, WeightInit, standing_statistics};
use frugan_nn::{Adam, AdamConfig, Builder, Init, Mode, Params, Purpose};

fn tiny() -> BigganConfig {
    BigganConfig { g_ch: 4, d_ch: 4, latent_dim: 16, ..Default::default() }
}

fn build(config: BigganConfig) -> Models {
    ModelConfig::Biggan(config).build(5, 32, 7).unwrap()
}

fn latents(n: usize, dim: usize, seed: u64) -> Var {
    let builder = Builder::new(seed, Purpose::new("z"), DType::F32, &Device::Cpu);
    builder.buffer("z", &[n, dim], Init::Normal(1.0)).unwrap()
}

fn labels(n: usize) -> Ints {
    (0..n as i32).map(|i| i % 5).collect()
}

fn state(params: &Params) -> Vec<Vec<f32>> {
    params.iter().map(|(_, _, v)| v.to_vec().unwrap()).collect()
}

#[test]
fn parameter_counts_are_the_published_ones() {
    for (classes, g, d) in [(10, 4_304_387, 4_207_361), (100, 4_580_867, 4_230_401)] {
        let models = ModelConfig::default().build(classes, 32, 0).unwrap();
        assert_eq!(models.generator.params().count_weights(), g);
        assert_eq!(models.discriminator.params().count_weights(), d);
    }
}

#[test]
fn the_same_seed_gives_the_same_networks() {
    let (a, b, c) = (build(tiny()), build(tiny()), ModelConfig::Biggan(tiny()).build(5, 32, 8).unwrap());
    assert_eq!(state(a.generator.params()), state(b.generator.params()));
    assert_eq!(state(a.discriminator.params()), state(b.discriminator.params()));
    assert_ne!(state(a.generator.params()), state(c.generator.params()));
}

#[test]
fn every_option_runs_forward_and_backward() {
    let options = [
        BigganConfig { shared_dim: 12, ..tiny() },
        BigganConfig { shared_dim: 12, hierarchical: true, ..tiny() },
        BigganConfig { g_attention: 16, d_attention: 16, init: WeightInit::Ortho, ..tiny() },
        BigganConfig { g_norm: GeneratorNorm::Plain, init: WeightInit::Xavier, ..tiny() },
        BigganConfig { bn_group: 2, d_wide: false, sn_num_itrs: 2, ..tiny() },
    ];
    for config in options {
        let Models { generator, discriminator } = build(config.clone());
        let (z, y) = (latents(4, 16, 0), labels(4));
        let images = generator.generate(&z, &y, Mode::Train).unwrap();
        assert_eq!(images.dims(), [4, 3, 32, 32]);
        let logits = discriminator.logits(&images, &y, Mode::Train).unwrap();
        assert_eq!(logits.dims(), [4, 1]);
        let weights = generator.params().weights();
        let grads = grad_of_scalar(&logits.mean().unwrap(), &weights, GraphMode::Free).unwrap();
        for ((name, _), grad) in generator.params().named_weights().zip(&grads) {
            let values: Vec<f32> = grad.to_vec().unwrap();
            assert!(values.iter().all(|v| v.is_finite()), "{config:?}: {name}");
            // gamma starts at 0, so what lies behind it gets no gradient yet.
            let behind_gamma = name.starts_with("blocks.1.1") && !name.ends_with("gamma");
            assert!(behind_gamma || values.iter().any(|v| *v != 0.0), "{config:?}: {name} has no gradient");
        }
    }
}

#[test]
fn a_shared_embedding_has_the_published_shapes() {
    let config = BigganConfig { shared_dim: 12, hierarchical: true, ..tiny() };
    let generator = build(config).generator;
    let dims = |name: &str| generator.params().get(name).unwrap().dims().to_vec();
    assert_eq!(dims("shared.weight"), [5, 12]);
    assert_eq!(dims("linear.weight"), [16 * 4 * 4, 4]);
    assert_eq!(dims("blocks.2.0.bn1.gain.weight"), [16, 12 + 4]);
    assert_eq!(dims("blocks.2.0.bn1.gain.u0"), [1, 16]);
    assert!(generator.params().get("blocks.2.0.bn1.gain.bias").is_none());
}

#[test]
fn other_resolutions_have_their_tables() {
    let config = BigganConfig { g_ch: 2, d_ch: 2, latent_dim: 8, ..Default::default() };
    for (side, bottom_width) in [(64, 4), (48, 6)] {
        let config = BigganConfig { bottom_width, ..config.clone() };
        let Models { generator, discriminator } = ModelConfig::Biggan(config).build(5, side, 0).unwrap();
        let (z, y) = (latents(2, 8, 0), labels(2));
        let images = no_grad(|| generator.generate(&z, &y, Mode::Train)).unwrap();
        assert_eq!(images.dims(), [2, 3, side, side]);
        assert_eq!(generator.image_shape(), [3, side, side]);
        assert_eq!(no_grad(|| discriminator.logits(&images, &y, Mode::Train)).unwrap().dims(), [2, 1]);
    }
}

#[test]
fn a_group_of_half_the_batch_is_two_devices() {
    let (whole, grouped) = (build(tiny()).generator, build(BigganConfig { bn_group: 3, ..tiny() }).generator);
    let (z, y) = (latents(6, 16, 0), labels(6));
    let halves: Vec<Var> = [0, 3]
        .iter()
        .map(|at| {
            let labels: Ints = y.to_vec().unwrap()[*at..at + 3].iter().copied().collect();
            no_grad(|| whole.generate(&z.narrow(0, *at, 3)?, &labels, Mode::Batch)).unwrap()
        })
        .collect();
    let want = concat(&halves.iter().collect::<Vec<_>>(), 0).unwrap().to_vec::<f32>().unwrap();
    let got = no_grad(|| grouped.generate(&z, &y, Mode::Batch)).unwrap().to_vec::<f32>().unwrap();
    let error = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
    assert!(error < 1e-5, "off by {error}");
    let ungrouped = no_grad(|| whole.generate(&z, &y, Mode::Batch)).unwrap().to_vec::<f32>().unwrap();
    assert!(ungrouped.iter().zip(&want).any(|(g, w)| (g - w).abs() > 1e-3));
}

#[test]
fn only_training_changes_buffers() {
    let generator = build(tiny()).generator;
    let (z, y) = (latents(4, 16, 0), labels(4));
    let before = state(generator.params());
    for mode in [Mode::Batch, Mode::Running] {
        generator.generate(&z, &y, mode).unwrap();
    }
    assert_eq!(state(generator.params()), before);
    no_grad(|| generator.generate(&z, &y, Mode::Train)).unwrap();
    let mut changed = Vec::new();
    for ((name, _, _), (old, new)) in generator.params().iter().zip(before.iter().zip(state(generator.params()))) {
        if *old != new {
            changed.push(name);
        }
    }
    let is_buffer = |name: &&str| ["u0", "sv0", "stored_mean", "stored_var"].iter().any(|end| name.ends_with(end));
    assert!(changed.iter().all(is_buffer) && changed.len() == 11 * 2 + 7 * 2, "{changed:?}");
}

#[test]
fn standing_statistics_make_running_mode_follow_batches() {
    let generator = build(tiny()).generator;
    let (z, y) = (latents(8, 16, 0), labels(8));
    let images = |mode| no_grad(|| generator.generate(&z, &y, mode)).unwrap().to_vec::<f32>().unwrap();
    let batch = images(Mode::Batch);
    let off = |running: &[f32]| batch.iter().zip(running).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let before = off(&images(Mode::Running));
    standing_statistics(generator.as_ref(), 1, |pass| Ok((latents(8, 16, pass as u64), labels(8)))).unwrap();
    // One pass over the same batch: what is left is the variance's n / (n - 1), with n = 128 at the bottom.
    let after = off(&images(Mode::Running));
    assert!(after < 0.05 && before > 0.3, "{before} {after}");
}

/// Weights and buffers after a step of D and one of G.
fn states_after_a_step() -> [Vec<Vec<f32>>; 2] {
    let Models { generator, discriminator } = build(BigganConfig { bn_group: 4, g_attention: 16, ..tiny() });
    let (g, d) = (generator.params(), discriminator.params());
    let (mut adam_g, mut adam_d) = (Adam::new(AdamConfig::default(), g), Adam::new(AdamConfig::default(), d));
    let (z, y) = (latents(8, 16, 0), labels(8));
    let images = generator.generate(&z, &y, Mode::Train).unwrap();
    for (adam, params) in [(&mut adam_d, d), (&mut adam_g, g)] {
        let loss = discriminator.logits(&images, &y, Mode::Train).unwrap().softplus().unwrap().mean().unwrap();
        let grads = grad_of_scalar(&loss, &params.weights(), GraphMode::Keep).unwrap();
        adam.as_mut().unwrap().step(params, &grads).unwrap();
    }
    [state(g), state(d)]
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(states_after_a_step)
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn bad_inputs_are_named() {
    let Models { generator, discriminator } = build(tiny());
    let error = |r: frugan_autograd::Result<Var>| r.unwrap_err().to_string();
    let text = error(generator.generate(&latents(2, 15, 0), &labels(2), Mode::Train));
    assert!(text.contains("[2, 15]") && text.contains("[n, 16]"), "{text}");
    let text = error(generator.generate(&latents(2, 16, 0), &labels(3), Mode::Train));
    assert!(text.contains("2") && text.contains("3 labels"), "{text}");
    let text = error(generator.generate(&latents(1, 16, 0), &Ints::from(vec![5]), Mode::Train));
    assert!(text.contains('5'), "{text}");
    let images = Var::zeros(&[1, 3, 16, 16], DType::F32, &Device::Cpu).unwrap();
    let text = error(discriminator.logits(&images, &labels(1), Mode::Train));
    assert!(text.contains("[1, 3, 16, 16]"), "{text}");
}

#[test]
fn settings_that_make_no_network_are_named() {
    let cases = [
        (BigganConfig { g_ch: 0, ..tiny() }, 32, "model.g_ch = 0"),
        (BigganConfig { hierarchical: true, ..tiny() }, 32, "model.shared_dim"),
        (BigganConfig { hierarchical: true, shared_dim: 8, latent_dim: 18, ..tiny() }, 32, "model.latent_dim = 18"),
        (BigganConfig { g_attention: 12, ..tiny() }, 32, "[8, 16, 32]"),
        (BigganConfig { d_attention: 32, ..tiny() }, 32, "[16]"),
        (BigganConfig { g_ch: 1, g_attention: 16, ..tiny() }, 32, "at least 8 channels there, not 4"),
        (BigganConfig { bn_eps: 0.0, ..tiny() }, 32, "model.bn_eps = 0"),
        (BigganConfig { bn_momentum: 2.0, ..tiny() }, 32, "model.bn_momentum = 2"),
        (BigganConfig { g_norm: GeneratorNorm::Plain, shared_dim: 4, ..tiny() }, 32, "model.shared_dim = 4"),
        (tiny(), 28, "28x28"),
        (BigganConfig { bottom_width: 5, ..tiny() }, 32, "40, 80, 160, 320"),
    ];
    for (config, resolution, want) in cases {
        let error = ModelConfig::Biggan(config).build(5, resolution, 0).err().unwrap();
        assert!(!matches!(error, ModelError::Tensor(_)));
        assert!(error.to_string().contains(want), "{error}, want {want}");
    }
    let error = ModelConfig::Biggan(tiny()).build(0, 32, 0).err().unwrap().to_string();
    assert!(error.contains("num_classes = 0"), "{error}");
}
