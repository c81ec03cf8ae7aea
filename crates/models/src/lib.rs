//! Networks: BigGAN, DCGAN and StyleGAN2, as configs that build a generator and a discriminator.

mod arch;
mod biggan;
mod config;
mod dcgan;
mod error;
mod stylegan2;
mod traits;

pub use biggan::{BigganConfig, BigganDiscriminator, BigganGenerator, GeneratorNorm, WeightInit};
pub use config::{ModelConfig, Models, Placement};
pub use dcgan::{DcganConfig, DcganDiscriminator, DcganGenerator, DiscriminatorNorm};
pub use error::ModelError;
pub use stylegan2::{
    LabelEmbedding, MappingNetwork, MappingOptions, MixingScope, Noise, StyleGan2Architecture, StyleGan2Config,
    StyleGan2Discriminator, StyleGan2Generator, StyleMix, SynthesisNetwork, Truncation,
};
pub use traits::{Discriminator, Generator, StyleGenerator, standing_statistics};
