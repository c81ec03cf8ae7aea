//! Normalisation of latents to a second moment of one.

use candle_core::Result;

use crate::check_shapes::rank2;
use crate::var::Var;

impl Var {
    /// `x / sqrt(mean(x^2) + eps)` over each row of `[N, D]`: the pixel norm of StyleGAN's mapping network.
    ///
    /// # Errors
    /// If the rank is not 2.
    pub fn normalize_second_moment(&self, eps: f64) -> Result<Var> {
        rank2("normalize_second_moment", "the input", "[N, D]", self)?;
        self.div(&self.square()?.mean_keep(&[1])?.affine(1.0, eps)?.sqrt()?)
    }
}
