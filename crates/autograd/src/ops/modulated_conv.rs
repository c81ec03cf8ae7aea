//! StyleGAN2's modulated convolution (Karras et al. 2020, section 2.2).

use candle_core::{Result, bail};

use super::conv_resample::Resample;
use super::fir::Fir;
use crate::check_shapes::{rank4, shape};
use crate::var::Var;

/// Added to the squared norm of a demodulated filter.
const EPSILON: f64 = 1e-8;

/// What [`Var::modulated_conv2d`] does besides the modulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModulatedConv2d {
    /// 1 or 2: the factor of the resolution.
    pub up: usize,
    /// As in [`Resample`].
    pub padding: usize,
    /// Whether each output channel's modulated filter is brought to norm 1.
    pub demodulate: bool,
    /// As in [`Resample`].
    pub flip_weight: bool,
}

impl Var {
    /// Convolves image n of `[N, I, H, W]` with `w[o, i] * styles[n, i]`, brought to norm 1 over its inputs and taps if
    /// `demodulate`, as [`Var::conv2d_resample`] does; then adds `noise`. `w` is `[O, I, KH, KW]`, `styles` `[N, I]`,
    /// `noise` `[N, 1, H up, W up]` or the same for all images, `[1, 1, ..]`.
    ///
    /// The styles scale the input and the norms the output, so that all images share one convolution.
    ///
    /// # Errors
    /// If the shapes are not those, and as [`Var::conv2d_resample`].
    pub fn modulated_conv2d(
        &self,
        w: &Var,
        styles: &Var,
        config: &ModulatedConv2d,
        fir: Option<&Fir>,
        noise: Option<&Var>,
    ) -> Result<Var> {
        let op = "modulated_conv2d";
        let [batch, channels, ..] = rank4(op, "the input", "[N, I, H, W]", self)?;
        let [_, filter_in, ..] = rank4(op, "the filter", "[O, I, KH, KW]", w)?;
        shape(op, "styles", &[batch, channels], styles)?;
        if filter_in != channels {
            bail!(
                "{op}: the filter has shape {:?}, expected {channels} input channels as in {:?}",
                w.dims(),
                self.dims()
            )
        }
        let ModulatedConv2d { up, padding, demodulate, flip_weight } = *config;
        let resample = Resample { up, down: 1, padding, flip_weight };
        let own_type = |v: &Var| v.to_dtype(self.dtype());
        let y = self.scale_planes(&own_type(styles)?, None)?.conv2d_resample(&own_type(w)?, fir, &resample)?;
        if let Some(noise) = noise {
            let [_, _, height, width] = rank4(op, "the output", "[N, O, H, W]", &y)?;
            let count = if noise.dims().first() == Some(&1) { 1 } else { batch };
            shape(op, "noise", &[count, 1, height, width], noise)?;
        }
        let noise = noise.map(own_type).transpose()?;
        match (demodulate, noise) {
            (true, noise) => y.scale_planes(&own_type(&inverse_norms(w, styles)?)?, noise.as_ref()),
            (false, Some(noise)) => y.add(&noise),
            (false, None) => Ok(y),
        }
    }
}

/// `[N, O]`: one over the norm of `w[o] * styles[n]`.
fn inverse_norms(w: &Var, styles: &Var) -> Result<Var> {
    let squares = styles.square()?.matmul_t(&w.dot_planes(w)?)?;
    let norms = squares.affine(1.0, EPSILON)?.sqrt()?;
    norms.ones_like()?.div(&norms)
}
