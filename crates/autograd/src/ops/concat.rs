//! Concatenation along an axis.

use candle_core::{Result, Tensor, bail};

use crate::op::{Context, Op, apply};
use crate::var::Var;

struct Concat {
    axis: usize,
    sizes: Vec<usize>,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn forward(&self, inputs: &[&Tensor], _: &mut Vec<Tensor>) -> Result<Tensor> {
        Tensor::cat(inputs, self.axis)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let starts = self.sizes.iter().scan(0, |end, size| {
            *end += size;
            Some(*end - size)
        });
        starts
            .zip(&self.sizes)
            .enumerate()
            .map(|(i, (start, len))| cx.when(i, || g.narrow(self.axis, start, *len)))
            .collect()
    }
}

pub fn concat(parts: &[&Var], axis: usize) -> Result<Var> {
    let Some(sizes) = parts.iter().map(|p| p.dims().get(axis).copied()).collect::<Option<Vec<_>>>() else {
        bail!("concat: no axis {axis} in {:?}", parts.iter().map(|p| p.dims()).collect::<Vec<_>>())
    };
    apply(Concat { axis, sizes }, parts)
}
