//! Concatenation along an axis.

use candle_core::{Result, bail};

use crate::check_shapes;
use crate::kernels::layout;
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct Concat {
    axis: usize,
    sizes: Vec<usize>,
}

impl Op for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        layout::concat(inputs, self.axis)
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

/// Joins `parts` along `axis`; all other sizes are equal.
///
/// # Errors
/// If there are no parts, no such axis, or another size, dtype or device differs.
pub fn concat(parts: &[&Var], axis: usize) -> Result<Var> {
    let Some(first) = parts.first() else { bail!("concat: no parts, expected at least one") };
    check_shapes::axis("concat", axis, first)?;
    for (i, part) in parts.iter().enumerate() {
        let mut expected = first.dims().to_vec();
        expected[axis] = part.dims().get(axis).copied().unwrap_or(0);
        check_shapes::shape("concat", &format!("part {i}"), &expected, part)?;
        if part.dtype() != first.dtype() || part.device() != first.device() {
            bail!(
                "concat: part {i} is {:?} on {}, expected {:?} on {}",
                part.dtype(),
                part.device(),
                first.dtype(),
                first.device()
            )
        }
    }
    let sizes = parts.iter().map(|part| part.dims()[axis]).collect();
    apply(Concat { axis, sizes }, parts)
}
