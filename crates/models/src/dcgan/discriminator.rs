//! DCGAN's discriminator.

use frugan_autograd::{Ints, Result, Var};
use frugan_nn::{BatchNorm, Builder, Conv2d, Conv2dShape, Embedding, Linear, Mode, Params, Purpose};

use super::config::{BOTTOM, DcganConfig, DiscriminatorNorm, IMAGE_CHANNELS};
use crate::config::Placement;
use crate::error::ModelError;
use crate::traits::{Discriminator, check_inputs};

const INIT: Purpose = Purpose::new("init.discriminator");

/// A convolution that halves the resolution, batch norm if wanted, a leaky ReLU.
struct Block {
    conv: Conv2d,
    bn: Option<BatchNorm>,
}

/// Blocks down to 4x4 pixels, a linear layer over all of them, and the projection of the class on their sum.
pub struct DcganDiscriminator {
    params: Params,
    blocks: Vec<Block>,
    linear: Linear,
    embed: Option<Embedding>,
    leaky_slope: f64,
    resolution: usize,
}

impl DcganDiscriminator {
    /// A discriminator of `resolution`^2 images, with first weights drawn from `seed`.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no discriminator can be built from.
    pub fn new(
        config: &DcganConfig,
        num_classes: usize,
        resolution: usize,
        seed: u64,
        placement: Placement,
    ) -> std::result::Result<Self, ModelError> {
        let widths = config.widths(config.d_ch, num_classes, resolution)?;
        let builder = Builder::new(seed, INIT, placement.dtype, &placement.device);
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
        let mut inputs = IMAGE_CHANNELS;
        for (i, outputs) in widths.iter().enumerate() {
            let at = b.at(format!("blocks.{i}"));
            let shape = Conv2dShape { inputs, outputs: *outputs, kernel: 4, stride: 2, padding: 1 };
            let conv = Conv2d::new(&at.at("conv"), shape, &layer)?;
            let wants_bn = i > 0 && config.d_norm == DiscriminatorNorm::Batch;
            let bn = wants_bn.then(|| BatchNorm::new(&at.at("bn"), *outputs, config.batch_norm())).transpose()?;
            blocks.push(Block { conv, bn });
            inputs = *outputs;
        }
        let linear = Linear::new(&b.at("linear"), inputs * BOTTOM * BOTTOM, 1, &layer)?;
        let embed =
            config.conditional.then(|| Embedding::new(&b.at("embed"), num_classes, inputs, &layer)).transpose()?;
        Ok(Self { blocks, linear, embed, leaky_slope: config.leaky_slope, resolution, params: b.finish() })
    }
}

impl Discriminator for DcganDiscriminator {
    fn logits(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        check_inputs("discriminator", images, &[IMAGE_CHANNELS, self.resolution, self.resolution], labels)?;
        let mut h = images.clone();
        for block in &self.blocks {
            h = block.conv.forward(&h, mode)?;
            if let Some(bn) = &block.bn {
                h = bn.forward(&h, mode)?;
            }
            h = h.leaky_relu(self.leaky_slope)?;
        }
        let (n, channels, height, width) = h.dims4()?;
        let logits = self.linear.forward(&h.reshape(&[n, channels * height * width])?, mode)?;
        let Some(embed) = &self.embed else { return Ok(logits) };
        let sums = h.sum_keep(&[2, 3])?.reshape(&[n, channels])?;
        logits.add(&embed.forward(labels, mode)?.mul(&sums)?.sum_keep(&[1])?)
    }

    fn params(&self) -> &Params {
        &self.params
    }
}
