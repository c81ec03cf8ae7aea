//! The config of a model pair, and how it is built.

use frugan_autograd::{DType, Device};
use serde::{Deserialize, Serialize};

use crate::biggan::{BigganConfig, BigganDiscriminator, BigganGenerator};
use crate::dcgan::{DcganConfig, DcganDiscriminator, DcganGenerator};
use crate::error::ModelError;
use crate::stylegan2::{StyleGan2Config, StyleGan2Discriminator, StyleGan2Generator};
use crate::traits::{Discriminator, Generator};

/// Which networks to train, and how wide. The field `name` picks the family.
///
/// ```
/// use frugan_models::{BigganConfig, ModelConfig};
/// let small = ModelConfig::Biggan(BigganConfig { g_ch: 8, d_ch: 8, ..Default::default() });
/// let models = small.build(10, 32, 0)?;
/// assert_eq!(models.generator.image_shape(), [3, 32, 32]);
/// # Ok::<(), frugan_models::ModelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum ModelConfig {
    /// Small convolutional networks that train on a CPU in minutes.
    Dcgan(DcganConfig),
    /// The residual networks of the CIFAR experiments of DiffAugment.
    Biggan(BigganConfig),
    /// The style-based networks of ADA, and of DiffAugment's experiments beyond BigGAN.
    StyleGan2(StyleGan2Config),
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self::Biggan(BigganConfig::default())
    }
}

/// Where tensors live, and what their numbers are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// F32 for training; F64 where a result is checked to its last digits.
    pub dtype: DType,
    /// The device.
    pub device: Device,
}

impl Default for Placement {
    fn default() -> Self {
        Self { dtype: DType::F32, device: Device::Cpu }
    }
}

/// A generator and its discriminator.
pub struct Models {
    /// Makes images.
    pub generator: Box<dyn Generator>,
    /// Judges them.
    pub discriminator: Box<dyn Discriminator>,
}

impl ModelConfig {
    /// The family's name, as the config file spells it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dcgan(_) => "dcgan",
            Self::Biggan(_) => "biggan",
            Self::StyleGan2(_) => "stylegan2",
        }
    }

    /// Length of the generator's z.
    pub fn latent_dim(&self) -> usize {
        match self {
            Self::Dcgan(config) => config.latent_dim,
            Self::Biggan(config) => config.latent_dim,
            Self::StyleGan2(config) => config.latent_dim,
        }
    }

    /// Both networks in f32 on the CPU, with first weights drawn from `seed`: the same seed gives the same weights.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no network can be built from.
    pub fn build(&self, num_classes: usize, resolution: usize, seed: u64) -> Result<Models, ModelError> {
        self.build_at(num_classes, resolution, seed, Placement::default())
    }

    /// [`ModelConfig::build`] with another number type or device.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no network can be built from.
    pub fn build_at(
        &self,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> Result<Models, ModelError> {
        let generator = self.build_generator(num_classes, resolution, seed, placement)?;
        let discriminator: Box<dyn Discriminator> = match self {
            Self::Dcgan(config) => Box::new(DcganDiscriminator::new(config, num_classes, resolution, seed, placement)?),
            Self::Biggan(config) => {
                Box::new(BigganDiscriminator::new(config, num_classes, resolution, seed, placement)?)
            }
            Self::StyleGan2(config) => {
                Box::new(StyleGan2Discriminator::new(config, num_classes, resolution, seed, placement)?)
            }
        };
        Ok(Models { generator, discriminator })
    }

    /// The generator alone: for the average of its weights, and for making images from a snapshot.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no network can be built from.
    pub fn build_generator(
        &self,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> Result<Box<dyn Generator>, ModelError> {
        Ok(match self {
            Self::Dcgan(config) => Box::new(DcganGenerator::new(config, num_classes, resolution, seed, placement)?),
            Self::Biggan(config) => Box::new(BigganGenerator::new(config, num_classes, resolution, seed, placement)?),
            Self::StyleGan2(config) => {
                Box::new(StyleGan2Generator::new(config, num_classes, resolution, seed, placement)?)
            }
        })
    }
}
