//! A convolution that doubles or halves the resolution behind a low-pass filter, as in StyleGAN2's layers.

use candle_core::{Result, bail};

use super::conv::Conv2dConfig;
use super::fir::Fir;
use super::upfirdn::Upfirdn2d;
use crate::check_shapes::rank4;
use crate::var::Var;

/// How [`Var::conv2d_resample`] changes the resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resample {
    /// 1 or 2: the factor before the convolution.
    pub up: usize,
    /// 1 or 2: the factor after it. Not 2 if `up` is.
    pub down: usize,
    /// Zeros on all sides, in pixels of the upsampled image; half the filter keeps the size.
    pub padding: usize,
    /// A correlation, as in [`Var::conv2d`]; else a true convolution, as in StyleGAN2's upsampling layers.
    pub flip_weight: bool,
}

impl Default for Resample {
    /// A correlation of the unpadded image at its resolution.
    fn default() -> Self {
        Self { up: 1, down: 1, padding: 0, flip_weight: true }
    }
}

impl Resample {
    /// The padding of the low-pass filter, `[before, after]`, under which the image grows or shrinks by the factor,
    /// and the convolution's padding on top.
    fn filter_padding(&self, taps: usize) -> [isize; 2] {
        let (taps, up, down, padding) = (taps as isize, self.up as isize, self.down as isize, self.padding as isize);
        match (self.up, self.down) {
            (1, 1) => [padding; 2],
            (1, _) => [padding + (taps - down + 1).div_euclid(2), padding + (taps - down).div_euclid(2)],
            _ => [padding + (taps + up - 1).div_euclid(2), padding + (taps - up).div_euclid(2)],
        }
    }
}

/// The spatially reversed filter `[O, I, KH, KW]`, which makes a correlation a convolution.
fn reversed(w: &Var) -> Result<Var> {
    let [o, i, height, width] = rank4("conv2d_resample", "the filter", "[O, I, KH, KW]", w)?;
    if height * width == 1 {
        return Ok(w.clone());
    }
    w.reshape(&[o * i, height * width])?.flip(1)?.reshape(w.dims())
}

impl Var {
    /// Upsamples by zero insertion and the low-pass filter `fir` (gain `up * up`), convolves with `w` `[O, I, KH, KW]`,
    /// and keeps every `down`-th pixel behind the low-pass filter: `[N, I, H, W]` to `[N, O, H up / down, W up / down]`
    /// where `padding` is half of an odd filter.
    ///
    /// Done the cheaper way round: a transposed convolution, then the filter; the filter, then a strided convolution;
    /// a 1x1 convolution always at the lower resolution. Without `fir` pixels are inserted and dropped unfiltered.
    ///
    /// # Errors
    /// If the shapes are not those, `up` or `down` is neither 1 nor 2, or both are 2.
    pub fn conv2d_resample(&self, w: &Var, fir: Option<&Fir>, resample: &Resample) -> Result<Var> {
        let op = "conv2d_resample";
        let [_, channels, ..] = rank4(op, "the input", "[N, I, H, W]", self)?;
        let [_, filter_in, height, width] = rank4(op, "the filter", "[O, I, KH, KW]", w)?;
        if filter_in != channels {
            bail!(
                "{op}: the filter has shape {:?}, expected {channels} input channels as in {:?}",
                w.dims(),
                self.dims()
            )
        }
        let &Resample { up, down, padding, flip_weight } = resample;
        let unfiltered = Fir::separable(&[1.0]);
        let fir = fir.unwrap_or(&unfiltered);
        let (tap_rows, tap_columns) = fir.taps();
        let ([x0, x1], [y0, y1]) = (resample.filter_padding(tap_columns), resample.filter_padding(tap_rows));
        let correlated = || if flip_weight { Ok(w.clone()) } else { reversed(w) };
        let filter = Upfirdn2d { padding: [x0, x1, y0, y1], ..Upfirdn2d::default() };
        let pointwise = (height, width) == (1, 1);
        match (up, down) {
            (1, 1) => self.conv2d(&correlated()?, None, Conv2dConfig { stride: 1, padding: [padding; 2] }),
            (1, 2) if pointwise => {
                self.upfirdn2d(fir, &Upfirdn2d { down: [2, 2], ..filter })?.conv2d(w, None, Conv2dConfig::default())
            }
            (1, 2) => {
                self.upfirdn2d(fir, &filter)?.conv2d(&correlated()?, None, Conv2dConfig { stride: 2, padding: [0, 0] })
            }
            (2, 1) if pointwise => self
                .conv2d(w, None, Conv2dConfig::default())?
                .upfirdn2d(fir, &Upfirdn2d { up: [2, 2], gain: 4.0, ..filter }),
            (2, 1) => {
                // The transposed convolution is a true one, inserts the zeros between pixels only, and gives all of
                // its output: a filter's size less one on either side.
                let w = if flip_weight { reversed(w)? } else { w.clone() };
                let y = self.conv_transpose2d(
                    &w.permute(&[1, 0, 2, 3])?,
                    None,
                    Conv2dConfig { stride: 2, padding: [0, 0] },
                )?;
                let before = |padding: isize, taps: usize| padding - (taps as isize - 1);
                let after = |padding: isize, taps: usize| padding - (taps as isize - 2);
                let padding = [before(x0, width), after(x1, width), before(y0, height), after(y1, height)];
                y.upfirdn2d(fir, &Upfirdn2d { padding, gain: 4.0, ..filter })
            }
            _ => bail!("{op}: up {up} and down {down}, expected 1 or 2 each, and not 2 both"),
        }
    }
}
