//! A box of zeros an image (cutout); its own adjoint.

use candle_core::Result;

use crate::check_shapes::{count, rank4};
use crate::ints::Ints;
use crate::kernels::index;
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

#[derive(Clone)]
struct Erase {
    top: Ints,
    left: Ints,
    size: [usize; 2],
}

impl Op for Erase {
    fn name(&self) -> &'static str {
        "erase"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        index::erase(inputs[0], &self.top, &self.left, self.size)
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(self.clone(), &[&g])?)])
    }
}

impl Var {
    /// Sets to zero, in all channels of image n of `[N, C, H, W]`, the rows `top[n] .. top[n] + height`
    /// and columns `left[n] .. left[n] + width`. Boxes may lie partly or fully outside.
    ///
    /// # Errors
    /// If there is not one box an image.
    pub fn erase(&self, top: &Ints, left: &Ints, height: usize, width: usize) -> Result<Var> {
        let [batch, ..] = rank4("erase", "the input", "[N, C, H, W]", self)?;
        count("erase", "top", batch, top)?;
        count("erase", "left", batch, left)?;
        apply(Erase { top: top.clone(), left: left.clone(), size: [height, width] }, &[self])
    }
}
