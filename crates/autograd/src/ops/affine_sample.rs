//! Images sampled on affine grids, and the adjoint, which adds samples up where they came from.

use candle_core::{Result, bail};

use crate::check_shapes::{rank4, shape};
use crate::kernels::affine_sample;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// From images of `size` to samples of `out`, heights first.
#[derive(Clone, Copy)]
struct Sizes {
    size: [usize; 2],
    out: [usize; 2],
}

struct AffineSample(Sizes);
struct AffineScatter(Sizes);

impl Op for AffineSample {
    fn name(&self) -> &'static str {
        "affine_sample"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        affine_sample::sample(inputs[0], inputs[1], self.0.out)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(AffineScatter(self.0), &[&g, cx.input(1)])?), None])
    }
}

impl Op for AffineScatter {
    fn name(&self) -> &'static str {
        "affine_scatter"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        affine_sample::scatter(inputs[0], inputs[1], self.0.size)
    }

    fn vjp(&self, cx: &Context, c: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(AffineSample(self.0), &[&c, cx.input(1)])?), None])
    }
}

impl Var {
    /// Samples image n of `[N, C, H, W]` on an affine grid of `out` (height, width) places: sample `(x, y)` lies at
    /// `theta[n] (x, y, 1)`, bilinear between pixels, zero outside.
    ///
    /// Coordinates run from -1 to 1 between the outer edges of the outer pixels, for samples as for pixels: torch's
    /// `affine_grid` and `grid_sample` with `align_corners` off. Linear in the image.
    ///
    /// `theta` `[N, 2, 3]` is a constant and may be F64 beside an F32 image, for places that are exact.
    ///
    /// # Errors
    /// If the shapes are not those, a size is 0, or `theta` asks for a gradient or, on the CPU, has a number that is not
    /// finite; on a GPU such an image is zero.
    pub fn affine_sample(&self, theta: &Var, out: [usize; 2]) -> Result<Var> {
        let op = "affine_sample";
        let [batch, _, height, width] = rank4(op, "the input", "[N, C, H, W]", self)?;
        shape(op, "theta", &[batch, 2, 3], theta)?;
        if theta.requires_grad() {
            bail!("{op}: theta takes no gradient; detach it")
        }
        if [height, width, out[0], out[1]].contains(&0) {
            bail!("{op}: from shape {:?} to {out:?}, expected at least one pixel", self.dims())
        }
        apply(AffineSample(Sizes { size: [height, width], out }), &[self, theta])
    }
}
