//! A shift and a box of zeros in one pass: translation and cutout, in either order.

use candle_core::Result;

use crate::check_shapes::{count, rank4};
use crate::fusion;
use crate::ints::Ints;
use crate::kernels::shift_erase::{self, Move};
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

impl Op for Move {
    fn name(&self) -> &'static str {
        "shift_erase"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        shift_erase::shift_erase(inputs[0], self)
    }

    /// The adjoint shifts back, and what was written inside the box is now read there.
    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let adjoint = Self { back: !self.back, at_source: !self.at_source, ..self.clone() };
        Ok(vec![Some(apply(adjoint, &[&g])?)])
    }
}

impl Var {
    /// [`Var::shift`], then [`Var::erase`] with boxes of `size` (height, width), in one pass.
    ///
    /// # Errors
    /// If there is not one offset and one corner an image.
    pub fn shift_erase(&self, [dy, dx]: [&Ints; 2], [top, left]: [&Ints; 2], size: [usize; 2]) -> Result<Var> {
        self.moved([dy, dx], [top, left], size, false)
    }

    /// [`Var::erase`] with boxes of `size` (height, width), then [`Var::shift`], in one pass.
    ///
    /// # Errors
    /// As [`Var::shift_erase`].
    pub fn erase_shift(&self, [top, left]: [&Ints; 2], size: [usize; 2], [dy, dx]: [&Ints; 2]) -> Result<Var> {
        self.moved([dy, dx], [top, left], size, true)
    }

    fn moved(&self, [dy, dx]: [&Ints; 2], [top, left]: [&Ints; 2], size: [usize; 2], at_source: bool) -> Result<Var> {
        let [batch, ..] = rank4("shift_erase", "the input", "[N, C, H, W]", self)?;
        for (name, ints) in [("dy", dy), ("dx", dx), ("top", top), ("left", left)] {
            count("shift_erase", name, batch, ints)?;
        }
        if fusion::is_off() {
            let [height, width] = size;
            return match at_source {
                true => self.erase(top, left, height, width)?.shift(dy, dx),
                false => self.shift(dy, dx)?.erase(top, left, height, width),
            };
        }
        let (dy, dx, top, left) = (dy.clone(), dx.clone(), top.clone(), left.clone());
        apply(Move { dy, dx, back: false, top, left, size, at_source }, &[self])
    }
}
