//! Products of matrices, alone or in batches.

use candle_core::Result;

use super::cpu::matmul::{self as cpu, Operand};
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::matmul as cuda;
use crate::value::Value;

/// `batch` products of `m` by `k` and `k` by `n` matrices, each read as its transpose if flipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Product {
    pub(crate) batch: usize,
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) flip_a: bool,
    pub(crate) flip_b: bool,
}

pub(crate) fn matmul(op: &str, p: Product, a: &Value, b: &Value, shape: &[usize]) -> Result<Value> {
    dispatch!(op, [a, b], T => {
        let (x, y) = (view::<T>(a)?, view::<T>(b)?);
        let (x, y) = (Operand { values: &x, flipped: p.flip_a }, Operand { values: &y, flipped: p.flip_b });
        tensor(cpu::matmul(p.batch, (p.m, p.k, p.n), x, y), shape)
    }, cuda => cuda::matmul(p, a, b, shape).map(Value::Cuda))
}
