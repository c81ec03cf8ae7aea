//! Networks: BigGAN and DCGAN, as configs that build a generator and a discriminator.

mod arch;
mod biggan;
mod config;
mod dcgan;
mod error;
mod traits;

pub use biggan::{BigganConfig, BigganDiscriminator, BigganGenerator, GeneratorNorm, WeightInit};
pub use config::{ModelConfig, Models, Placement};
pub use dcgan::{DcganConfig, DcganDiscriminator, DcganGenerator, DiscriminatorNorm};
pub use error::ModelError;
pub use traits::{Discriminator, Generator, standing_statistics};
