//! Functions of one element, or of two with broadcasting.

use candle_core::Result;

use super::cpu::map;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::elementwise as cuda;
use crate::value::Value;

/// A function of one element.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unary {
    /// `scale * x + shift`
    Affine(f64, f64),
    Exp,
    Log,
    Sqrt,
    Tanh,
    Sigmoid,
    Softplus,
    LeakyRelu(f64),
    Abs,
    /// -1, 0 or 1
    Sign,
    Clamp(f64, f64),
}

/// A function of two elements.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
}

/// What lets a cotangent `g` through at `x`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate {
    /// `g` where `x > 0`, `slope * g` elsewhere.
    Slope(f64),
    /// `g` where `low <= x <= high`, zero elsewhere.
    Between(f64, f64),
}

pub(crate) fn unary(op: &str, f: Unary, x: &Value) -> Result<Value> {
    dispatch!(op, [x], T => tensor(map::unary(f, &view::<T>(x)?), x.shape()), cuda in any order => cuda::unary(f, x).map(Value::Cuda))
}

/// `shape` is what the shapes of `a` and `b` broadcast to.
pub(crate) fn binary(op: &str, f: Binary, a: &Value, b: &Value, shape: &[usize]) -> Result<Value> {
    dispatch!(op, [a, b], T => {
        let (x, y) = (view::<T>(a)?, view::<T>(b)?);
        tensor(map::binary(f, (&x, a.dims()), (&y, b.dims()), shape), shape)
    }, cuda in any order => cuda::binary(f, a, b, shape).map(Value::Cuda))
}

pub(crate) fn gate(op: &str, f: Gate, g: &Value, x: &Value) -> Result<Value> {
    dispatch!(op, [g, x], T => {
        let (gs, xs) = (view::<T>(g)?, view::<T>(x)?);
        tensor(map::gate(f, &gs, &xs), g.shape())
    }, cuda in any order => cuda::gate(f, g, x).map(Value::Cuda))
}
