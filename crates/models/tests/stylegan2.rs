//! Sizes, names, options and errors of StyleGAN2's networks.
#![allow(clippy::unwrap_used)]

mod tiny_stylegan2;

use frugan_autograd::{DType, Device, GraphMode, Ints, Tensor, Var, grad_of_scalar};
use frugan_models::{LabelEmbedding, ModelConfig, ModelError, Models, Noise, StyleGan2Architecture, StyleGan2Config};
use frugan_nn::{Adam, AdamConfig, Mode, Params};
use tiny_stylegan2::{build, labels, latents, state, stream, tiny, values};

fn has_gradients(what: &str, params: &Params, loss: &Var) {
    let grads = grad_of_scalar(loss, &params.weights(), GraphMode::Keep).unwrap();
    for ((name, _), grad) in params.named_weights().zip(&grads) {
        let grad = values(grad);
        assert!(grad.iter().all(|v| v.is_finite()), "{what}: {name}");
        assert!(grad.iter().any(|v| *v != 0.0), "{what}: {name} has no gradient");
    }
}

/// Configs as in `configs/model/`, and the counts of ADA's own networks: (config, classes, side, G, D). The conditional D of its CIFAR
/// configuration has no mapping layers, as in the TensorFlow code of the paper's numbers.
#[test]
fn parameter_counts_are_the_published_ones() {
    let of = |text: &str| toml::from_str::<ModelConfig>(text).unwrap();
    let model = |name: &str, text: &str| {
        let table = text.parse::<toml::Table>().unwrap()["model"].clone();
        (name.to_string(), of(&toml::to_string(&table).unwrap()))
    };
    macro_rules! file {
        ($name:literal) => {
            model($name, include_str!(concat!("../../../configs/model/", $name, ".toml")))
        };
    }
    let conditional = |(name, config): (String, ModelConfig)| {
        let ModelConfig::StyleGan2(config) = config else { panic!("{name}") };
        (name + ", conditional", ModelConfig::StyleGan2(StyleGan2Config { conditional: true, ..config }))
    };
    let mapping = [525_312, 793_088, 2_101_248];
    let rows = [
        (file!("stylegan2-ada-cifar"), 32, mapping[0], 19_422_227, 20_720_641),
        (conditional(file!("stylegan2-ada-cifar")), 32, mapping[1], 19_422_227, 20_988_416),
        (file!("stylegan2-ada-cifarbaseline"), 32, mapping[2], 19_422_227, 21_507_073),
        (file!("stylegan2-diffaug-cifar"), 32, mapping[2], 11_405_715, 13_918_849),
        (file!("stylegan2-ada-auto"), 32, mapping[0], 19_422_227, 21_507_073),
        (conditional(file!("stylegan2-ada-auto")), 32, mapping[1], 19_422_227, 23_876_096),
        (file!("stylegan2-paper256"), 256, mapping[2], 22_666_210, 24_001_089),
        (file!("stylegan2-ada-auto"), 256, mapping[0], 22_666_210, 24_001_089),
        (file!("stylegan2"), 256, mapping[2], 27_933_090, 28_864_129),
        (file!("stylegan2-low-shot"), 256, mapping[2], 27_933_090, 28_864_129),
        (file!("stylegan2-paper512"), 512, mapping[2], 28_175_335, 28_982_849),
        (file!("stylegan2-paper1024"), 1024, mapping[2], 28_268_812, 29_012_513),
    ];
    for ((name, config), side, mapping, synthesis, d) in rows {
        let models = config.build(10, side, 0).unwrap();
        let (g, of_d) = (models.generator.params(), models.discriminator.params());
        let below = |prefix: &str| -> usize {
            g.named_weights().filter(|(n, _)| n.starts_with(prefix)).map(|(_, var)| var.elem_count()).sum()
        };
        let counts = (below("mapping."), below("synthesis."), g.count_weights(), of_d.count_weights());
        assert_eq!(counts, (mapping, synthesis, mapping + synthesis, d), "{name} at {side}");
    }
}

