//! A separable filter of its own for every image.

use candle_core::{Result, bail};

use super::upfirdn::adjoint;
use crate::check_shapes::{rank2, rank4};
use crate::kernels::upfirdn::{self, Axis};
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct FilterPerSample {
    axes: [Axis; 2],
    /// A correlation, instead of the true convolution that is its adjoint.
    flip: bool,
}

impl Op for FilterPerSample {
    fn name(&self) -> &'static str {
        "filter_per_sample"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        upfirdn::upfirdn_per_image(self.name(), inputs[0], &self.axes, inputs[1], self.flip)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let axes = [adjoint(&self.axes[0]), adjoint(&self.axes[1])];
        Ok(vec![Some(apply(Self { axes, flip: !self.flip }, &[&g, cx.input(1)])?), None])
    }
}

impl Var {
    /// Correlates every channel of image n of `[N, C, H, W]` with row n of `taps` `[N, T]` along both axes, without
    /// padding: the result is `[N, C, H - T + 1, W - T + 1]`. `taps` is a constant.
    ///
    /// # Errors
    /// If the shapes are not those, there are more taps than pixels, or `taps` asks for a gradient.
    pub fn filter_per_sample(&self, taps: &Var) -> Result<Var> {
        let op = "filter_per_sample";
        let [batch, _, height, width] = rank4(op, "the input", "[N, C, H, W]", self)?;
        let [rows, count] = rank2(op, "taps", "[N, T]", taps)?;
        if rows != batch || count == 0 || count > height.min(width) {
            bail!(
                "{op}: taps has shape {:?}, expected a row of 1 to {} taps for each image of {:?}",
                taps.dims(),
                height.min(width),
                self.dims()
            )
        }
        if taps.requires_grad() {
            bail!("{op}: taps takes no gradient; detach it")
        }
        let axis = |size: usize| Axis { size, out: size - count + 1, taps: count, up: 1, down: 1, before: 0 };
        apply(FilterPerSample { axes: [axis(height), axis(width)], flip: true }, &[self, taps])
    }
}
