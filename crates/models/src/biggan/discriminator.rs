//! BigGAN's projection discriminator.

use frugan_autograd::{DType, Ints, Result, Var};
use frugan_nn::{Builder, Conv2d, Conv2dShape, Embedding, Linear, Mode, Params, Purpose, SelfAttention, SpectralNorms};

use super::config::BigganConfig;
use crate::arch::{self, DiscriminatorBlockArch};
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::labels::{DLabels, LabelChannel, LabelJoint};
use crate::traits::{Discriminator, Judgement, check_inputs};

const IMAGE_CHANNELS: usize = 3;
/// Length of the class embeddings that stand beside the last map's features.
const JOINT_EMBED_DIM: usize = 32;
const INIT: Purpose = Purpose::new("init.discriminator");

/// A residual block, which halves the resolution where `halves` says so.
struct Block {
    conv1: Conv2d,
    conv2: Conv2d,
    conv_sc: Option<Conv2d>,
    /// The first block takes the image: no ReLU before its first convolution.
    is_first: bool,
    halves: bool,
}

impl Block {
    fn new(b: &Builder, block: DiscriminatorBlockArch, is_first: bool, config: &BigganConfig) -> Result<Self> {
        let DiscriminatorBlockArch { inputs, outputs, halves, .. } = block;
        let layer = config.spectral_layer();
        let hidden = if config.d_wide { outputs } else { inputs };
        let conv = |name: &str, from, to, kernel| Conv2d::new(&b.at(name), Conv2dShape::same(from, to, kernel), &layer);
        Ok(Self {
            conv1: conv("conv1", inputs, hidden, 3)?,
            conv2: match halves {
                true => Conv2d::resampling(&b.at("conv2"), Conv2dShape::same(hidden, outputs, 3), &layer)?,
                false => conv("conv2", hidden, outputs, 3)?,
            },
            conv_sc: (inputs != outputs || halves).then(|| conv("conv_sc", inputs, outputs, 1)).transpose()?,
            is_first,
            halves,
        })
    }

    fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        let shortcut = self.shortcut(x, mode)?;
        let h = match self.is_first {
            true => self.conv1.forward_relu(x, mode)?,
            false => self.conv1.forward_between_relus(x, mode)?,
        };
        match self.halves {
            true => self.conv2.forward_pooled_onto(&h, &shortcut, mode),
            false => self.conv2.forward_onto(&h, &shortcut, mode),
        }
    }

    /// Published: pooling first in the first block, last in the others. A 1x1 convolution commutes with averages, and
    /// on the pooled input it costs a quarter.
    fn shortcut(&self, x: &Var, mode: Mode) -> Result<Var> {
        let x = if self.halves { x.avg_pool2()? } else { x.clone() };
        self.conv_sc.as_ref().map_or_else(|| Ok(x.clone()), |conv| conv.forward(&x, mode))
    }
}

/// An image and a class to a logit: residual blocks, ReLU, the sum over pixels `f`, then `linear(f) + <embed(y), f>`
/// (projection, Miyato and Koyama 2018), or the class by another way ([`DLabels`]).
pub struct BigganDiscriminator {
    params: Params,
    spectral: SpectralNorms,
    channel: Option<LabelChannel>,
    blocks: Vec<(Block, Option<SelfAttention>)>,
    joint: Option<LabelJoint>,
    linear: Linear,
    embed: Option<Embedding>,
    classifier: Option<Linear>,
    resolution: usize,
    /// What the blocks compute in.
    compute: DType,
}

impl BigganDiscriminator {
    /// The discriminator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no discriminator can be built from.
    pub fn new(config: &BigganConfig, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        config.check(num_classes)?;
        let channels = IMAGE_CHANNELS + usize::from(config.d_labels == DLabels::Channel);
        let blocks = arch::discriminator(resolution, config.bottom_width, config.d_ch, channels)?;
        let sides: Vec<(usize, usize)> = blocks.iter().map(|b| (b.resolution, b.outputs)).collect();
        BigganConfig::check_attention("d_attention", config.d_attention, &sides)?;
        let builder = blueprint.builder(INIT);
        Ok(Self::assemble(config, num_classes, resolution, &blocks, builder)?)
    }

