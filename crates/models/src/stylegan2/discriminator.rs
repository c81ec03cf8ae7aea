//! StyleGAN2's discriminator.

use frugan_autograd::{Activation, DType, Fir, Ints, Result, Var};
use frugan_nn::{
    Builder, EqualizedConv2d, EqualizedConv2dOptions, EqualizedLinear, EqualizedLinearOptions, Mode, Params, Purpose,
    binomial_fir,
};

use super::config::{BOTTOM, IMAGE_CHANNELS, StyleGan2Architecture, StyleGan2Config};
use super::mapping::{MappingNetwork, MappingOptions};
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::traits::{Discriminator, Judgement, check_inputs};

const INIT: Purpose = Purpose::new("init.discriminator");

/// A convolution with a leaky ReLU.
fn conv(b: &Builder, shape: (usize, usize, usize), options: EqualizedConv2dOptions) -> Result<EqualizedConv2d> {
    EqualizedConv2d::new(b, shape, &EqualizedConv2dOptions { activation: Activation::Lrelu, ..options })
}

/// Two convolutions, the second of which halves the resolution.
struct Block {
    /// From the image: in the first block, and in every block of the skip form.
    fromrgb: Option<EqualizedConv2d>,
    conv0: EqualizedConv2d,
    conv1: EqualizedConv2d,
    /// The residual form's way around both.
    skip: Option<EqualizedConv2d>,
    /// What it computes in.
    dtype: DType,
}

/// Channels of a block, its side in pixels, and that of the images.
struct BlockShape {
    inputs: usize,
    outputs: usize,
    resolution: usize,
    full: usize,
}

impl Block {
    fn new(b: &Builder, shape: BlockShape, config: &StyleGan2Config) -> Result<Self> {
        let BlockShape { inputs, outputs, resolution, full } = shape;
        let is_first = resolution == full;
        let has_skip = config.d_architecture == StyleGan2Architecture::Resnet;
        let half = if has_skip { 0.5f64.sqrt() } else { 1.0 };
        let plain = EqualizedConv2dOptions { clamp: config.clamp(), ..Default::default() };
        let halving = EqualizedConv2dOptions { down: 2, gain: half, ..plain };
        let reads_image = is_first || config.d_architecture == StyleGan2Architecture::Skip;
        let fromrgb = || conv(&b.at("fromrgb"), (IMAGE_CHANNELS, inputs, 1), plain);
        let skip = || {
            let options = EqualizedConv2dOptions { bias: false, down: 2, gain: half, ..Default::default() };
            EqualizedConv2d::new(&b.at("skip"), (inputs, outputs, 1), &options)
        };
        Ok(Self {
            fromrgb: reads_image.then(fromrgb).transpose()?,
            conv0: conv(&b.at("conv0"), (inputs, inputs, 3), plain)?,
            conv1: conv(&b.at("conv1"), (inputs, outputs, 3), halving)?,
            skip: has_skip.then(skip).transpose()?,
            dtype: config.type_at(resolution, full, [b.compute(), b.dtype()]),
        })
    }

    fn forward(&self, x: &Var) -> Result<Var> {
        let h = self.conv1.forward(&self.conv0.forward(x)?)?;
        self.skip.as_ref().map_or_else(|| Ok(h.clone()), |skip| skip.forward(x)?.add(&h))
    }
}

/// The head on 4x4 pixels: the minibatch standard deviation as a further channel, a convolution, two linear layers.
struct Epilogue {
    fromrgb: Option<EqualizedConv2d>,
    conv: EqualizedConv2d,
    fc: EqualizedLinear,
    out: EqualizedLinear,
    mbstd_group: usize,
    mbstd_channels: usize,
}

impl Epilogue {
    /// `outputs` is 1, or the length of the vectors that are projected on the class.
    fn new(b: &Builder, channels: usize, outputs: usize, config: &StyleGan2Config) -> Result<Self> {
        let plain = EqualizedConv2dOptions::default();
        let reads_image = config.d_architecture == StyleGan2Architecture::Skip;
        let fromrgb = || conv(&b.at("fromrgb"), (IMAGE_CHANNELS, channels, 1), plain);
        let clamped = EqualizedConv2dOptions { clamp: config.clamp(), ..plain };
        let hidden = EqualizedLinearOptions { activation: Activation::Lrelu, ..Default::default() };
        Ok(Self {
            fromrgb: reads_image.then(fromrgb).transpose()?,
            conv: conv(&b.at("conv"), (channels + config.mbstd_channels, channels, 3), clamped)?,
            fc: EqualizedLinear::new(&b.at("fc"), channels * BOTTOM * BOTTOM, channels, &hidden)?,
            out: EqualizedLinear::new(&b.at("out"), channels, outputs, &EqualizedLinearOptions::default())?,
            mbstd_group: config.mbstd_group,
            mbstd_channels: config.mbstd_channels,
        })
    }

    /// `[n, channels, 4, 4]` to the hidden layer `[n, channels]` and the outputs `[n, outputs]`.
    fn forward(&self, x: &Var) -> Result<(Var, Var)> {
        let n = x.dims()[0];
        let mut h = x.clone();
        if self.mbstd_channels > 0 {
            h = h.minibatch_stddev(Some(group_of(n, self.mbstd_group)), self.mbstd_channels)?;
        }
        h = self.conv.forward(&h)?;
        h = h.reshape(&[n, h.elem_count() / n])?;
        let hidden = self.fc.forward(&h)?;
        let outputs = self.out.forward(&hidden)?;
        Ok((hidden, outputs))
    }
}

