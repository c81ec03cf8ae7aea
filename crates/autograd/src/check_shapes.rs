//! The checks at an op's door. Each error names the op, the argument, what is expected and what was given.

use candle_core::{DType, Result, bail};

use crate::ints::Ints;
use crate::var::Var;

/// `[a, b]`, described as such in the error.
pub(crate) fn rank2(op: &str, argument: &str, expected: &str, x: &Var) -> Result<[usize; 2]> {
    rank(op, argument, expected, x)
}

/// `[a, b, c, d]`.
pub(crate) fn rank4(op: &str, argument: &str, expected: &str, x: &Var) -> Result<[usize; 4]> {
    rank(op, argument, expected, x)
}

pub(crate) fn rank<const R: usize>(op: &str, argument: &str, expected: &str, x: &Var) -> Result<[usize; R]> {
    match x.dims().try_into() {
        Ok(dims) => Ok(dims),
        Err(_) => bail!("{op}: {argument} has shape {:?}, expected {expected}", x.dims()),
    }
}

pub(crate) fn shape(op: &str, argument: &str, expected: &[usize], x: &Var) -> Result<()> {
    if x.dims() != expected {
        bail!("{op}: {argument} has shape {:?}, expected {expected:?}", x.dims())
    }
    Ok(())
}

pub(crate) fn same_type(op: &str, argument: &str, input: &Var, x: &Var) -> Result<()> {
    if x.dtype() != input.dtype() {
        bail!("{op}: {argument} has dtype {:?}, expected {:?} as the input; use to_dtype", x.dtype(), input.dtype())
    }
    Ok(())
}

/// As [`same_type`], but that beside a half F32 will do.
pub(crate) fn same_or_wide(op: &str, argument: &str, input: &Var, x: &Var) -> Result<()> {
    match (input.dtype(), x.dtype()) {
        (DType::BF16 | DType::F16, DType::F32) => Ok(()),
        _ => same_type(op, argument, input, x),
    }
}

pub(crate) fn axis(op: &str, axis: usize, x: &Var) -> Result<usize> {
    match x.dims().get(axis) {
        Some(size) => Ok(*size),
        None => bail!("{op}: axis {axis}, expected less than {} for shape {:?}", x.dims().len(), x.dims()),
    }
}

/// One number an image.
pub(crate) fn count(op: &str, argument: &str, expected: usize, x: &Ints) -> Result<()> {
    if x.len() != expected {
        bail!("{op}: {argument} has {} numbers, expected {expected}, one an image", x.len())
    }
    Ok(())
}