    fn assemble(
        config: &BigganConfig,
        num_classes: usize,
        resolution: usize,
        blocks: &[DiscriminatorBlockArch],
        b: Builder,
    ) -> Result<Self> {
        let layer = config.spectral_layer();
        let features = blocks[blocks.len() - 1].outputs;
        let block = |(i, arch): (usize, &DiscriminatorBlockArch)| {
            let main = Block::new(&b.at(format!("blocks.{i}.0")), *arch, i == 0, config)?;
            let attention = (arch.resolution == config.d_attention)
                .then(|| SelfAttention::new(&b.at(format!("blocks.{i}.1")), arch.outputs, &layer))
                .transpose()?;
            Ok((main, attention))
        };
        let of = |way: DLabels| config.d_labels == way;
        // The published form first: a tensor's first values depend on its place.
        let blocks = blocks.iter().enumerate().map(block).collect::<Result<_>>()?;
        let linear = Linear::new(&b.at("linear"), features, 1, &layer)?;
        let embed = || Embedding::new(&b.at("embed"), num_classes, features, &layer);
        let joint = || LabelJoint::new(&b.at("labels"), num_classes, (features, JOINT_EMBED_DIM), &layer);
        let channel = || LabelChannel::new(&b.at("labels"), num_classes, config.bottom_width, &layer);
        let classifier = || Linear::new(&b.at("classifier"), features, num_classes, &layer);
        Ok(Self {
            blocks,
            linear,
            embed: of(DLabels::Projection).then(embed).transpose()?,
            joint: of(DLabels::Concat).then(joint).transpose()?,
            channel: of(DLabels::Channel).then(channel).transpose()?,
            classifier: of(DLabels::Classifier).then(classifier).transpose()?,
            resolution,
            compute: b.compute(),
            spectral: b.spectral_norms(),
            params: b.finish(),
        })
    }
}

impl Discriminator for BigganDiscriminator {
    fn judge(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Judgement> {
        check_inputs("discriminator", images, &[IMAGE_CHANNELS, self.resolution, self.resolution], labels)?;
        self.spectral.step(mode)?;
        let mut h = match &self.channel {
            Some(channel) => channel.beside(images, labels, mode)?,
            None => images.clone(),
        };
        h = h.to_dtype(self.compute)?;
        for (block, attention) in &self.blocks {
            h = block.forward(&h, mode)?;
            if let Some(attention) = attention {
                h = attention.forward(&h, mode)?;
            }
        }
        h = h.to_dtype(images.dtype())?;
        if let Some(joint) = &self.joint {
            h = joint.forward(&h.relu()?, labels, mode)?;
        }
        let features = h.relu()?.sum_keep(&[2, 3])?;
        let features = features.reshape(&[labels.len(), features.dims()[1]])?;
        let projection = match &self.embed {
            Some(embed) => Some(embed.forward(labels, mode)?.mul(&features)?.sum_keep(&[1])?),
            None => None,
        };
        let mut logits = self.linear.forward(&features, mode)?;
        if let Some(projection) = &projection {
            logits = logits.add(projection)?;
        }
        let class_logits = self.classifier.as_ref().map(|head| head.forward(&features, mode)).transpose()?;
        Ok(Judgement { logits, features, class_logits })
    }

    fn names_classes(&self) -> bool {
        self.classifier.is_some()
    }

    fn blocks(&self) -> Vec<String> {
        (0..self.blocks.len()).map(|i| format!("blocks.{i}")).collect()
    }

    fn params(&self) -> &Params {
        &self.params
    }
}
