//! DCGAN (Radford et al. 2016): a small pair of plain convolutional networks.

mod config;
mod discriminator;
mod generator;

pub use config::{DcganConfig, DiscriminatorNorm};
pub use discriminator::DcganDiscriminator;
pub use generator::DcganGenerator;