#[test]
fn names_are_those_of_the_published_states() {
    let Models { generator, discriminator } = build(tiny());
    let shape = |params: &Params, name: &str| params.get(name).unwrap_or_else(|| panic!("{name}")).dims().to_vec();
    let g = generator.params();
    assert_eq!(shape(g, "mapping.embed.weight"), [12, 5]);
    assert_eq!(shape(g, "mapping.fc0.weight"), [12, 8 + 12]);
    assert_eq!(shape(g, "mapping.w_avg"), [12]);
    assert_eq!(shape(g, "synthesis.b4.const"), [8, 4, 4]);
    assert_eq!(shape(g, "synthesis.b8.conv0.noise_const"), [8, 8]);
    assert_eq!(shape(g, "synthesis.b8.conv0.noise_strength"), [0usize; 0]);
    assert_eq!(shape(g, "synthesis.b16.conv1.affine.weight"), [8, 12]);
    assert_eq!(shape(g, "synthesis.b16.torgb.weight"), [3, 8, 1, 1]);
    let d = discriminator.params();
    assert_eq!(shape(d, "b16.fromrgb.weight"), [8, 3, 1, 1]);
    assert_eq!(shape(d, "b8.skip.weight"), [8, 8, 1, 1]);
    assert_eq!(shape(d, "b4.conv.weight"), [8, 9, 3, 3]);
    assert_eq!(shape(d, "b4.out.weight"), [8, 8]);
    assert_eq!(shape(d, "mapping.fc0.weight"), [8, 8]);
}

#[test]
fn every_option_runs_forward_and_backward() {
    use StyleGan2Architecture::{Orig, Resnet, Skip};
    let options = [
        tiny(),
        StyleGan2Config { g_architecture: Resnet, d_architecture: Skip, conv_clamp: 0.0, ..tiny() },
        StyleGan2Config { g_architecture: Orig, d_architecture: Orig, conditional: false, ..tiny() },
        StyleGan2Config { label_embedding: LabelEmbedding::Joint, d_mapping_layers: 0, mbstd_group: 0, ..tiny() },
        StyleGan2Config { mbstd_channels: 0, ..tiny() },
        StyleGan2Config { mbstd_channels: 4, mbstd_group: 3, ..tiny() },
    ];
    for config in options {
        let Models { generator, discriminator } = build(config.clone());
        let style = generator.as_style().unwrap();
        let (z, y) = (latents(6, 0), labels(6));
        let noise = style.draw_noise(6, &mut stream()).unwrap();
        let images = style.synthesize(&style.map(&z, &y, true).unwrap(), Noise::Given(&noise)).unwrap();
        assert_eq!(images.dims(), [6, 3, 16, 16]);
        let logits = discriminator.logits(&images, &y, Mode::Train).unwrap();
        assert_eq!(logits.dims(), [6, 1]);
        let loss = logits.square().unwrap().mean().unwrap();
        let what = format!("{config:?}");
        has_gradients(&what, generator.params(), &loss);
        has_gradients(&what, discriminator.params(), &loss);
        assert_eq!(generator.params().get("mapping.embed.weight").is_some(), config.conditional);
        assert_eq!(discriminator.params().get("mapping.embed.weight").is_some(), config.conditional);
    }
}

#[test]
fn one_class_is_no_condition() {
    let Models { generator, discriminator } = ModelConfig::StyleGan2(tiny()).build(1, 16, 0).unwrap();
    assert!(generator.params().get("mapping.embed.weight").is_none());
    assert_eq!(discriminator.params().get("b4.out.weight").unwrap().dims(), [1, 8]);
}

#[test]
fn styles_go_to_the_published_layers() {
    let generator = build(StyleGan2Config { conv_clamp: 0.0, ..tiny() }).generator;
    let style = generator.as_style().unwrap();
    assert_eq!((style.num_ws(), style.w_dim()), (6, 12));
    let ws = Var::leaf(style.map(&latents(2, 0), &labels(2), false).unwrap().to_tensor().unwrap());
    // Which affine layers a style reaches: those whose gradient vanishes where the style is zero.
    let reached = |index: usize| -> Vec<String> {
        let mask: Vec<f32> = (0..6).map(|i| if i == index { 0.0 } else { 1.0 }).collect();
        let mask = Var::constant(Tensor::from_vec(mask, (1, 6, 1), &candle_core::Device::Cpu).unwrap());
        let image = style.synthesize(&ws.mul(&mask).unwrap(), Noise::None).unwrap();
        let grads =
            grad_of_scalar(&image.square().unwrap().sum().unwrap(), &generator.params().weights(), GraphMode::Free);
        let grads = grads.unwrap();
        let names = generator.params().named_weights().zip(&grads);
        let still =
            names.filter(|((name, _), grad)| name.ends_with("affine.weight") && values(grad).iter().all(|v| *v == 0.0));
        still.map(|((name, _), _)| name.replace("synthesis.", "").replace(".affine.weight", "")).collect()
    };
    assert_eq!(reached(0), ["b4.conv1"]);
    assert_eq!(reached(1), ["b4.torgb", "b8.conv0"]);
    assert_eq!(reached(2), ["b8.conv1"]);
    assert_eq!(reached(3), ["b8.torgb", "b16.conv0"]);
    assert_eq!(reached(4), ["b16.conv1"]);
    assert_eq!(reached(5), ["b16.torgb"]);
}

