//! A StyleGAN2 of 8 channels for 16x16 images of 5 classes, and inputs for it.
#![allow(dead_code, clippy::unwrap_used, reason = "each test takes what it needs")]

use frugan_autograd::{DType, Device, Ints, Var};
use frugan_models::{ModelConfig, Models, StyleGan2Config};
use frugan_nn::{Builder, Init, Params, Purpose, Stream};

pub(crate) fn tiny() -> StyleGan2Config {
    StyleGan2Config {
        latent_dim: 8,
        w_dim: 12,
        channel_base: 128,
        channel_max: 8,
        mapping_layers: 2,
        d_mapping_layers: 1,
        ..Default::default()
    }
}

pub(crate) fn build(config: StyleGan2Config) -> Models {
    ModelConfig::StyleGan2(config).build(5, 16, 7).unwrap()
}

pub(crate) fn latents(n: usize, seed: u64) -> Var {
    let builder = Builder::new(seed, Purpose::new("z"), DType::F32, &Device::Cpu);
    builder.buffer("z", &[n, 8], Init::Normal(1.0)).unwrap()
}

pub(crate) fn labels(n: usize) -> Ints {
    (0..n as i32).map(|i| i % 5).collect()
}

pub(crate) fn stream() -> Stream {
    Stream::new(3, Purpose::new("draws"), 0)
}

pub(crate) fn values(var: &Var) -> Vec<f32> {
    var.to_vec().unwrap()
}

pub(crate) fn state(params: &Params) -> Vec<Vec<f32>> {
    params.iter().map(|(_, _, var)| values(var)).collect()
}
