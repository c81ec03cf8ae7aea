//! How a model pair is built from its config.

use frugan_autograd::{DType, Device, Ranks};
use frugan_nn::{Builder, Purpose};

use crate::ModelConfig;
use crate::biggan::BigganConfig;
use crate::error::ModelError;
use crate::traits::{Discriminator, Generator};

impl Default for ModelConfig {
    fn default() -> Self {
        Self::Biggan(BigganConfig::default())
    }
}

/// Where tensors live, and what their numbers are.
#[derive(Clone, Debug)]
pub struct Placement {
    /// F32 for training; F64 where a result is checked to its last digits.
    pub dtype: DType,
    /// The device.
    pub device: Device,
    /// Who shares the statistics of batch norm: [`Ranks::alone`], unless it is synchronised.
    pub batch_norm: Ranks,
    /// BF16: what wide layers compute in on a GPU, where the model can ([`ModelConfig::computes_in_bf16`]). F32: they compute in
    /// `dtype`.
    pub compute: DType,
}

impl Default for Placement {
    fn default() -> Self {
        Self { dtype: DType::F32, device: Device::Cpu, batch_norm: Ranks::alone(), compute: DType::F32 }
    }
}

/// What a network is built for, besides its own settings.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// Classes of the data; 1 or none where it has no labels.
    pub num_classes: usize,
    /// Height and width of the images.
    pub resolution: usize,
    /// Draws the first weights.
    pub seed: u64,
    /// Where they are put.
    pub placement: Placement,
}

impl Blueprint {
    /// What makes a network's tensors; `purpose` tells the networks of a run apart.
    pub fn builder(&self, purpose: Purpose) -> Builder {
        let Placement { dtype, device, batch_norm, compute } = &self.placement;
        // Whoever asks for another type of weights computes in it.
        let compute = if *compute == DType::F32 { *dtype } else { *compute };
        Builder::new(self.seed, purpose, *dtype, device).with_batch_norm(batch_norm.clone()).with_compute(compute)
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
    /// Length of the generator's z.
    pub fn latent_dim(&self) -> usize {
        self.family().latent_dim()
    }

    /// Samples that share batch norm's statistics; 0: the whole batch, or no batch norm at all.
    pub fn bn_group(&self) -> usize {
        match self {
            Self::Biggan(config) => config.bn_group,
            Self::Dcgan(config) => config.bn_group,
            _ => 0,
        }
    }

    /// Whether its wide layers can compute in BF16 while its weights, statistics and outputs stay F32.
    pub fn computes_in_bf16(&self) -> bool {
        matches!(self, Self::Biggan(_) | Self::StyleGan2(_))
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
        let (family, blueprint) = (self.family(), Blueprint { num_classes, resolution, seed, placement });
        Ok(Models { generator: family.generator(&blueprint)?, discriminator: family.discriminator(&blueprint)? })
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
        self.family().generator(&Blueprint { num_classes, resolution, seed, placement })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_familys_name_is_the_one_in_its_file() {
        for (config, settings) in ModelConfig::all() {
            let text = toml::to_string(&config).unwrap();
            assert!(text.contains(&format!("name = \"{}\"", config.name())), "{settings}: {text}");
            assert_eq!(toml::from_str::<ModelConfig>(&text).unwrap(), config);
        }
    }
}
