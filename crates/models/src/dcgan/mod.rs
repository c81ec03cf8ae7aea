//! DCGAN (Radford et al. 2016): a small pair of plain convolutional networks.

mod config;
mod discriminator;
mod generator;

use crate::config::Placement;
use crate::error::ModelError;
use crate::family::Family;
use crate::traits::{Discriminator, Generator};

pub use config::{DcganConfig, DiscriminatorNorm};
pub use discriminator::DcganDiscriminator;
pub use generator::DcganGenerator;

impl Family for DcganConfig {
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
        Ok(Box::new(DcganGenerator::new(self, num_classes, resolution, seed, placement)?))
    }

    fn discriminator(
        &self,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> Result<Box<dyn Discriminator>, ModelError> {
        Ok(Box::new(DcganDiscriminator::new(self, num_classes, resolution, seed, placement)?))
    }
}
