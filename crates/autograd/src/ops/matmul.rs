//! The product of two matrices, or of two batches of them.

use candle_core::Result;

use crate::check_shapes::{rank, rank2, shape};
use crate::count;
use crate::kernels::matmul::{self, Product};
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

struct Matmul(Product);

impl Matmul {
    fn shape(&self, rows: usize, columns: usize, like: &[usize]) -> Vec<usize> {
        if like.len() == 3 { vec![self.0.batch, rows, columns] } else { vec![rows, columns] }
    }
}

impl Op for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0, 1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let shape = self.shape(self.0.m, self.0.n, inputs[0].dims());
        let Product { batch, m, k, n, .. } = self.0;
        let make = || matmul::matmul(self.name(), self.0, inputs[0], inputs[1], &shape);
        count::product((batch * m * k * n) as u64, &shape, inputs[0], make)
    }

    /// `ga = g b^T` and `gb = a^T g`, or their transposes for operands that are read flipped.
    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let Product { batch, m, k, n, flip_a, flip_b } = self.0;
        let (a, b) = (cx.input(0), cx.input(1));
        let ga = || match flip_a {
            false => apply(Matmul(Product { batch, m, k: n, n: k, flip_a: false, flip_b: !flip_b }), &[&g, b]),
            true => apply(Matmul(Product { batch, m: k, k: n, n: m, flip_a: flip_b, flip_b: true }), &[b, &g]),
        };
        let gb = || match flip_b {
            false => apply(Matmul(Product { batch, m: k, k: m, n, flip_a: !flip_a, flip_b: false }), &[a, &g]),
            true => apply(Matmul(Product { batch, m: n, k: m, n: k, flip_a: true, flip_b: flip_a }), &[&g, a]),
        };
        Ok(vec![cx.when(0, ga)?, cx.when(1, gb)?])
    }
}

impl Var {
    /// `[M, K]` by `[K, N]`.
    ///
    /// # Errors
    /// If the shapes are not those.
    pub fn matmul(&self, other: &Var) -> Result<Var> {
        let [m, k] = rank2("matmul", "the left matrix", "[M, K]", self)?;
        let [_, n] = rank2("matmul", "the right matrix", "[K, N]", other)?;
        shape("matmul", "the right matrix", &[k, n], other)?;
        apply(Matmul(Product { batch: 1, m, k, n, flip_a: false, flip_b: false }), &[self, other])
    }

    /// `[M, K]` by the transpose of `[N, K]`, as in a linear layer `x W^T`.
    ///
    /// # Errors
    /// If the shapes are not those.
    pub fn matmul_t(&self, other: &Var) -> Result<Var> {
        let [m, k] = rank2("matmul_t", "the left matrix", "[M, K]", self)?;
        let [n, _] = rank2("matmul_t", "the right matrix", "[N, K]", other)?;
        shape("matmul_t", "the right matrix", &[n, k], other)?;
        apply(Matmul(Product { batch: 1, m, k, n, flip_a: false, flip_b: true }), &[self, other])
    }

    /// `[B, M, K]` by `[B, K, N]`, matrix by matrix.
    ///
    /// # Errors
    /// If the shapes are not those.
    pub fn batch_matmul(&self, other: &Var) -> Result<Var> {
        let [batch, m, k] = rank("batch_matmul", "the left batch", "[B, M, K]", self)?;
        let [_, _, n] = rank("batch_matmul", "the right batch", "[B, K, N]", other)?;
        shape("batch_matmul", "the right batch", &[batch, k, n], other)?;
        apply(Matmul(Product { batch, m, k, n, flip_a: false, flip_b: false }), &[self, other])
    }
}
