//! Spectral normalisation (Miyato et al. 2018), as the published BigGAN code does it.

use std::sync::{Arc, Mutex, PoisonError};

use frugan_autograd::{DType, PowerIteration, Result, Var, spectral_norms};

use crate::builder::Builder;
use crate::init::Init;
use crate::mode::Mode;

/// How a layer's weight is divided by its largest singular value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralNormOptions {
    /// Least norm that a vector is divided by: `x / max(|x|, eps)`.
    pub eps: f64,
    /// Power steps a forward pass; only [`Mode::Train`] gains from more than one, for the others do not store `u`.
    pub num_itrs: usize,
}

impl Default for SpectralNormOptions {
    fn default() -> Self {
        Self { eps: 1e-8, num_itrs: 1 }
    }
}

/// `W / sigma(W)`, where `W` is the weight as a matrix `[out, rest]`, by a power step a forward pass:
/// `v = normalize(u W)`, `u' = normalize(v W^T)`, `sigma = v W^T u'^T`. The vectors are constants to the tape, `sigma` is
/// not. [`Mode::Train`] stores `u'` and `sigma`; the other modes make the same step and store nothing.
#[derive(Clone, Debug)]
pub struct SpectralNorm {
    /// `u0`, `[1, out]`.
    u: Var,
    /// `sv0`, `[1]`: the last `sigma` of training, for logs only.
    sv: Var,
    options: SpectralNormOptions,
    /// What the layer computes in, and the quotient is given in.
    dtype: DType,
    /// The normalised weight of the forward pass to come, where [`SpectralNorms::step`] made it.
    ahead: Arc<Mutex<Option<Var>>>,
}

impl SpectralNorm {
    /// Buffers `u0` (normal, not normalised) and `sv0` (1) for a weight `[out, ..]` of a layer that computes in `dtype`;
    /// [`Builder::spectral_norms`] will hold both too.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, weight: &Var, options: SpectralNormOptions, dtype: DType) -> Result<Self> {
        let out = weight.dims().first().copied().unwrap_or(1);
        let u = builder.buffer("u0", &[1, out], Init::Normal(1.0))?;
        let norm = Self { u, sv: builder.buffer("sv0", &[1], Init::ONES)?, options, dtype, ahead: Arc::default() };
        builder.add_spectral_norm(weight, &norm);
        Ok(norm)
    }

    /// The weight over its largest singular value.
    ///
    /// # Errors
    /// If the weight's first axis is not `out`.
    pub fn normalise(&self, weight: &Var, mode: Mode) -> Result<Var> {
        let ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        ahead.map_or_else(|| weight.spectral_norm(&self.iteration(mode)), Ok)
    }

    fn iteration(&self, mode: Mode) -> PowerIteration<'_> {
        let stores = mode == Mode::Train;
        PowerIteration {
            u: &self.u,
            sigma: &self.sv,
            epsilon: self.options.eps,
            // Without a store each further step would start from the same u and give the same result.
            steps: if stores { self.options.num_itrs } else { 1 },
            stores,
            dtype: self.dtype,
        }
    }
}

/// All weights of a network that have spectral norm. A network that steps them ahead of each forward pass normalises the same
/// weights to the same bits, on a GPU in as many launches as one weight takes.
#[derive(Clone, Debug, Default)]
pub struct SpectralNorms(Vec<(Var, SpectralNorm)>);

impl SpectralNorms {
    pub(crate) fn add(&mut self, weight: &Var, norm: &SpectralNorm) {
        self.0.push((weight.clone(), norm.clone()));
    }

    /// Normalises all weights for one forward pass: [`SpectralNorm::normalise`] will find them, once.
    ///
    /// # Errors
    /// If a device fails.
    pub fn step(&self, mode: Mode) -> Result<()> {
        let weights: Vec<_> = self.0.iter().map(|(weight, norm)| (weight, norm.iteration(mode))).collect();
        for ((_, norm), normal) in self.0.iter().zip(spectral_norms(&weights)?) {
            *norm.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(normal);
        }
        Ok(())
    }
}
