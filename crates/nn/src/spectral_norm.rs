//! Spectral normalisation (Miyato et al. 2018), as the published BigGAN code does it.

use frugan_autograd::{PowerIteration, Result, Var};

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
}

impl SpectralNorm {
    /// Buffers `u0` (normal, not normalised) and `sv0` (1) for a weight with `out` rows.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, out: usize, options: SpectralNormOptions) -> Result<Self> {
        let u = builder.buffer("u0", &[1, out], Init::Normal(1.0))?;
        Ok(Self { u, sv: builder.buffer("sv0", &[1], Init::ONES)?, options })
    }

    /// The weight over its largest singular value.
    ///
    /// # Errors
    /// If the weight's first axis is not `out`.
    pub fn normalise(&self, weight: &Var, mode: Mode) -> Result<Var> {
        let stores = mode == Mode::Train;
        weight.spectral_norm(&PowerIteration {
            u: &self.u,
            sigma: &self.sv,
            epsilon: self.options.eps,
            // Without a store each further step would start from the same u and give the same result.
            steps: if stores { self.options.num_itrs } else { 1 },
            stores,
        })
    }
}
