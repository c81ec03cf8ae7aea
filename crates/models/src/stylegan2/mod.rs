//! StyleGAN2 (Karras et al. 2020) as StyleGAN2-ADA and DiffAugment train it.

mod config;
mod discriminator;
mod generator;
mod layers;
mod mapping;
mod mixing;
mod noise;
mod synthesis;

pub use config::{LabelEmbedding, MixingScope, StyleGan2Architecture, StyleGan2Config};
pub use discriminator::StyleGan2Discriminator;
pub use generator::StyleGan2Generator;
pub use mapping::{MappingNetwork, MappingOptions, Truncation};
pub use mixing::StyleMix;
pub use noise::Noise;
pub use synthesis::SynthesisNetwork;