/// The group size that a batch of `n` can have: at most `wanted` (0: the whole batch), and a divisor of `n`. The published
/// code knows no batches with a remainder, which a monitor's last batch may be.
fn group_of(n: usize, wanted: usize) -> usize {
    let most = if wanted == 0 { n } else { wanted.min(n) };
    (1..=most).rev().find(|group| n.is_multiple_of(*group)).unwrap_or(1)
}

/// An image and a class to a logit: blocks down to 4x4 pixels and the head. With classes the head's vector is multiplied
/// with the mapped class (projection, Miyato and Koyama 2018).
pub struct StyleGan2Discriminator {
    params: Params,
    blocks: Vec<Block>,
    epilogue: Epilogue,
    mapping: Option<MappingNetwork>,
    fir: Fir,
    resolution: usize,
}

impl StyleGan2Discriminator {
    /// The discriminator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no discriminator can be built from.
    pub fn new(config: &StyleGan2Config, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        config.check(num_classes, resolution)?;
        let builder = blueprint.builder(INIT);
        Ok(Self::assemble(config, config.label_dim(num_classes), resolution, builder)?)
    }

    fn assemble(config: &StyleGan2Config, label_dim: usize, resolution: usize, b: Builder) -> Result<Self> {
        let widths = config.widths(resolution);
        let bottom = widths[0].1;
        let mut blocks = Vec::with_capacity(widths.len() - 1);
        for pair in widths.windows(2).rev() {
            let [(_, outputs), (side, inputs)] = *pair else { continue };
            let shape = BlockShape { inputs, outputs, resolution: side, full: resolution };
            blocks.push(Block::new(&b.at(format!("b{side}")), shape, config)?);
        }
        let mapping = MappingOptions {
            latent_dim: 0,
            label_dim,
            w_dim: bottom,
            num_layers: config.d_mapping_layers,
            lr_multiplier: config.mapping_lr_multiplier,
            label_embedding: config.label_embedding,
            w_avg_beta: None,
        };
        let outputs = if label_dim > 0 { bottom } else { 1 };
        Ok(Self {
            blocks,
            epilogue: Epilogue::new(&b.at(format!("b{BOTTOM}")), bottom, outputs, config)?,
            mapping: (label_dim > 0).then(|| MappingNetwork::new(&b.at("mapping"), mapping)).transpose()?,
            fir: binomial_fir(),
            resolution,
            params: b.finish(),
        })
    }

    /// `[n, channels, 4, 4]`, before the head.
    fn features(&self, images: &Var) -> Result<Var> {
        let (mut image, mut h) = (images.clone(), None);
        for block in &self.blocks {
            let x = joined(h, block.fromrgb.as_ref(), &image, block.dtype)?;
            h = Some(block.forward(&x)?);
            if self.epilogue.fromrgb.is_some() {
                image = image.downsample2d(&self.fir, 2, false, 1.0)?;
            }
        }
        joined(h, self.epilogue.fromrgb.as_ref(), &image, images.dtype())
    }
}

/// What comes from the block before, and what a block reads from the image: their sum, or the one there is.
fn joined(h: Option<Var>, fromrgb: Option<&EqualizedConv2d>, image: &Var, dtype: DType) -> Result<Var> {
    let h = h.map(|h| h.to_dtype(dtype)).transpose()?;
    let read = fromrgb.map(|fromrgb| fromrgb.forward(&image.to_dtype(dtype)?)).transpose()?;
    match (h, read) {
        (Some(h), Some(read)) => h.add(&read),
        (Some(one), None) | (None, Some(one)) => Ok(one),
        (None, None) => candle_core::bail!("discriminator: the first block reads no image"),
    }
}

impl Discriminator for StyleGan2Discriminator {
    fn judge(&self, images: &Var, labels: &Ints, _: Mode) -> Result<Judgement> {
        check_inputs("discriminator", images, &[IMAGE_CHANNELS, self.resolution, self.resolution], labels)?;
        let (features, h) = self.epilogue.forward(&self.features(images)?)?;
        let Some(mapping) = &self.mapping else { return Ok(Judgement { logits: h, features, class_logits: None }) };
        let class = mapping.forward(None, Some(labels))?;
        let logits = h.mul(&class)?.sum_keep(&[1])?.scale(1.0 / (class.dims()[1] as f64).sqrt())?;
        Ok(Judgement { logits, features, class_logits: None })
    }

    fn blocks(&self) -> Vec<String> {
        (0..self.blocks.len()).map(|i| format!("b{}", self.resolution >> i)).collect()
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn mixes_batch(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_divide_the_batch() {
        let cases = [((64, 32), 32), ((4, 32), 4), ((40, 32), 20), ((6, 4), 3), ((7, 4), 1), ((6, 0), 6)];
        for ((n, wanted), group) in cases {
            assert_eq!(group_of(n, wanted), group, "{n} {wanted}");
        }
    }
}
