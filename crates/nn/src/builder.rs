//! Makes, names and keeps the tensors of a network.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use frugan_autograd::{DType, Device, Ranks, Result, Tensor, Var};

use crate::class_batch_norm::ClassTables;
use crate::init::Init;
use crate::layers::Embedding;
use crate::params::{Kind, Params};
use crate::running::RunningStatistics;
use crate::spectral_norm::{SpectralNorm, SpectralNorms};
use crate::stream::{Purpose, Stream};

/// Names, draws and keeps tensors in the order in which modules ask for them. Clones with longer prefixes, as
/// [`Builder::at`] makes them, fill the same [`Params`].
///
/// The n-th tensor of a network is drawn from step n of the stream of (seed, purpose), so its first values depend on
/// its place in the network and on nothing else.
///
/// ```
/// use frugan_autograd::{DType, Device};
/// use frugan_nn::{Builder, Init, Purpose};
/// # fn main() -> frugan_autograd::Result<()> {
/// let builder = Builder::new(7, Purpose::new("init.example"), DType::F32, &Device::Cpu);
/// builder.at("blocks.0").weight("scale", &[3], Init::ONES)?;
/// assert_eq!(builder.finish().get("blocks.0.scale").map(|v| v.dims().to_vec()), Some(vec![3]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    prefix: String,
    seed: u64,
    purpose: Purpose,
    dtype: DType,
    compute: DType,
    device: Device,
    batch_norm: Ranks,
    params: Rc<RefCell<Params>>,
    spectral_norms: Rc<RefCell<SpectralNorms>>,
    running: RunningStatistics,
    class_tables: Rc<RefCell<ClassTables>>,
}

impl Builder {
    /// A builder at the root of a network. Networks of one run take different purposes.
    pub fn new(seed: u64, purpose: Purpose, dtype: DType, device: &Device) -> Self {
        let batch_norm = Ranks::alone();
        Self {
            prefix: String::new(),
            seed,
            purpose,
            dtype,
            compute: dtype,
            device: *device,
            batch_norm,
            params: Rc::default(),
            spectral_norms: Rc::default(),
            running: RunningStatistics::default(),
            class_tables: Rc::default(),
        }
    }

    /// The same builder, whose batch norms share their statistics among these ranks.
    #[must_use]
    pub fn with_batch_norm(self, ranks: Ranks) -> Self {
        Self { batch_norm: ranks, ..self }
    }

    /// The same builder, for a network whose wide layers compute in another type than that of its weights.
    #[must_use]
    pub fn with_compute(self, compute: DType) -> Self {
        Self { compute, ..self }
    }

    /// What the network's wide layers compute in.
    pub fn compute(&self) -> DType {
        self.compute
    }

    /// Who shares the statistics of batch norm.
    pub(crate) fn batch_norm(&self) -> &Ranks {
        &self.batch_norm
    }

    /// The same builder inside module `name`, which may hold dots.
    pub fn at(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.path(&name.to_string()), ..self.clone() }
    }

    /// The type of the network's numbers.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the network's tensors are put.
    pub fn device(&self) -> &Device {
        &self.device
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    /// A trained tensor.
    ///
    /// # Errors
    /// If the tensor cannot be made.
    ///
    /// # Panics
    /// If the network already has a tensor of this name.
    pub fn weight(&self, name: &str, shape: &[usize], init: Init) -> Result<Var> {
        let var = Var::leaf(self.draw(shape, init)?).to_device(&self.device)?;
        self.params.borrow_mut().insert(self.path(name), Kind::Weight, var.clone());
        Ok(var)
    }

    /// A tensor that forward passes keep up.
    ///
    /// # Errors
    /// If the tensor cannot be made.
    ///
    /// # Panics
    /// If the network already has a tensor of this name.
    pub fn buffer(&self, name: &str, shape: &[usize], init: Init) -> Result<Var> {
        let var = Var::constant(self.draw(shape, init)?).to_device(&self.device)?;
        self.params.borrow_mut().insert(self.path(name), Kind::Buffer, var.clone());
        Ok(var)
    }

    fn draw(&self, shape: &[usize], init: Init) -> Result<Tensor> {
        let place = self.params.borrow().len() as u64;
        let values = init.values(shape, &mut Stream::new(self.seed, self.purpose, place));
        Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?.to_dtype(self.dtype)
    }

    pub(crate) fn add_spectral_norm(&self, weight: &Var, norm: &SpectralNorm) {
        self.spectral_norms.borrow_mut().add(weight, norm);
    }

    /// The spectral norms made so far, through this builder and its clones.
    pub fn spectral_norms(&self) -> SpectralNorms {
        self.spectral_norms.borrow().clone()
    }

    pub(crate) fn add_class_tables(&self, gain: &Embedding, bias: &Embedding) -> Arc<Mutex<Option<[Var; 2]>>> {
        self.class_tables.borrow_mut().add(gain, bias)
    }

    /// The tables of the class-conditional layers made so far, through this builder and its clones.
    pub fn class_tables(&self) -> ClassTables {
        self.class_tables.borrow().clone()
    }

    /// The running statistics of the network's batch norms, of this builder and its clones.
    pub fn running_statistics(&self) -> RunningStatistics {
        self.running.clone()
    }

    /// All tensors made so far, through this builder and its clones.
    pub fn finish(self) -> Params {
        self.params.take()
    }
}
