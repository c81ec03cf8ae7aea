//! BigGAN's generator.

use frugan_autograd::{DType, Ints, Result, Var, concat};
use frugan_nn::{
    BatchNorm, Builder, ClassBatchNorm, ClassTables, Condition, ConditionKind, Conv2d, Conv2dShape, Embedding,
    LayerOptions, Linear, Mode, Params, Purpose, RunningStatistics, SelfAttention, SpectralNorms,
};

use super::config::{BigganConfig, GeneratorNorm};
use crate::arch::{self, GeneratorBlockArch};
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::traits::{Generator, check_inputs};

const IMAGE_CHANNELS: usize = 3;
const INIT: Purpose = Purpose::new("init.generator");

/// Normalisation and ReLU of a block.
enum Norm {
    Class(Box<ClassBatchNorm>),
    Plain(BatchNorm),
}

impl Norm {
    fn new(builder: &Builder, channels: usize, kind: ConditionKind, config: &BigganConfig) -> Result<Self> {
        let options = config.batch_norm();
        Ok(match config.g_norm {
            GeneratorNorm::Class => {
                let layer = config.spectral_layer();
                Self::Class(Box::new(ClassBatchNorm::new(builder, channels, kind, &layer, options)?))
            }
            GeneratorNorm::Plain => Self::Plain(BatchNorm::new(builder, channels, options)?),
        })
    }

    fn forward_relu(&self, x: &Var, condition: Condition<'_>, mode: Mode) -> Result<Var> {
        match self {
            Self::Class(norm) => norm.forward_relu(x, condition, mode),
            Self::Plain(norm) => norm.forward_relu(x, mode),
        }
    }
}

/// A residual block that doubles the resolution.
struct Block {
    conv1: Conv2d,
    conv2: Conv2d,
    conv_sc: Conv2d,
    bn1: Norm,
    bn2: Norm,
}

impl Block {
    fn new(b: &Builder, block: GeneratorBlockArch, kind: ConditionKind, config: &BigganConfig) -> Result<Self> {
        let GeneratorBlockArch { inputs, outputs, .. } = block;
        let layer = config.spectral_layer();
        let conv =
            |name: &str, from, kernel| Conv2d::new(&b.at(name), Conv2dShape::same(from, outputs, kernel), &layer);
        Ok(Self {
            conv1: Conv2d::resampling(&b.at("conv1"), Conv2dShape::same(inputs, outputs, 3), &layer)?,
            conv2: conv("conv2", outputs, 3)?,
            conv_sc: conv("conv_sc", inputs, 1)?,
            bn1: Norm::new(&b.at("bn1"), inputs, kind, config)?,
            bn2: Norm::new(&b.at("bn2"), outputs, kind, config)?,
        })
    }

    fn forward(&self, x: &Var, condition: Condition<'_>, mode: Mode) -> Result<Var> {
        // One variable, so that each value dies as soon as the tape does not hold it.
        let mut h = self.bn1.forward_relu(x, condition, mode)?;
        h = self.conv1.forward_upsampled(&h, mode)?;
        h = self.bn2.forward_relu(&h, condition, mode)?;
        // The published order is doubling, then convolution: at 1x1 the two commute, and this one costs a quarter.
        let shortcut = self.conv_sc.forward(x, mode)?.upsample2()?;
        self.conv2.forward_onto(&h, &shortcut, mode)
    }
}

/// z (and a class) to an image: a linear layer to `bottom_width`^2 pixels, residual blocks that double, then batch norm,
/// ReLU, a 3x3 convolution and tanh.
pub struct BigganGenerator {
    params: Params,
    spectral: SpectralNorms,
    running: RunningStatistics,
    class_tables: ClassTables,
    shared: Option<Embedding>,
    linear: Linear,
    blocks: Vec<(Block, Option<SelfAttention>)>,
    output_norm: BatchNorm,
    output_conv: Conv2d,
    /// Length of the slices of z: the whole without `hierarchical`.
    slice: usize,
    bottom: [usize; 3],
    latent_dim: usize,
    num_classes: usize,
    resolution: usize,
    /// What the blocks compute in.
    compute: DType,
}

