//! BigGAN (Brock et al. 2019) as the CIFAR experiments of DiffAugment run it.

mod config;
mod discriminator;
mod generator;

use crate::config::Blueprint;
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

    fn generator(&self, blueprint: &Blueprint) -> Result<Box<dyn Generator>, ModelError> {
        Ok(Box::new(BigganGenerator::new(self, blueprint)?))
    }

    fn discriminator(&self, blueprint: &Blueprint) -> Result<Box<dyn Discriminator>, ModelError> {
        Ok(Box::new(BigganDiscriminator::new(self, blueprint)?))
    }
}
