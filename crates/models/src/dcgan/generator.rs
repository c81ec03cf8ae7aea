//! DCGAN's generator.

use frugan_autograd::{Ints, Result, Var, concat};
use frugan_nn::{
    BatchNorm, Builder, Conv2dShape, ConvTranspose2d, Embedding, Linear, Mode, Params, Purpose, RunningStatistics,
};

use super::config::{BOTTOM, DcganConfig, IMAGE_CHANNELS};
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::traits::{Generator, check_inputs};

const INIT: Purpose = Purpose::new("init.generator");

/// Batch norm, ReLU and a transposed convolution that doubles the resolution.
struct Block {
    bn: BatchNorm,
    conv: ConvTranspose2d,
}

/// z and a class embedding through a linear layer to 4x4 pixels, then blocks that double, then tanh.
pub struct DcganGenerator {
    params: Params,
    embed: Option<Embedding>,
    project: Linear,
    blocks: Vec<Block>,
    first: usize,
    latent_dim: usize,
    num_classes: usize,
    resolution: usize,
    running: RunningStatistics,
}

impl DcganGenerator {
    /// The generator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no generator can be built from.
    pub fn new(config: &DcganConfig, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        let widths = config.widths(config.g_ch, num_classes, resolution)?;
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
        let first = widths[widths.len() - 1];
        let embed = config
            .conditional
            .then(|| {
                Embedding::new(&b.at("embed"), num_classes, config.embed_dim, &DcganConfig::generator_layer(false))
            })
            .transpose()?;
        let inputs = config.latent_dim + if config.conditional { config.embed_dim } else { 0 };
        let plain = DcganConfig::generator_layer(false);
        let project = Linear::new(&b.at("project"), inputs, first * BOTTOM * BOTTOM, &plain)?;
        let mut blocks = Vec::with_capacity(widths.len());
        for (i, from) in widths.iter().rev().enumerate() {
            let at = b.at(format!("blocks.{i}"));
            let to = widths.iter().rev().nth(i + 1);
            let shape = Conv2dShape {
                inputs: *from,
                outputs: *to.unwrap_or(&IMAGE_CHANNELS),
                kernel: 4,
                stride: 2,
                padding: 1,
            };
            let bn = BatchNorm::new(&at.at("bn"), *from, config.batch_norm())?;
            let layer = DcganConfig::generator_layer(to.is_none());
            blocks.push(Block { bn, conv: ConvTranspose2d::new(&at.at("conv"), shape, &layer)? });
        }
        let (latent_dim, running) = (config.latent_dim, b.running_statistics());
        Ok(Self { embed, project, blocks, first, latent_dim, num_classes, resolution, running, params: b.finish() })
    }
}

impl Generator for DcganGenerator {
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        check_inputs("generator", z, &[self.latent_dim], labels)?;
        let input = match &self.embed {
            Some(table) => concat(&[z, &table.forward(labels, mode)?], 1)?,
            None => z.clone(),
        };
        let mut h = self.project.forward(&input, mode)?.reshape(&[labels.len(), self.first, BOTTOM, BOTTOM])?;
        self.running.together(|| {
            for block in &self.blocks {
                h = block.conv.forward(&block.bn.forward_relu(&h, mode)?, mode)?;
            }
            h.tanh()
        })
    }

    fn is_scale_or_shift(&self, weight: &str) -> bool {
        weight.contains(".bn.")
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn image_shape(&self) -> [usize; 3] {
        [IMAGE_CHANNELS, self.resolution, self.resolution]
    }
}
