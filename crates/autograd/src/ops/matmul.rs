//! The product of two matrices.

use candle_core::{Result, Tensor, bail};

use crate::by_dtype;
use crate::kernels::cpu::matmul::{Operand, matmul};
use crate::kernels::cpu::storage::{tensor, view};
use crate::op::{Context, Keep, Op, apply};
use crate::var::Var;

struct Matmul;

/// The contiguous matrix behind `x`, and whether `x` is its transpose.
fn untransposed(x: &Tensor) -> Result<(Tensor, bool)> {
    let flipped = x.t()?;
    if !x.is_contiguous() && flipped.is_contiguous() {
        return Ok((flipped, true));
    }
    Ok((x.contiguous()?, false))
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Tensor], _: &mut Vec<Tensor>) -> Result<Tensor> {
        let ((m, k), (depth, n)) = (inputs[0].dims2()?, inputs[1].dims2()?);
        if k != depth {
            bail!("matmul: {:?} by {:?}", inputs[0].dims(), inputs[1].dims())
        }
        let ((a, a_flipped), (b, b_flipped)) = (untransposed(inputs[0])?, untransposed(inputs[1])?);
        by_dtype!(a, T => {
            let (x, y) = (view::<T>(&a)?, view::<T>(&b)?);
            let (x, y) = (Operand { values: &x, flipped: a_flipped }, Operand { values: &y, flipped: b_flipped });
            tensor(matmul((m, k, n), x, y), (m, n))
        })
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        Ok(vec![cx.when(0, || g.matmul(&cx.input(1).t()?))?, cx.when(1, || cx.input(0).t()?.matmul(&g))?])
    }
}

impl Var {
    pub fn matmul(&self, other: &Var) -> Result<Var> {
        apply(Matmul, &[self, other])
    }
}
