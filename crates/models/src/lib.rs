//! Networks: BigGAN, DCGAN, StyleGAN2 and a fully connected pair, as configs that build a generator and a discriminator.

mod arch;
mod biggan;
mod config;
mod dcgan;
mod error;
mod family;
mod labels;
mod stylegan2;
mod traits;

// A line a family. `mod` for one whose file stands nowhere else: docs/extending.md walks through one.
family::families! {
    /// Small convolutional networks that train on a CPU in minutes.
    Dcgan: use dcgan::DcganConfig,
    /// The residual networks of the CIFAR experiments of DiffAugment.
    Biggan: use biggan::BigganConfig,
    /// The style-based networks of ADA, and of DiffAugment's experiments beyond BigGAN.
    StyleGan2: use stylegan2::StyleGan2Config,
    /// The fully connected networks of the first paper.
    Mlp: mod mlp::MlpConfig,
}

pub use biggan::{BigganDiscriminator, BigganGenerator, GeneratorNorm, WeightInit};
pub use config::{Blueprint, Models, Placement};
pub use dcgan::{DcganDiscriminator, DcganGenerator, DiscriminatorNorm};
pub use error::ModelError;
pub use family::Family;
pub use labels::DLabels;
pub use stylegan2::{
    LabelEmbedding, MappingNetwork, MappingOptions, MixingScope, Noise, StyleGan2Architecture, StyleGan2Discriminator,
    StyleGan2Generator, StyleMix, SynthesisNetwork, Truncation,
};
pub use traits::{Discriminator, Generator, Judgement, StyleGenerator, standing_statistics};
