//! Functions of one element with a kink, and the gates that their cotangents pass.

use candle_core::{Result, bail};

use super::unary::apply_unary;
use crate::kernels::elementwise::{self, Gate, Unary};
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Linear in the cotangent, constant in `x` almost everywhere; its own second derivative.
struct Gated(Gate);

impl Op for Gated {
    fn name(&self) -> &'static str {
        match self.0 {
            Gate::Slope(_) => "slope_by_sign",
            Gate::Between(..) => "where_between",
        }
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        elementwise::gate(self.name(), self.0, inputs[0], inputs[1])
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![cx.when(0, || apply(Gated(self.0), &[&g, cx.input(1)]))?, None])
    }
}

impl Var {
    /// `max(x, 0)`
    ///
    /// # Errors
    /// As [`Var::affine`].
    pub fn relu(&self) -> Result<Var> {
        self.leaky_relu(0.0)
    }

    /// `x` where positive, `slope * x` elsewhere; the gradient at 0 is `slope`.
    ///
    /// # Errors
    /// If `slope` is negative: the sign of the output stands for the input's.
    pub fn leaky_relu(&self, slope: f64) -> Result<Var> {
        if slope.is_nan() || slope < 0.0 {
            bail!("leaky_relu: slope {slope}, expected 0 or more")
        }
        apply_unary(Unary::LeakyRelu(slope), self)
    }

    /// `|x|`; the gradient at 0 is 0.
    ///
    /// # Errors
    /// As [`Var::affine`].
    pub fn abs(&self) -> Result<Var> {
        apply_unary(Unary::Abs, self)
    }

    /// `min(max(x, low), high)`; the gradient passes where `low <= x <= high`.
    ///
    /// # Errors
    /// If `low > high`.
    pub fn clamp(&self, low: f64, high: f64) -> Result<Var> {
        if low.is_nan() || high.is_nan() || low > high {
            bail!("clamp: from {low} to {high}, expected the first to be at most the second")
        }
        apply_unary(Unary::Clamp(low, high), self)
    }

    /// -1, 0 or 1, with a gradient of zero.
    pub(crate) fn sign(&self) -> Result<Var> {
        apply_unary(Unary::Sign, &self.detach())
    }

    /// `self` where `x > 0`, `slope * self` elsewhere.
    pub(crate) fn slope_by_sign(&self, x: &Var, slope: f64) -> Result<Var> {
        apply(Gated(Gate::Slope(slope)), &[self, x])
    }

    pub(crate) fn where_between(&self, x: &Var, low: f64, high: f64) -> Result<Var> {
        apply(Gated(Gate::Between(low, high)), &[self, x])
    }
}
