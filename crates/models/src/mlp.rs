//! The fully connected pair of the first paper (Goodfellow et al. 2014, section 5): no convolution knows that pixels have
//! neighbours, so it is a baseline, and the smallest model to read.

use frugan_autograd::{Ints, Result, Var, concat};
use frugan_nn::{Builder, Embedding, Init, LayerOptions, Linear, Mode, Params, Purpose};
use serde::{Deserialize, Serialize};

use crate::config::Blueprint;
use crate::error::ModelError;
use crate::family::Family;
use crate::traits::{Discriminator, Generator, Judgement, check_inputs};

const IMAGE_CHANNELS: usize = 3;
const LAYER: LayerOptions = LayerOptions { init: Init::XavierUniform, bias: true, spectral: None };
/// Of the discriminator's leaky ReLUs, below zero.
const SLOPE: f64 = 0.2;

/// The fully connected pair's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpConfig {
    /// Width of every hidden layer of both networks. Default 256.
    pub width: usize,
    /// Hidden layers of each network. Default 2.
    pub layers: usize,
    /// Length of z. Default 64.
    pub latent_dim: usize,
}

impl Default for MlpConfig {
    fn default() -> Self {
        Self { width: 256, layers: 2, latent_dim: 64 }
    }
}

impl MlpConfig {
    fn check(&self, num_classes: usize, resolution: usize) -> std::result::Result<(), ModelError> {
        ModelError::positive("width", self.width)?;
        ModelError::positive("layers", self.layers)?;
        ModelError::positive("latent_dim", self.latent_dim)?;
        ModelError::positive("num_classes", num_classes)?;
        ModelError::positive("resolution", resolution)
    }

    /// The hidden layers, the first of which takes `inputs`.
    fn hidden(&self, b: &Builder, inputs: usize) -> Result<Vec<Linear>> {
        let layer = |i: usize| {
            Linear::new(&b.at(format!("hidden.{i}")), if i == 0 { inputs } else { self.width }, self.width, &LAYER)
        };
        (0..self.layers).map(layer).collect()
    }
}

impl Family for MlpConfig {
    fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    fn generator(&self, blueprint: &Blueprint) -> std::result::Result<Box<dyn Generator>, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        self.check(num_classes, resolution)?;
        let b = blueprint.builder(Purpose::new("init.generator"));
        let pixels = IMAGE_CHANNELS * resolution * resolution;
        Ok(Box::new(MlpGenerator {
            embed: Embedding::new(&b.at("embed"), num_classes, self.latent_dim, &LAYER)?,
            hidden: self.hidden(&b, 2 * self.latent_dim)?,
            output: Linear::new(&b.at("output"), self.width, pixels, &LAYER)?,
            num_classes,
            resolution,
            latent_dim: self.latent_dim,
            params: b.finish(),
        }))
    }

    fn discriminator(&self, blueprint: &Blueprint) -> std::result::Result<Box<dyn Discriminator>, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        self.check(num_classes, resolution)?;
        let b = blueprint.builder(Purpose::new("init.discriminator"));
        Ok(Box::new(MlpDiscriminator {
            hidden: self.hidden(&b, IMAGE_CHANNELS * resolution * resolution)?,
            output: Linear::new(&b.at("output"), self.width, 1, &LAYER)?,
            embed: Embedding::new(&b.at("embed"), num_classes, self.width, &LAYER)?,
            resolution,
            params: b.finish(),
        }))
    }
}

/// z and a class embedding through hidden layers with ReLUs, then tanh.
struct MlpGenerator {
    params: Params,
    embed: Embedding,
    hidden: Vec<Linear>,
    output: Linear,
    latent_dim: usize,
    num_classes: usize,
    resolution: usize,
}

impl Generator for MlpGenerator {
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        check_inputs("generator", z, &[self.latent_dim], labels)?;
        let mut h = concat(&[z, &self.embed.forward(labels, mode)?], 1)?;
        for layer in &self.hidden {
            h = layer.forward(&h, mode)?.relu()?;
        }
        let [channels, height, width] = self.image_shape();
        self.output.forward(&h, mode)?.tanh()?.reshape(&[labels.len(), channels, height, width])
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn image_shape(&self) -> [usize; 3] {
        [IMAGE_CHANNELS, self.resolution, self.resolution]
    }

    fn is_scale_or_shift(&self, weight: &str) -> bool {
        weight.ends_with(".bias")
    }
}

/// All pixels through hidden layers with leaky ReLUs to features f, then `linear(f) + <embed(y), f>`.
struct MlpDiscriminator {
    params: Params,
    hidden: Vec<Linear>,
    output: Linear,
    embed: Embedding,
    resolution: usize,
}

impl Discriminator for MlpDiscriminator {
    fn judge(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Judgement> {
        check_inputs("discriminator", images, &[IMAGE_CHANNELS, self.resolution, self.resolution], labels)?;
        let n = labels.len();
        let mut features = images.reshape(&[n, images.elem_count() / n.max(1)])?;
        for layer in &self.hidden {
            features = layer.forward(&features, mode)?.leaky_relu(SLOPE)?;
        }
        let projection = self.embed.forward(labels, mode)?.mul(&features)?.sum_keep(&[1])?;
        let logits = self.output.forward(&features, mode)?.add(&projection)?;
        Ok(Judgement { logits, features, class_logits: None })
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn blocks(&self) -> Vec<String> {
        (0..self.hidden.len()).map(|i| format!("hidden.{i}")).collect()
    }
}
