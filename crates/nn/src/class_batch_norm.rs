//! Class-conditional batch normalisation (Dumoulin et al. 2017, de Vries et al. 2017), as in BigGAN.

use frugan_autograd::{Ints, Result, Var};

use crate::batch_norm::{BatchNormOptions, Statistics};
use crate::builder::Builder;
use crate::layers::{Embedding, LayerOptions, Linear};
use crate::mode::Mode;

/// What a class-conditional layer is conditioned on.
#[derive(Clone, Copy, Debug)]
pub enum Condition<'a> {
    /// Class labels `[n]`.
    Labels(&'a Ints),
    /// Vectors `[n, features]`: a shared class embedding, and with it a slice of z.
    Vectors(&'a Var),
}

/// What a class-conditional layer is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// A table row per class, never spectrally normalised.
    Labels {
        /// Rows of the table.
        num_classes: usize,
    },
    /// A linear map without bias, with the network's spectral norm.
    Vectors {
        /// Length of the vectors.
        features: usize,
    },
}

#[derive(Clone, Debug)]
enum Projection {
    Table(Embedding),
    Map(Linear),
}

impl Projection {
    fn new(builder: &Builder, kind: ConditionKind, channels: usize, options: &LayerOptions) -> Result<Self> {
        Ok(match kind {
            ConditionKind::Labels { num_classes } => {
                let options = LayerOptions { spectral: None, ..*options };
                Self::Table(Embedding::new(builder, num_classes, channels, &options)?)
            }
            ConditionKind::Vectors { features } => {
                let options = LayerOptions { bias: false, ..*options };
                Self::Map(Linear::new(builder, features, channels, &options)?)
            }
        })
    }

    fn forward(&self, condition: Condition<'_>, mode: Mode) -> Result<Var> {
        match (self, condition) {
            (Self::Table(table), Condition::Labels(labels)) => table.forward(labels, mode),
            (Self::Map(map), Condition::Vectors(vectors)) => map.forward(vectors, mode),
            (Self::Table(_), _) => candle_core::bail!("class batch norm: built for labels, got vectors"),
            (Self::Map(_), _) => candle_core::bail!("class batch norm: built for vectors, got labels"),
        }
    }
}

/// Batch normalisation whose gain, `1 + gain(condition)`, and bias differ from sample to sample.
#[derive(Clone, Debug)]
pub struct ClassBatchNorm {
    gain: Projection,
    bias: Projection,
    statistics: Statistics,
}

impl ClassBatchNorm {
    /// Weights `gain.weight` and `bias.weight`, buffers `stored_mean` and `stored_var`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(
        builder: &Builder,
        channels: usize,
        kind: ConditionKind,
        layer: &LayerOptions,
        options: BatchNormOptions,
    ) -> Result<Self> {
        let gain = Projection::new(&builder.at("gain"), kind, channels, layer)?;
        let bias = Projection::new(&builder.at("bias"), kind, channels, layer)?;
        Ok(Self { gain, bias, statistics: Statistics::new(builder, channels, options)? })
    }

    /// `[n, c, h, w]` to the same shape, with a ReLU in the same pass.
    ///
    /// # Errors
    /// If a shape does not fit, or the condition is of the other kind.
    pub fn forward_relu(&self, x: &Var, condition: Condition<'_>, mode: Mode) -> Result<Var> {
        let scale = self.gain.forward(condition, mode)?.affine(1.0, 1.0)?;
        self.statistics.normalise(x, (&scale, &self.bias.forward(condition, mode)?), true, mode)
    }
}
