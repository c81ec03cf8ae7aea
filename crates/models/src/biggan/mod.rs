//! BigGAN (Brock et al. 2019) as the CIFAR experiments of DiffAugment run it.

mod config;
mod discriminator;
mod generator;

use crate::config::Placement;
use crate::error::ModelError;
use crate::family::Family;
use crate::traits::{Discriminator, Generator};

pub use config::{BigganConfig, GeneratorNorm, WeightInit};
pub use discriminator::BigganDiscriminator;
pub use generator::BigganGenerator;

impl Family for BigganConfig {
    fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    fn generator(
        &self,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> Result<Box<dyn Generator>, ModelError> {
        Ok(Box::new(BigganGenerator::new(self, num_classes, resolution, seed, placement)?))
    }

    fn discriminator(
        &self,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> Result<Box<dyn Discriminator>, ModelError> {
        Ok(Box::new(BigganDiscriminator::new(self, num_classes, resolution, seed, placement)?))
    }
}
