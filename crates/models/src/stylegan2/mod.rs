//! StyleGAN2 (Karras et al. 2020) as StyleGAN2-ADA and DiffAugment train it.

mod config;
mod discriminator;
mod generator;
mod layers;
mod mapping;
mod mixing;
mod noise;
mod synthesis;

use crate::config::Blueprint;
use crate::error::ModelError;
use crate::family::Family;
use crate::traits::{Discriminator, Generator};

pub use config::{LabelEmbedding, MixingScope, StyleGan2Architecture, StyleGan2Config};
pub use discriminator::StyleGan2Discriminator;
pub use generator::StyleGan2Generator;
pub use mapping::{MappingNetwork, MappingOptions, Truncation};
pub use mixing::StyleMix;
pub use noise::Noise;
pub use synthesis::SynthesisNetwork;

impl Family for StyleGan2Config {
    fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    fn generator(&self, blueprint: &Blueprint) -> Result<Box<dyn Generator>, ModelError> {
        Ok(Box::new(StyleGan2Generator::new(self, blueprint)?))
    }

    fn discriminator(&self, blueprint: &Blueprint) -> Result<Box<dyn Discriminator>, ModelError> {
        Ok(Box::new(StyleGan2Discriminator::new(self, blueprint)?))
    }
}