#[test]
fn the_discriminator_says_that_it_mixes_a_batch_and_does() {
    let discriminator = build(tiny()).discriminator;
    assert!(discriminator.mixes_batch());
    let images = build(tiny()).generator.generate(&latents(4, 0), &labels(4), Mode::Batch).unwrap();
    let whole = discriminator.logits(&images, &labels(4), Mode::Batch).unwrap();
    let part = discriminator.logits(&images.narrow(0, 0, 2).unwrap(), &labels(2), Mode::Batch).unwrap();
    assert!((values(&whole)[0] - values(&part)[0]).abs() > 1e-4);
}

/// Weights and buffers after a step of D and one of G.
fn states_after_a_step() -> [Vec<Vec<f32>>; 2] {
    let Models { generator, discriminator } = build(tiny());
    let (g, d) = (generator.params(), discriminator.params());
    let (mut adam_g, mut adam_d) = (Adam::new(AdamConfig::default(), g), Adam::new(AdamConfig::default(), d));
    let (z, y) = (latents(8, 0), labels(8));
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
    let style = generator.as_style().unwrap();
    let error = |r: frugan_autograd::Result<Var>| r.unwrap_err().to_string();
    let text =
        error(generator.generate(&Var::zeros(&[2, 9], DType::F32, &Device::Cpu).unwrap(), &labels(2), Mode::Train));
    assert!(text.contains("[2, 9]") && text.contains("[n, 8]"), "{text}");
    let text = error(style.map(&latents(2, 0), &labels(3), false));
    assert!(text.contains("3 labels"), "{text}");
    let text = error(style.map(&latents(1, 0), &Ints::from(vec![5]), false));
    assert!(text.contains('5'), "{text}");
    let ws = Var::zeros(&[2, 5, 12], DType::F32, &Device::Cpu).unwrap();
    let text = error(style.synthesize(&ws, Noise::Const));
    assert!(text.contains("[2, 5, 12]") && text.contains("[n, 6, 12]"), "{text}");
    let images = Var::zeros(&[1, 3, 32, 32], DType::F32, &Device::Cpu).unwrap();
    let text = error(discriminator.logits(&images, &labels(1), Mode::Train));
    assert!(text.contains("[1, 3, 32, 32]"), "{text}");
}

#[test]
fn settings_that_make_no_network_are_named() {
    let cases = [
        (StyleGan2Config { w_dim: 0, ..tiny() }, 16, "model.w_dim = 0"),
        (StyleGan2Config { mapping_layers: 0, ..tiny() }, 16, "model.mapping_layers = 0"),
        (StyleGan2Config { channel_base: 15, ..tiny() }, 16, "model.channel_base = 15"),
        (StyleGan2Config { mbstd_channels: 3, ..tiny() }, 16, "a divisor of 8"),
        (StyleGan2Config { w_avg_beta: 1.5, ..tiny() }, 16, "model.w_avg_beta = 1.5"),
        (StyleGan2Config { style_mixing: -0.1, ..tiny() }, 16, "model.style_mixing = -0.1"),
        (StyleGan2Config { mapping_lr_multiplier: 0.0, ..tiny() }, 16, "model.mapping_lr_multiplier = 0"),
        (StyleGan2Config { conv_clamp: -1.0, ..tiny() }, 16, "model.conv_clamp = -1"),
        (tiny(), 48, "48x48"),
        (tiny(), 4, "8, 16, 32"),
    ];
    for (config, resolution, want) in cases {
        let error = ModelConfig::StyleGan2(config).build(5, resolution, 0).err().unwrap();
        assert!(!matches!(error, ModelError::Tensor(_)));
        assert!(error.to_string().contains(want), "{error}, want {want}");
    }
    let error = ModelConfig::StyleGan2(tiny()).build(0, 16, 0).err().unwrap().to_string();
    assert!(error.contains("num_classes = 0"), "{error}");
}
