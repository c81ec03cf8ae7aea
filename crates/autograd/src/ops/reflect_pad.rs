//! Mirrored borders, and the adjoint that folds them back.

use candle_core::{Result, bail};

use crate::check_shapes::rank4;
use crate::kernels::reflect_pad::{self, Border};
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct ReflectPad(Border);
struct ReflectFold(Border);

impl Op for ReflectPad {
    fn name(&self) -> &'static str {
        "reflect_pad2d"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        reflect_pad::pad(&self.0, inputs[0])
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(ReflectFold(self.0), &[&g])?)])
    }
}

impl Op for ReflectFold {
    fn name(&self) -> &'static str {
        "reflect_fold2d"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        reflect_pad::fold(&self.0, inputs[0])
    }

    fn vjp(&self, _: &Context, c: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![Some(apply(ReflectPad(self.0), &[&c])?)])
    }
}

impl Var {
    /// Adds `[x0, x1, y0, y1]` columns and rows to the left, right, top and bottom of `[N, C, H, W]`, the image mirrored
    /// at its outermost pixels, which are not repeated.
    ///
    /// # Errors
    /// If the rank is not 4, or a side is not smaller than its axis.
    pub fn reflect_pad2d(&self, sides: [usize; 4]) -> Result<Var> {
        let [_, _, height, width] = rank4("reflect_pad2d", "the input", "[N, C, H, W]", self)?;
        let [x0, x1, y0, y1] = sides;
        if x0.max(x1) >= width || y0.max(y1) >= height {
            bail!("reflect_pad2d: sides {sides:?}, expected each less than its axis of {:?}", self.dims())
        }
        apply(ReflectPad(Border { height, width, sides }), &[self])
    }
}
