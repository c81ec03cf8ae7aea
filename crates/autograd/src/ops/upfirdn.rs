//! Upsampling, FIR filtering and downsampling of images in one op, closed under vjp.

use candle_core::{Result, bail};

use super::fir::{Fir, Taps};
use crate::check_shapes::rank4;
use crate::kernels::upfirdn::{self, Axis, Filter};
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// How [`Var::upfirdn2d`] resamples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Upfirdn2d {
    /// Zeros are inserted up to this many pixels a pixel, `[x, y]`; 1 inserts none.
    pub up: [usize; 2],
    /// Every how-many-th pixel is kept, `[x, y]`; 1 keeps all.
    pub down: [usize; 2],
    /// Columns and rows of zeros around the upsampled image, `[x0, x1, y0, y1]`; negative ones are cropped.
    pub padding: [isize; 4],
    /// A correlation instead of a true convolution.
    pub flip: bool,
    /// Factor of the result. Upsampling divides the mean by `up * up`, which this can undo.
    pub gain: f64,
}

impl Default for Upfirdn2d {
    /// A convolution of the unpadded image.
    fn default() -> Self {
        Self { up: [1, 1], down: [1, 1], padding: [0; 4], flip: false, gain: 1.0 }
    }
}

impl Upfirdn2d {
    /// The vertical axis and the horizontal one, for an input `[.., height, width]`.
    fn axes(&self, fir: &Fir, height: usize, width: usize) -> Result<[Axis; 2]> {
        let Self { up, down, padding, .. } = *self;
        let (tap_rows, tap_columns) = fir.taps();
        if up.contains(&0) || down.contains(&0) || tap_rows == 0 || tap_columns == 0 {
            bail!("upfirdn2d: up {up:?}, down {down:?}, {tap_rows} by {tap_columns} taps, expected at least 1 each")
        }
        let axis = |size: usize, taps: usize, i: usize| {
            let [before, after] = [padding[2 * i], padding[2 * i + 1]];
            let padded = size as isize * up[i] as isize + before + after;
            let Some(steps) = padded.checked_sub(taps as isize).filter(|rest| *rest >= 0) else {
                bail!(
                    "upfirdn2d: {} is {padded} after up {up:?} and padding {padding:?} of an image of {height} by {width}, \
                     expected at least the filter's {taps} taps",
                    ["width", "height"][i]
                )
            };
            let out = steps as usize / down[i] + 1;
            Ok(Axis { size, out, taps, up: up[i], down: down[i], before })
        };
        Ok([axis(height, tap_rows, 1)?, axis(width, tap_columns, 0)?])
    }
}

struct Upfirdn {
    fir: Fir,
    axes: [Axis; 2],
    flip: bool,
    gain: f64,
}

/// The axis that leads back: zeros where values were dropped, values dropped where zeros were inserted.
pub(super) fn adjoint(axis: &Axis) -> Axis {
    let Axis { size, out, taps, up, down, before } = *axis;
    Axis { size: out, out: size, taps, up: down, down: up, before: taps as isize - 1 - before }
}

impl Op for Upfirdn {
    fn name(&self) -> &'static str {
        "upfirdn2d"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let in_order = |taps: &[f64], gain: f64| {
            let mut taps: Vec<f64> = taps.iter().map(|tap| tap * gain).collect();
            if !self.flip {
                taps.reverse();
            }
            taps
        };
        match self.fir.values() {
            Taps::Separable(taps) => {
                let (vertical, horizontal) = (in_order(taps, self.gain), in_order(taps, 1.0));
                upfirdn::upfirdn(self.name(), inputs[0], &self.axes, Filter::Separable(&vertical, &horizontal))
            }
            Taps::Full { taps, .. } => {
                upfirdn::upfirdn(self.name(), inputs[0], &self.axes, Filter::Full(&in_order(taps, self.gain)))
            }
        }
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let axes = [adjoint(&self.axes[0]), adjoint(&self.axes[1])];
        Ok(vec![Some(apply(Self { fir: self.fir.clone(), axes, flip: !self.flip, gain: self.gain }, &[&g])?)])
    }
}

impl Var {
    /// Upsamples `[N, C, H, W]` by inserting zeros after each pixel, pads, filters every channel with `fir`, and keeps every
    /// `down`-th pixel from the first: the resampling of StyleGAN2.
    ///
    /// Each output size is `floor((size * up + padding - taps) / down) + 1`. Linear, with itself as its adjoint (up and
    /// down swapped, the filter flipped).
    ///
    /// # Errors
    /// If the rank is not 4, a factor is 0, or the padded image is smaller than the filter.
    pub fn upfirdn2d(&self, fir: &Fir, config: &Upfirdn2d) -> Result<Var> {
        let [_, _, height, width] = rank4("upfirdn2d", "the input", "[N, C, H, W]", self)?;
        let axes = config.axes(fir, height, width)?;
        apply(Upfirdn { fir: fir.clone(), axes, flip: config.flip, gain: config.gain }, &[self])
    }

    /// Filters images without a change of size (at `padding` 0), which adds to all sides.
    ///
    /// # Errors
    /// As [`Var::upfirdn2d`].
    pub fn filter2d(&self, fir: &Fir, padding: isize, flip: bool, gain: f64) -> Result<Var> {
        let sides = |taps: isize| [taps, taps - 1];
        self.resampled_by(fir, sides, padding, Upfirdn2d { flip, gain, ..Upfirdn2d::default() })
    }

    /// `up` times the size, `gain` times the mean if the filter is normalised.
    ///
    /// # Errors
    /// As [`Var::upfirdn2d`].
    pub fn upsample2d(&self, fir: &Fir, up: usize, flip: bool, gain: f64) -> Result<Var> {
        let sides = |taps: isize| [taps + up as isize - 1, taps - up as isize];
        let gain = gain * (up * up) as f64;
        self.resampled_by(fir, sides, 0, Upfirdn2d { up: [up, up], flip, gain, ..Upfirdn2d::default() })
    }

    /// A `down`-th of the size.
    ///
    /// # Errors
    /// As [`Var::upfirdn2d`].
    pub fn downsample2d(&self, fir: &Fir, down: usize, flip: bool, gain: f64) -> Result<Var> {
        let sides = |taps: isize| [taps - down as isize + 1, taps - down as isize];
        self.resampled_by(fir, sides, 0, Upfirdn2d { down: [down, down], flip, gain, ..Upfirdn2d::default() })
    }

    /// [`Var::upfirdn2d`] with half the padding that `sides` gives for the taps of each axis, and `padding` more.
    fn resampled_by(
        &self,
        fir: &Fir,
        sides: impl Fn(isize) -> [isize; 2],
        padding: isize,
        config: Upfirdn2d,
    ) -> Result<Var> {
        let (rows, columns) = fir.taps();
        let halves = |taps: usize| sides(taps as isize).map(|side| side.div_euclid(2) + padding);
        let [[y0, y1], [x0, x1]] = [rows, columns].map(halves);
        self.upfirdn2d(fir, &Upfirdn2d { padding: [x0, x1, y0, y1], ..config })
    }
}
