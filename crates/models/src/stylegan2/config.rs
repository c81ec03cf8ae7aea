//! StyleGAN2's settings.

use frugan_autograd::DType;
use serde::{Deserialize, Serialize};

use crate::error::ModelError;

/// Channels of an image.
pub(super) const IMAGE_CHANNELS: usize = 3;
/// Side of the generator's first activations and of the discriminator's last, in pixels.
pub(super) const BOTTOM: usize = 4;
/// The sides for which the papers publish networks, and the smaller ones by the same rule.
const RESOLUTIONS: [usize; 8] = [8, 16, 32, 64, 128, 256, 512, 1024];

/// How a network's blocks join (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", figure 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StyleGan2Architecture {
    /// Plain: an image only at the end (generator) or the start (discriminator).
    Orig,
    /// Every block adds to the upsampled image (generator), or also reads the downsampled image (discriminator).
    Skip,
    /// Residual blocks.
    #[default]
    Resnet,
}

/// How the label's embedding joins z in the mapping network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelEmbedding {
    /// A linear layer of the one-hot label; z and the embedding are normalised each on its own (ADA).
    #[default]
    Separate,
    /// A row of a table; z and the embedding are normalised as one vector (the original StyleGAN2).
    Joint,
}

/// Which samples of a batch share the layer at which styles change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixingScope {
    /// All (ADA).
    #[default]
    Batch,
    /// None (DiffAugment's TensorFlow code).
    Sample,
}

/// StyleGAN2's settings. The defaults are those of the configuration `stylegan2` of StyleGAN2-ADA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StyleGan2Config {
    /// Length of z. Default 512.
    pub latent_dim: usize,
    /// Length of a style vector w. Default 512.
    pub w_dim: usize,
    /// Widths of both networks: `min(channel_base / r, channel_max)` channels at r pixels. 0: the rule of ADA's `auto`,
    /// 32768 from 512 pixels on and 16384 below. Default 32768.
    pub channel_base: usize,
    /// Most channels of a layer. Default 512.
    pub channel_max: usize,
    /// Layers of the mapping network from z to w. Default 8.
    pub mapping_layers: usize,
    /// Learning rate of the mapping networks, relative to the rest. Default 0.01.
    pub mapping_lr_multiplier: f64,
    /// Share of the old value in each update of the average of w, in [0, 1]. Default 0.995.
    pub w_avg_beta: f64,
    /// Whether both networks see the class, where the data has two or more. Default true.
    pub conditional: bool,
    /// How the class joins z: `"separate"` normalises z and the embedding each, `"joint"` both as one vector.
    /// Default `"separate"`.
    pub label_embedding: LabelEmbedding,
    /// How the generator's blocks join: `"skip"`, `"resnet"` or `"orig"`. Default `"skip"`.
    pub g_architecture: StyleGan2Architecture,
    /// How the discriminator's blocks join: `"resnet"`, `"skip"` or `"orig"`. Default `"resnet"`.
    pub d_architecture: StyleGan2Architecture,
    /// Layers of the discriminator's mapping of the class, which its features are projected on; 0: the normalised
    /// embedding alone, as in ADA's TensorFlow code. Default 8, as in its PyTorch code.
    pub d_mapping_layers: usize,
    /// Samples that share a minibatch standard deviation; 0: the whole batch. Default 4.
    pub mbstd_group: usize,
    /// Channels of the minibatch standard deviation; 0: none. Default 1.
    pub mbstd_channels: usize,
    /// Activations are cut to [-clamp, clamp]; 0: not. ADA's code cuts at 256 for the sake of half precision, and not
    /// with its option `fp32`. Default 256.
    pub conv_clamp: f64,
    /// Where `precision = "bf16"`: so many of the highest resolutions compute in half precision, from 8 pixels on (the name is
    /// ADA's, whose code has F16 there). Default 4.
    #[serde(skip_serializing_if = "is_published")]
    pub num_fp16_res: usize,
    /// Probability that a training pass mixes the styles of two z. Default 0.9.
    pub style_mixing: f64,
    /// Which samples change style at the same layer: `"batch"` all, `"sample"` none. Default `"batch"`.
    pub style_mixing_scope: MixingScope,
}

/// ADA's number of resolutions in half precision.
const NUM_FP16_RES: usize = 4;

fn is_published(num_fp16_res: &usize) -> bool {
    *num_fp16_res == NUM_FP16_RES
}