impl BigganGenerator {
    /// The generator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no generator can be built from.
    pub fn new(config: &BigganConfig, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        config.check(num_classes)?;
        let blocks = arch::generator(resolution, config.bottom_width, config.g_ch)?;
        let sides: Vec<(usize, usize)> = blocks.iter().map(|b| (b.resolution, b.outputs)).collect();
        BigganConfig::check_attention("g_attention", config.g_attention, &sides)?;
        let slots = if config.hierarchical { blocks.len() + 1 } else { 1 };
        if !config.latent_dim.is_multiple_of(slots) {
            let want = format!("a multiple of {slots}, for hierarchical = true cuts it into that many slices");
            return Err(ModelError::setting("latent_dim", config.latent_dim, want));
        }
        let builder = blueprint.builder(INIT);
        Ok(Self::assemble(config, num_classes, &blocks, config.latent_dim / slots, builder)?)
    }

    /// The modules in the published order, which is that of the first weights' draws.
    fn assemble(
        config: &BigganConfig,
        num_classes: usize,
        blocks: &[GeneratorBlockArch],
        slice: usize,
        b: Builder,
    ) -> Result<Self> {
        let layer = config.spectral_layer();
        let table = LayerOptions { spectral: None, ..layer };
        let (bottom, first) = (config.bottom_width, blocks[0].inputs);
        let last = blocks[blocks.len() - 1];
        let shared = (config.shared_dim > 0)
            .then(|| Embedding::new(&b.at("shared"), num_classes, config.shared_dim, &table))
            .transpose()?;
        let kind = match (config.shared_dim, config.hierarchical) {
            (0, _) => ConditionKind::Labels { num_classes },
            (dim, false) => ConditionKind::Vectors { features: dim },
            (dim, true) => ConditionKind::Vectors { features: dim + slice },
        };
        let linear = Linear::new(&b.at("linear"), slice, first * bottom * bottom, &layer)?;
        let block = |(i, arch): (usize, &GeneratorBlockArch)| {
            let main = Block::new(&b.at(format!("blocks.{i}.0")), *arch, kind, config)?;
            let attention = (arch.resolution == config.g_attention)
                .then(|| SelfAttention::new(&b.at(format!("blocks.{i}.1")), arch.outputs, &layer))
                .transpose()?;
            Ok((main, attention))
        };
        Ok(Self {
            shared,
            linear,
            blocks: blocks.iter().enumerate().map(block).collect::<Result<_>>()?,
            output_norm: BatchNorm::new(&b.at("output_layer.0"), last.outputs, config.batch_norm())?,
            output_conv: Conv2d::new(
                &b.at("output_layer.2"),
                Conv2dShape::same(last.outputs, IMAGE_CHANNELS, 3),
                &layer,
            )?,
            slice,
            bottom: [first, bottom, bottom],
            latent_dim: config.latent_dim,
            num_classes,
            resolution: last.resolution,
            compute: b.compute(),
            spectral: b.spectral_norms(),
            running: b.running_statistics(),
            class_tables: b.class_tables(),
            params: b.finish(),
        })
    }

    /// The condition vectors of block `i`, if the blocks take vectors.
    fn vectors(&self, shared: Option<&Var>, z: &Var, i: usize) -> Result<Option<Var>> {
        let Some(shared) = shared else { return Ok(None) };
        if self.slice == self.latent_dim {
            return Ok(Some(shared.clone()));
        }
        concat(&[shared, &z.narrow(1, (i + 1) * self.slice, self.slice)?], 1).map(Some)
    }

    fn images(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        let shared = self.shared.as_ref().map(|table| table.forward(labels, mode)).transpose()?;
        let [channels, height, width] = self.bottom;
        let first = if self.slice == self.latent_dim { z.clone() } else { z.narrow(1, 0, self.slice)? };
        let mut h = self.linear.forward(&first, mode)?.reshape(&[labels.len(), channels, height, width])?;
        h = h.to_dtype(self.compute)?;
        for (i, (block, attention)) in self.blocks.iter().enumerate() {
            let vectors = self.vectors(shared.as_ref(), z, i)?;
            let condition = vectors.as_ref().map_or(Condition::Labels(labels), Condition::Vectors);
            h = block.forward(&h, condition, mode)?;
            if let Some(attention) = attention {
                h = attention.forward(&h, mode)?;
            }
        }
        h = self.output_norm.forward_relu(&h, mode)?;
        self.output_conv.forward(&h, mode)?.to_dtype(z.dtype())?.tanh()
    }
}

impl Generator for BigganGenerator {
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        check_inputs("generator", z, &[self.latent_dim], labels)?;
        self.spectral.step(mode)?;
        self.class_tables.look_up(labels)?;
        self.running.together(|| self.images(z, labels, mode))
    }

    fn is_scale_or_shift(&self, weight: &str) -> bool {
        weight.contains(".bn1.") || weight.contains(".bn2.") || weight.starts_with("output_layer.0.")
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
