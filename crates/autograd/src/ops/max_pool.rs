//! Max pooling. The places of the largest values are found only where a gradient asks for them; then the gradient is
//! linear.

use candle_core::Result;

use super::pool::window;
use crate::ints::Ints;
use crate::kernels::pool::{self, Window};
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// The largest value of each window.
struct Largest(Window);
/// The value at each window's place.
struct Pick(Window, Ints);
/// The adjoint of [`Pick`].
struct Place(Window, Ints);

impl Op for Largest {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        pool::largest(&self.0, inputs[0])
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let places = pool::places(&self.0, cx.input(0).value())?;
        Ok(vec![Some(apply(Place(self.0, places), &[&g])?)])
    }
}

impl Op for Pick {
    fn name(&self) -> &'static str {
        "max_pool2d_grad_grad"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        pool::pick(&self.0, &self.1, inputs[0])
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(Place(self.0, self.1.clone()), &[&g])?)])
    }
}

impl Op for Place {
    fn name(&self) -> &'static str {
        "max_pool2d_grad"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        pool::place(&self.0, &self.1, inputs[0])
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(Pick(self.0, self.1.clone()), &[&g])?)])
    }
}

impl Var {
    /// The largest value of each `kernel` by `kernel` window of `[N, C, H, W]`; padding never wins.
    /// The output has `(H + 2 padding - kernel) / stride + 1` rows, rounded down.
    ///
    /// # Errors
    /// If the window is larger than the padded image, the stride is 0, or `padding > kernel / 2`.
    pub fn max_pool2d(&self, kernel: usize, stride: usize, padding: usize) -> Result<Var> {
        apply(Largest(window("max_pool2d", self, kernel, stride, padding)?), &[self])
    }
}