impl Default for StyleGan2Config {
    fn default() -> Self {
        Self {
            latent_dim: 512,
            w_dim: 512,
            channel_base: 32768,
            channel_max: 512,
            mapping_layers: 8,
            mapping_lr_multiplier: 0.01,
            w_avg_beta: 0.995,
            conditional: true,
            label_embedding: LabelEmbedding::Separate,
            g_architecture: StyleGan2Architecture::Skip,
            d_architecture: StyleGan2Architecture::Resnet,
            d_mapping_layers: 8,
            mbstd_group: 4,
            mbstd_channels: 1,
            conv_clamp: 256.0,
            num_fp16_res: NUM_FP16_RES,
            style_mixing: 0.9,
            style_mixing_scope: MixingScope::Batch,
        }
    }
}

impl StyleGan2Config {
    /// What the layers at `side` pixels of a network for `resolution` compute in, where its wide layers compute in `compute`
    /// and the others in `dtype`.
    pub(super) fn type_at(&self, side: usize, resolution: usize, [compute, dtype]: [DType; 2]) -> DType {
        let halves = side >= 8 && side << self.num_fp16_res.min(usize::BITS as usize / 2) > resolution;
        if halves { compute } else { dtype }
    }

    /// The classes that the networks see; 0 if they see none.
    pub(super) fn label_dim(&self, num_classes: usize) -> usize {
        if self.conditional && num_classes > 1 { num_classes } else { 0 }
    }

    /// The clamp of activations, if there is one.
    pub(super) fn clamp(&self) -> Option<f64> {
        (self.conv_clamp > 0.0).then_some(self.conv_clamp)
    }

    /// (Side, channels) of each resolution, from 4 pixels up.
    pub(super) fn widths(&self, resolution: usize) -> Vec<(usize, usize)> {
        let base = match self.channel_base {
            0 if resolution >= 512 => 32768,
            0 => 16384,
            base => base,
        };
        let sides = std::iter::successors(Some(BOTTOM), |side| Some(2 * side));
        sides.take_while(|side| *side <= resolution).map(|side| (side, (base / side).min(self.channel_max))).collect()
    }

    /// Checks what no network can be built from.
    pub(super) fn check(&self, num_classes: usize, resolution: usize) -> Result<(), ModelError> {
        if !RESOLUTIONS.contains(&resolution) {
            let (at, supported) = (String::new(), RESOLUTIONS.map(|side| side.to_string()).join(", "));
            return Err(ModelError::Resolution { model: "stylegan2", resolution, at, supported });
        }
        let positive = [
            ("latent_dim", self.latent_dim),
            ("w_dim", self.w_dim),
            ("channel_max", self.channel_max),
            ("mapping_layers", self.mapping_layers),
            ("num_classes", num_classes),
        ];
        positive.into_iter().try_for_each(|(setting, value)| ModelError::positive(setting, value))?;
        if (1..resolution).contains(&self.channel_base) {
            let want = format!("0 or at least {resolution}, so that a layer at {resolution} pixels has a channel");
            return Err(ModelError::setting("channel_base", self.channel_base, want));
        }
        let bottom = self.widths(resolution)[0].1;
        if self.mbstd_channels > 0 && !bottom.is_multiple_of(self.mbstd_channels) {
            let want = format!("0 or a divisor of {bottom}, the discriminator's channels at 4 pixels");
            return Err(ModelError::setting("mbstd_channels", self.mbstd_channels, want));
        }
        for (setting, share) in [("w_avg_beta", self.w_avg_beta), ("style_mixing", self.style_mixing)] {
            if !(0.0..=1.0).contains(&share) {
                return Err(ModelError::setting(setting, share, "between 0 and 1"));
            }
        }
        if !(self.mapping_lr_multiplier > 0.0 && self.mapping_lr_multiplier.is_finite()) {
            return Err(ModelError::setting("mapping_lr_multiplier", self.mapping_lr_multiplier, "above 0, as 0.01"));
        }
        if !(self.conv_clamp >= 0.0 && self.conv_clamp.is_finite()) {
            return Err(ModelError::setting("conv_clamp", self.conv_clamp, "0 for none, or a number above it"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(config: &StyleGan2Config, resolution: usize) -> Vec<usize> {
        config.widths(resolution).into_iter().map(|(_, channels)| channels).collect()
    }

    #[test]
    fn widths_are_the_published_ones() {
        let of = |channel_base| StyleGan2Config { channel_base, ..Default::default() };
        assert_eq!(channels(&of(4096), 32), [512, 512, 256, 128]);
        assert_eq!(channels(&of(16384), 256), [512, 512, 512, 512, 256, 128, 64]);
        assert_eq!(channels(&of(32768), 1024), [512, 512, 512, 512, 512, 256, 128, 64, 32]);
    }

    #[test]
    fn auto_is_wider_from_512_pixels_on() {
        let auto = StyleGan2Config { channel_base: 0, ..Default::default() };
        assert_eq!(auto.widths(256).last(), Some(&(256, 64)));
        assert_eq!(auto.widths(512).last(), Some(&(512, 64)));
    }
}
