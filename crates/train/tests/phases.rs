//! Which network steps when, on what, and what the regularisers add.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use frugan_autograd::Device;
use frugan_data::{DataConfig, DataName, Splits};
use frugan_train::{Config, First, Lazy, Trainer};

fn data() -> Splits {
    let config = DataConfig { name: DataName::Synthetic, num_images: Some(40), ..DataConfig::default() };
    frugan_data::open(&config).unwrap()
}

fn style() -> Config {
    let text = concat!(
        support::stylegan2!(),
        r#"
num_images = 40
[optim]
batch = 4
num_d_steps = 1
first = "g"
ema = { halflife_kimg = 0.02 }
"#
    );
    Config::from_toml(text).unwrap()
}

fn weights(trainer: &Trainer, of_g: bool) -> Vec<f32> {
    let params = if of_g { trainer.generator.params() } else { trainer.discriminator.params() };
    params.weights().into_iter().flat_map(|var| var.to_vec::<f32>().unwrap()).collect()
}

fn after(config: &Config, steps: usize) -> Trainer {
    let mut trainer = Trainer::new(config, &data(), &Device::Cpu).unwrap();
    (0..steps).for_each(|_| trainer.step().unwrap());
    trainer
}

#[test]
fn the_order_of_the_networks_matters_and_is_the_configs() {
    let mut config = style();
    let g_first = after(&config, 1);
    config.optim.first = First::D;
    let d_first = after(&config, 1);
    // D's step comes ahead of any change of G, or behind it.
    assert_ne!(weights(&g_first, false), weights(&d_first, false));
}

#[test]
fn a_lazy_regulariser_acts_when_it_is_due_and_scales_the_step() {
    let mut config = style();
    config.optim.lazy = Some(Lazy { g_interval: 2, d_interval: 2 });
    let scaled = config.optim.lazily_scaled();
    assert!((scaled[1].lr / config.optim.d.lr - 2.0 / 3.0).abs() < 1e-12);
    assert!((scaled[1].beta2.ln() / config.optim.d.beta2.ln() - 2.0 / 3.0).abs() < 1e-12);
    let without = after(&config, 1);
    config.loss.r1 = Some(Default::default());
    let with = after(&config, 1);
    // Due at the first iteration: D moved differently. G stepped ahead of D, so it did not.
    assert_ne!(weights(&without, false), weights(&with, false));
    assert_eq!(weights(&without, true), weights(&with, true));
    config.loss.path_length = Some(Default::default());
    assert_ne!(weights(&with, true), weights(&after(&config, 1), true));
}

#[test]
fn r1_in_every_step_shrinks_the_gradient_at_reals() {
    let mut config = style();
    config.optim.d.lr = 0.002;
    let norm_after = |config: &Config| {
        let trainer = after(config, 12);
        let (images, labels) = (&data().train, frugan_autograd::Ints::from(vec![0; 8]));
        let pixels: Vec<f32> = images.images[..8 * 3 * 32 * 32].iter().map(|p| f32::from(*p) / 127.5 - 1.0).collect();
        let tensor = frugan_autograd::Tensor::from_vec(pixels, (8, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
        let reals = frugan_autograd::Var::leaf(tensor);
        let logits = trainer.discriminator.logits(&reals, &labels, frugan_nn::Mode::Running).unwrap();
        frugan_losses::r1_penalty(&logits, &reals).unwrap().mean().unwrap().item().unwrap()
    };
    let free = norm_after(&config);
    config.loss.r1 = Some(frugan_losses::R1Config { gamma: 100.0, ..Default::default() });
    let held = norm_after(&config);
    assert!(held < 0.7 * free, "{held} against {free}");
}

#[test]
fn path_length_needs_styles() {
    let mut config = Config::from_toml("[model]\nname = \"dcgan\"\n").unwrap();
    config.optim.batch = 4;
    config.loss.path_length = Some(Default::default());
    let error = Trainer::new(&config, &data(), &Device::Cpu).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("only stylegan2 has styles"), "{error}");
}

#[test]
fn the_average_by_half_life_lags_and_buffers_are_copied() {
    let trainer = after(&style(), 3);
    let (g, ema) = (trainer.generator.params(), trainer.ema.params());
    let differ =
        |name: &str| g.get(name).unwrap().to_vec::<f32>().unwrap() != ema.get(name).unwrap().to_vec::<f32>().unwrap();
    assert!(differ("synthesis.b4.const"));
    assert!(!differ("mapping.w_avg"));
}
