//! The same numbers in another shape, order or dtype.

use candle_core::{DType, Result, Tensor, bail};

use super::cpu::axis::{AxisRun, flip_axis};
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::layout as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::Element;
use crate::value::Value;

/// A copy-free change of shape.
pub(crate) fn reshape(x: &Value, shape: &[usize]) -> Result<Value> {
    match x {
        Value::Cpu(x) => x.reshape(shape).map(Value::Cpu),
        Value::Cuda(x) => Ok(Value::Cuda(x.planes()?.reshape(shape))),
    }
}

pub(crate) fn permute(x: &Value, axes: &[usize]) -> Result<Value> {
    match x {
        Value::Cpu(x) => x.permute(axes)?.contiguous().map(Value::Cpu),
        Value::Cuda(x) => cuda::permute(&x.planes()?, axes).map(Value::Cuda),
    }
}

pub(crate) fn narrow(x: &Value, axis: usize, start: usize, len: usize) -> Result<Value> {
    match x {
        Value::Cpu(x) => x.narrow(axis, start, len)?.contiguous().map(Value::Cpu),
        Value::Cuda(x) => cuda::narrow(&x.planes()?, axis, start, len).map(Value::Cuda),
    }
}

/// Zeros before and after: the adjoint of [`narrow`].
pub(crate) fn pad(x: &Value, axis: usize, before: usize, after: usize) -> Result<Value> {
    match x {
        Value::Cpu(x) => x.pad_with_zeros(axis, before, after).map(Value::Cpu),
        Value::Cuda(x) => cuda::pad(&x.planes()?, axis, before, after).map(Value::Cuda),
    }
}

pub(crate) fn concat(parts: &[&Value], axis: usize) -> Result<Value> {
    let (mut tensors, mut on_gpu): (Vec<&Tensor>, Vec<CudaTensor>) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Value::Cpu(x) => tensors.push(x),
            Value::Cuda(x) => on_gpu.push(x.planes()?),
        }
    }
    // The op checked that all parts are on one device.
    if on_gpu.is_empty() {
        Tensor::cat(&tensors, axis)?.contiguous().map(Value::Cpu)
    } else {
        cuda::concat(&on_gpu.iter().collect::<Vec<_>>(), axis).map(Value::Cuda)
    }
}

/// Reverses an axis.
pub(crate) fn flip(x: &Value, run: AxisRun) -> Result<Value> {
    dispatch!("flip", [x], T => tensor(flip_axis(&view::<T>(x)?, run), x.shape()),
        cuda => cuda::flip(x, run).map(Value::Cuda))
}

pub(crate) fn cast(x: &Value, dtype: DType) -> Result<Value> {
    match x {
        Value::Cpu(x) if matches!(dtype, DType::F32 | DType::F64) => x.to_dtype(dtype).map(Value::Cpu),
        Value::Cpu(_) => bail!("to_dtype: {dtype:?}, expected F32 or F64 on the CPU"),
        Value::Cuda(x) => x.cast(Element::of("to_dtype", dtype)?).map(Value::Cuda),
    }
}
