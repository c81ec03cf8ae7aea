//! BigGAN (Brock et al. 2019) as the CIFAR experiments of DiffAugment run it.

mod config;
mod discriminator;
mod generator;

pub use config::{BigganConfig, GeneratorNorm, WeightInit};
pub use discriminator::BigganDiscriminator;
pub use generator::BigganGenerator;
