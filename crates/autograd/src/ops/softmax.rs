//! The softmax along an axis.

use candle_core::Result;

use crate::check_shapes;
use crate::kernels::reduce;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct Softmax(usize);

impl Op for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn keep(&self) -> Keep {
        Keep::output()
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let dims = inputs[0].dims();
        let run = (dims[..self.0].iter().product(), dims[self.0], dims[self.0 + 1..].iter().product());
        reduce::softmax(inputs[0], run)
    }

    /// `y * (g - sum(g * y))`
    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let y = cx.output();
        let along = g.mul(y)?.sum_keep(&[self.0])?;
        Ok(vec![Some(y.mul(&g.sub(&along)?)?)])
    }
}

impl Var {
    /// `exp(x) / sum(exp(x))` along `axis`, without overflow.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn softmax(&self, axis: usize) -> Result<Var> {
        check_shapes::axis("softmax", axis, self)?;
        apply(Softmax(axis), &[self])
    }
}
