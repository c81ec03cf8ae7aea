//! BigGAN's settings.

use frugan_nn::{BatchNormOptions, Init, LayerOptions, SpectralNormOptions};
use serde::{Deserialize, Serialize};

use crate::error::ModelError;
use crate::labels::DLabels;

/// Law of the first weights. Biases keep torch's default, uniform within `1 / sqrt(fan_in)`, under each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightInit {
    /// Normal with deviation 0.02.
    #[default]
    N02,
    /// Orthogonal.
    Ortho,
    /// Uniform by Glorot and Bengio.
    Xavier,
}

impl WeightInit {
    pub(crate) fn law(self) -> Init {
        match self {
            Self::N02 => Init::N02,
            Self::Ortho => Init::Orthogonal,
            Self::Xavier => Init::XavierUniform,
        }
    }
}

/// Which batch normalisation the generator's blocks use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorNorm {
    /// Class-conditional: gain and bias by label.
    #[default]
    Class,
    /// Plain: one gain and bias a channel. Without a shared embedding the generator then ignores labels.
    Plain,
}

/// BigGAN's settings. The defaults are those of the CIFAR experiments of DiffAugment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BigganConfig {
    /// Base width of the generator, in channels; at 32x32 every layer has 4 times as many. Default 64.
    pub g_ch: usize,
    /// Base width of the discriminator, in channels; at 32x32 every layer has 4 times as many. Default 64.
    pub d_ch: usize,
    /// Length of z. Default 128.
    pub latent_dim: usize,
    /// Length of a class embedding that all layers of the generator share; 0: a table of gains and biases in each layer.
    /// Default 0.
    pub shared_dim: usize,
    /// Whether each block of the generator gets a slice of z beside the shared embedding; wants `shared_dim` > 0 and a
    /// `latent_dim` that divides by the number of blocks plus one. Default false.
    pub hierarchical: bool,
    /// Side in pixels at which the generator has self-attention; 0: none. Default 0.
    pub g_attention: usize,
    /// Side in pixels at which the discriminator has self-attention; 0: none. The published 32-pixel table calls all four
    /// of its blocks 16 wide, so 16 puts attention after each. Default 0.
    pub d_attention: usize,
    /// Side in pixels of the generator's first activations; the resolution is this times a power of two. Default 4.
    pub bottom_width: usize,
    /// Whether the hidden channels of a discriminator block are its output's (true) or its input's. Default true.
    pub d_wide: bool,
    /// Law of the first weights: `"n02"`, `"ortho"` or `"xavier"`. Default `"n02"`.
    pub init: WeightInit,
    /// Normalisation in the generator's blocks: `"class"` or `"plain"`. Default `"class"`.
    pub g_norm: GeneratorNorm,
    /// How the discriminator meets the class: `"projection"` (default, the published way), `"concat"`, `"channel"`, or
    /// `"classifier"`, which wants `loss.acgan`.
    #[serde(skip_serializing_if = "DLabels::is_default")]
    pub d_labels: DLabels,
    /// Added to batch norm's variance. Default 1e-5.
    pub bn_eps: f64,
    /// Weight of the batch in the running statistics. Default 0.1.
    pub bn_momentum: f64,
    /// Samples that share batch-norm statistics; 0: the whole batch. The published CIFAR numbers come from two devices
    /// with 25 samples each. Default 0.
    pub bn_group: usize,
    /// Least norm in spectral norm's normalisations. Default 1e-8.
    pub sn_eps: f64,
    /// Power steps a forward pass in training. Default 1.
    pub sn_num_itrs: usize,
}

impl Default for BigganConfig {
    fn default() -> Self {
        Self {
            g_ch: 64,
            d_ch: 64,
            latent_dim: 128,
            shared_dim: 0,
            hierarchical: false,
            g_attention: 0,
            d_attention: 0,
            bottom_width: 4,
            d_wide: true,
            init: WeightInit::N02,
            g_norm: GeneratorNorm::Class,
            d_labels: DLabels::Projection,
            bn_eps: 1e-5,
            bn_momentum: 0.1,
            bn_group: 0,
            sn_eps: 1e-8,
            sn_num_itrs: 1,
        }
    }
}

impl BigganConfig {
    /// Options of every layer that the published code normalises.
    pub(crate) fn spectral_layer(&self) -> LayerOptions {
        let spectral = SpectralNormOptions { eps: self.sn_eps, num_itrs: self.sn_num_itrs };
        LayerOptions { init: self.init.law(), bias: true, spectral: Some(spectral) }
    }

    pub(crate) fn batch_norm(&self) -> BatchNormOptions {
        BatchNormOptions { eps: self.bn_eps, momentum: self.bn_momentum, group: self.bn_group }
    }

    /// Checks what does not depend on the resolution.
    pub(crate) fn check(&self, num_classes: usize) -> Result<(), ModelError> {
        let positive = [
            ("g_ch", self.g_ch),
            ("d_ch", self.d_ch),
            ("latent_dim", self.latent_dim),
            ("bottom_width", self.bottom_width),
            ("sn_num_itrs", self.sn_num_itrs),
            ("num_classes", num_classes),
        ];
        positive.into_iter().try_for_each(|(setting, value)| ModelError::positive(setting, value))?;
        for (setting, value) in [("bn_eps", self.bn_eps), ("sn_eps", self.sn_eps)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(ModelError::setting(setting, value, "a positive number such as 1e-5"));
            }
        }
        if !(0.0..=1.0).contains(&self.bn_momentum) {
            return Err(ModelError::setting("bn_momentum", self.bn_momentum, "between 0 and 1"));
        }
        if self.hierarchical && self.shared_dim == 0 {
            return Err(ModelError::setting(
                "hierarchical",
                true,
                "a shared embedding beside it: set model.shared_dim",
            ));
        }
        if self.g_norm == GeneratorNorm::Plain && self.shared_dim > 0 {
            return Err(ModelError::setting(
                "shared_dim",
                self.shared_dim,
                "0, for g_norm = \"plain\" takes no condition",
            ));
        }
        Ok(())
    }

    /// Checks that attention finds a block, wide enough, among those of `sides` and `widths`.
    pub(crate) fn check_attention(
        setting: &'static str,
        side: usize,
        blocks: &[(usize, usize)],
    ) -> Result<(), ModelError> {
        if side == 0 {
            return Ok(());
        }
        match blocks.iter().filter(|(resolution, _)| *resolution == side).map(|(_, width)| *width).min() {
            Some(width) if width >= 8 => Ok(()),
            Some(width) => Err(ModelError::setting(setting, side, format!("at least 8 channels there, not {width}"))),
            None => {
                let mut sides: Vec<usize> = blocks.iter().map(|(resolution, _)| *resolution).collect();
                sides.sort_unstable();
                sides.dedup();
                Err(ModelError::setting(setting, side, format!("0 or one of the blocks' sides {sides:?}")))
            }
        }
    }
}
