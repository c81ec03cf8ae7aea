//! DCGAN (Radford et al. 2016): a small pair of plain convolutional networks.

mod config;
mod discriminator;
mod generator;

use crate::config::Blueprint;
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

    fn generator(&self, blueprint: &Blueprint) -> Result<Box<dyn Generator>, ModelError> {
        Ok(Box::new(DcganGenerator::new(self, blueprint)?))
    }

    fn discriminator(&self, blueprint: &Blueprint) -> Result<Box<dyn Discriminator>, ModelError> {
        Ok(Box::new(DcganDiscriminator::new(self, blueprint)?))
    }
}
