//! DCGAN's settings.

use frugan_nn::{BatchNormOptions, Init, LayerOptions, SpectralNormOptions};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::labels::DLabels;

/// Side of the generator's first activations and of the discriminator's last, in pixels.
pub(super) const BOTTOM: usize = 4;
/// Channels of an image.
pub(super) const IMAGE_CHANNELS: usize = 3;
/// The sides that a kernel of 4 and a stride of 2 reach from 4 pixels within reason.
const LARGEST_RESOLUTION: usize = 256;
/// Length of a kernel in the code of Salimans et al. 2016.
const KERNEL_DIM: usize = 5;
/// Widths double from block to block up to this multiple of the base.
const WIDEST: usize = 8;

/// What keeps the discriminator's activations in range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiscriminatorNorm {
    /// Spectral norm of every weight (Miyato et al. 2018): the steadiest here, where reals and fakes share a batch.
    #[default]
    Spectral,
    /// Batch norm in all blocks but the first, as in the paper; its statistics mix the reals and fakes of a batch.
    Batch,
    /// Nothing.
    None,
}

/// DCGAN's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DcganConfig {
    /// Channels of the generator's last hidden layer; each layer below has twice as many, up to 8 times. Default 32.
    pub g_ch: usize,
    /// Channels of the discriminator's first layer; each layer above has twice as many, up to 8 times. Default 32.
    pub d_ch: usize,
    /// Length of z. Default 100.
    pub latent_dim: usize,
    /// Whether both networks see the class: the generator beside z as an embedding, the discriminator as `d_labels` says.
    /// Default true.
    pub conditional: bool,
    /// Length of the generator's class embedding, and of the discriminator's where `d_labels = "concat"`. Default 32.
    pub embed_dim: usize,
    /// How the discriminator meets the class: `"projection"` (default), `"concat"`, `"channel"`, or `"classifier"`, which wants
    /// `loss.acgan`.
    #[serde(skip_serializing_if = "DLabels::is_default")]
    pub d_labels: DLabels,
    /// Kernels of minibatch discrimination ahead of the discriminator's output; 0: none. Default 0; the paper's code: 100.
    #[serde(skip_serializing_if = "is_zero")]
    pub minibatch_kernels: usize,
    /// Length of a kernel of minibatch discrimination. Default 5, the paper's code's.
    #[serde(skip_serializing_if = "is_kernel_dim")]
    pub minibatch_kernel_dim: usize,
    /// The discriminator's normalisation: `"spectral"`, `"batch"` or `"none"`. Default `"spectral"`.
    pub d_norm: DiscriminatorNorm,
    /// Slope of the discriminator's leaky ReLUs below zero. Default 0.2.
    pub leaky_slope: f64,
    /// Added to batch norm's variance. Default 1e-5.
    pub bn_eps: f64,
    /// Weight of the batch in the running statistics. Default 0.1.
    pub bn_momentum: f64,
    /// Samples that share batch-norm statistics; 0: the whole batch. Default 0.
    pub bn_group: usize,
}

impl Default for DcganConfig {
    fn default() -> Self {
        Self {
            g_ch: 32,
            d_ch: 32,
            latent_dim: 100,
            conditional: true,
            embed_dim: 32,
            d_labels: DLabels::Projection,
            minibatch_kernels: 0,
            minibatch_kernel_dim: KERNEL_DIM,
            d_norm: DiscriminatorNorm::Spectral,
            leaky_slope: 0.2,
            bn_eps: 1e-5,
            bn_momentum: 0.1,
            bn_group: 0,
        }
    }
}

impl DcganConfig {
    pub(super) fn batch_norm(&self) -> BatchNormOptions {
        BatchNormOptions { eps: self.bn_eps, momentum: self.bn_momentum, group: self.bn_group }
    }

    /// Options of a generator layer; a bias ahead of batch norm would do nothing.
    pub(super) fn generator_layer(bias: bool) -> LayerOptions {
        LayerOptions { init: Init::N02, bias, spectral: None }
    }

    /// Options of a discriminator layer. Spectral norm takes the scale out of the first weights.
    pub(super) fn discriminator_layer(&self) -> LayerOptions {
        let spectral = (self.d_norm == DiscriminatorNorm::Spectral).then(SpectralNormOptions::default);
        LayerOptions { init: Init::N02, bias: true, spectral }
    }

    /// Checks the settings and gives the widths of the layers between 4 pixels and the image, from the image inwards.
    pub(super) fn widths(&self, ch: usize, num_classes: usize, resolution: usize) -> Result<Vec<usize>, ModelError> {
        let positive = [
            ("g_ch", self.g_ch),
            ("d_ch", self.d_ch),
            ("latent_dim", self.latent_dim),
            ("embed_dim", self.embed_dim),
            ("minibatch_kernel_dim", self.minibatch_kernel_dim),
            ("num_classes", num_classes),
        ];
        positive.into_iter().try_for_each(|(setting, value)| ModelError::positive(setting, value))?;
        if !(self.bn_eps > 0.0 && self.bn_eps.is_finite()) {
            return Err(ModelError::setting("bn_eps", self.bn_eps, "a positive number such as 1e-5"));
        }
        if !(0.0..=1.0).contains(&self.bn_momentum) {
            return Err(ModelError::setting("bn_momentum", self.bn_momentum, "between 0 and 1"));
        }
        if !(0.0..1.0).contains(&self.leaky_slope) {
            return Err(ModelError::setting("leaky_slope", self.leaky_slope, "at least 0 and below 1"));
        }
        if !resolution.is_power_of_two() || !(2 * BOTTOM..=LARGEST_RESOLUTION).contains(&resolution) {
            let (at, supported) = (String::new(), "8, 16, 32, 64, 128, 256".to_string());
            return Err(ModelError::Resolution { model: "dcgan", resolution, at, supported });
        }
        let halvings = (resolution / BOTTOM).ilog2();
        Ok((0..halvings).map(|i| ch * (1 << i).min(WIDEST)).collect())
    }
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

fn is_kernel_dim(value: &usize) -> bool {
    *value == KERNEL_DIM
}
