//! Class-conditional batch normalisation (Dumoulin et al. 2017, de Vries et al. 2017), as in BigGAN.

use std::sync::{Arc, Mutex, PoisonError};

use frugan_autograd::{Ints, Result, Var, gather_all};

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

/// The tables of a network's class-conditional layers. A network that looks labels up ahead of a forward pass finds the same rows, on a
/// GPU in one launch.
#[derive(Clone, Debug, Default)]
pub struct ClassTables(Vec<ClassTable>);

/// Gains and biases of one layer, and the rows of the pass to come.
#[derive(Clone, Debug)]
struct ClassTable {
    gain: Var,
    bias: Var,
    ahead: Arc<Mutex<Option<[Var; 2]>>>,
}

impl ClassTables {
    /// Looks all tables up for one forward pass, whose layers will find their rows, once.
    ///
    /// # Errors
    /// If a label is no class, or a device fails.
    pub fn look_up(&self, labels: &Ints) -> Result<()> {
        let tables: Vec<_> = self.0.iter().flat_map(|table| [(&table.gain, 1.0), (&table.bias, 0.0)]).collect();
        let mut found = gather_all(&tables, labels)?.into_iter();
        for table in &self.0 {
            let rows = found.next().zip(found.next()).map(|(gain, bias)| [gain, bias]);
            *table.ahead.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, gain: &Embedding, bias: &Embedding) -> Arc<Mutex<Option<[Var; 2]>>> {
        let ahead = Arc::default();
        let [gain, bias] = [gain, bias].map(|table| table.table().clone());
        self.0.push(ClassTable { gain, bias, ahead: Arc::clone(&ahead) });
        ahead
    }
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
    /// `1 + gain` and bias of the pass to come, where [`ClassTables::look_up`] found them.
    ahead: Arc<Mutex<Option<[Var; 2]>>>,
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
        let ahead = match (&gain, &bias) {
            (Projection::Table(gain), Projection::Table(bias)) => builder.add_class_tables(gain, bias),
            _ => Arc::default(),
        };
        Ok(Self { gain, bias, ahead, statistics: Statistics::new(builder, channels, options)? })
    }

    /// `[n, c, h, w]` to the same shape, with a ReLU in the same pass.
    ///
    /// # Errors
    /// If a shape does not fit, or the condition is of the other kind.
    pub fn forward_relu(&self, x: &Var, condition: Condition<'_>, mode: Mode) -> Result<Var> {
        let [scale, shift] = match self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(ahead) => ahead,
            None => [self.gain.forward(condition, mode)?.affine(1.0, 1.0)?, self.bias.forward(condition, mode)?],
        };
        self.statistics.normalise(x, (&scale, &shift), true, mode)
    }
}
