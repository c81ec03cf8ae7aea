//! Planes `[N, C, ..]` with one number each, closed under vjp.

use candle_core::Result;

use crate::kernels::planes;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Each plane times its number, plus noise of this shape that all channels share, if there is any.
struct ScalePlanes(Vec<usize>);
/// The sum of products over each plane: what a number's gradient is.
struct DotPlanes([usize; 2]);

impl Op for ScalePlanes {
    fn name(&self) -> &'static str {
        "scale_planes"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        planes::scale(inputs[0], inputs[1], inputs.get(2).copied())
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let (x, s) = (cx.input(0), cx.input(1));
        let mut shares = vec![cx.when(0, || g.scale_planes(s, None))?, cx.when(1, || g.dot_planes(x))?];
        if cx.has(2) {
            shares.push(cx.when(2, || g.sum_to(&self.0))?);
        }
        Ok(shares)
    }
}

impl Op for DotPlanes {
    fn name(&self) -> &'static str {
        "dot_planes"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        planes::dot(inputs[0], inputs[1], self.0)
    }

    fn vjp(&self, cx: &Context, c: Var) -> Result<Vec<Option<Var>>> {
        let [a, b] = [0, 1].map(|i| cx.input(i));
        Ok(vec![cx.when(0, || b.scale_planes(&c, None))?, cx.when(1, || a.scale_planes(&c, None))?])
    }
}

impl Var {
    /// `[N, C, ..]` by `s` `[N, C]`, plus `noise` `[N, 1, ..]` or `[1, 1, ..]`. The caller has checked the shapes.
    pub(super) fn scale_planes(&self, s: &Var, noise: Option<&Var>) -> Result<Var> {
        match noise {
            Some(noise) => apply(ScalePlanes(noise.dims().to_vec()), &[self, s, noise]),
            None => apply(ScalePlanes(Vec::new()), &[self, s]),
        }
    }

    /// The sums of `self * other` over all axes from the third: `[N, C]`. The shapes are equal.
    pub(super) fn dot_planes(&self, other: &Var) -> Result<Var> {
        let planes = [self.dims()[0], self.dims()[1]];
        apply(DotPlanes(planes), &[self, other])
    }
}
