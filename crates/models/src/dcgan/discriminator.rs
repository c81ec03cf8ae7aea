//! DCGAN's discriminator.

use frugan_autograd::{Ints, Result, Var};
use frugan_nn::{
    BatchNorm, Builder, Conv2d, Conv2dShape, Embedding, Init, Linear, MinibatchDiscrimination, Mode, Params, Purpose,
    RunningStatistics, SpectralNorms,
};

use super::config::{BOTTOM, DcganConfig, DiscriminatorNorm, IMAGE_CHANNELS};
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::labels::{DLabels, LabelChannel, LabelJoint};
use crate::traits::{Discriminator, Judgement, check_inputs};

const INIT: Purpose = Purpose::new("init.discriminator");

/// A convolution that halves the resolution, batch norm if wanted, a leaky ReLU.
struct Block {
    conv: Conv2d,
    bn: Option<BatchNorm>,
}

/// Blocks down to 4x4 pixels, a linear layer over all of them, and the projection of the class on their sum, or the class
/// by another way ([`DLabels`]); minibatch discrimination ahead of the linear layer, if wanted.
pub struct DcganDiscriminator {
    params: Params,
    spectral: SpectralNorms,
    running: RunningStatistics,
    channel: Option<LabelChannel>,
    blocks: Vec<Block>,
    joint: Option<LabelJoint>,
    minibatch: Option<MinibatchDiscrimination>,
    linear: Linear,
    embed: Option<Embedding>,
    classifier: Option<Linear>,
    leaky_slope: f64,
    resolution: usize,
}

impl DcganDiscriminator {
    /// The discriminator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no discriminator can be built from.
    pub fn new(config: &DcganConfig, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        let widths = config.widths(config.d_ch, num_classes, resolution)?;
        let builder = blueprint.builder(INIT);
        Ok(Self::assemble(config, num_classes, resolution, &widths, builder)?)
    }

    fn assemble(
        config: &DcganConfig,
        num_classes: usize,
        resolution: usize,
        widths: &[usize],
        b: Builder,
    ) -> Result<Self> {
        let layer = config.discriminator_layer();
        let mut blocks = Vec::with_capacity(widths.len());
        let of = |way: DLabels| config.conditional && config.d_labels == way;
        let mut inputs = IMAGE_CHANNELS + usize::from(of(DLabels::Channel));
        for (i, outputs) in widths.iter().enumerate() {
            let at = b.at(format!("blocks.{i}"));
            let shape = Conv2dShape { inputs, outputs: *outputs, kernel: 4, stride: 2, padding: 1 };
            let conv = Conv2d::new(&at.at("conv"), shape, &layer)?;
            let wants_bn = i > 0 && config.d_norm == DiscriminatorNorm::Batch;
            let bn = wants_bn.then(|| BatchNorm::new(&at.at("bn"), *outputs, config.batch_norm())).transpose()?;
            blocks.push(Block { conv, bn });
            inputs = *outputs;
        }
        let features = inputs * BOTTOM * BOTTOM;
        let kernels = config.minibatch_kernels;
        let minibatch = || {
            let at = b.at("minibatch");
            MinibatchDiscrimination::new(&at, features, kernels, config.minibatch_kernel_dim, Init::Normal(0.05))
        };
        let linear = Linear::new(&b.at("linear"), features + kernels, 1, &layer)?;
        let embed = || Embedding::new(&b.at("embed"), num_classes, inputs, &layer);
        let joint = || LabelJoint::new(&b.at("labels"), num_classes, (inputs, config.embed_dim), &layer);
        let channel = || LabelChannel::new(&b.at("labels"), num_classes, BOTTOM, &layer);
        let classifier = || Linear::new(&b.at("classifier"), features, num_classes, &layer);
        Ok(Self {
            blocks,
            linear,
            embed: of(DLabels::Projection).then(embed).transpose()?,
            joint: of(DLabels::Concat).then(joint).transpose()?,
            channel: of(DLabels::Channel).then(channel).transpose()?,
            classifier: of(DLabels::Classifier).then(classifier).transpose()?,
            minibatch: (kernels > 0).then(minibatch).transpose()?,
            leaky_slope: config.leaky_slope,
            resolution,
            spectral: b.spectral_norms(),
            running: b.running_statistics(),
            params: b.finish(),
        })
    }
}

impl Discriminator for DcganDiscriminator {
    fn judge(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Judgement> {
        check_inputs("discriminator", images, &[IMAGE_CHANNELS, self.resolution, self.resolution], labels)?;
        self.spectral.step(mode)?;
        let mut h = match &self.channel {
            Some(channel) => channel.beside(images, labels, mode)?,
            None => images.clone(),
        };
        self.running.together(|| {
            for block in &self.blocks {
                h = block.conv.forward(&h, mode)?;
                if let Some(bn) = &block.bn {
                    h = bn.forward(&h, mode)?;
                }
                h = h.leaky_relu(self.leaky_slope)?;
            }
            Ok(())
        })?;
        if let Some(joint) = &self.joint {
            h = joint.forward(&h, labels, mode)?.leaky_relu(self.leaky_slope)?;
        }
        let (n, channels, height, width) = h.dims4()?;
        let features = h.reshape(&[n, channels * height * width])?;
        let mut logits = match &self.minibatch {
            Some(minibatch) => self.linear.forward(&minibatch.forward(&features)?, mode)?,
            None => self.linear.forward(&features, mode)?,
        };
        if let Some(embed) = &self.embed {
            let sums = h.sum_keep(&[2, 3])?.reshape(&[n, channels])?;
            logits = logits.add(&embed.forward(labels, mode)?.mul(&sums)?.sum_keep(&[1])?)?;
        }
        let class_logits = self.classifier.as_ref().map(|head| head.forward(&features, mode)).transpose()?;
        Ok(Judgement { logits, features, class_logits })
    }

    fn names_classes(&self) -> bool {
        self.classifier.is_some()
    }

    fn mixes_batch(&self) -> bool {
        self.minibatch.is_some()
    }

    fn blocks(&self) -> Vec<String> {
        (0..self.blocks.len()).map(|i| format!("blocks.{i}")).collect()
    }

    fn params(&self) -> &Params {
        &self.params
    }
}
