//! Sums over axes, repetition along them, and the softmax.

use candle_core::{DType, Result};

use super::cpu::axis::{AxisRun, repeat_axis, softmax as softmax_axis, sum_axis};
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::reduce as cuda;
use crate::cuda::texts::Element;
use crate::value::Value;

/// Sums each run in turn, from the last, in a type: the array's or, of a half on a GPU, F32.
pub(crate) fn sum(x: &Value, runs: &[AxisRun], shape: &[usize], dtype: DType) -> Result<Value> {
    dispatch!("sum_to", [x], T => {
        let x = view::<T>(x)?;
        let mut sums: Option<Vec<T>> = None;
        for run in runs.iter().rev() {
            sums = Some(sum_axis(sums.as_deref().unwrap_or(&x), *run));
        }
        tensor(sums.unwrap_or_else(|| x.to_vec()), shape)
    }, cuda in any order => cuda::sum(x, runs, shape, Element::of("sum_to", dtype)?).map(Value::Cuda))
}

/// The adjoint of [`sum`].
pub(crate) fn broadcast(x: &Value, runs: &[AxisRun], shape: &[usize]) -> Result<Value> {
    dispatch!("broadcast_to", [x], T => {
        let x = view::<T>(x)?;
        let mut values: Option<Vec<T>> = None;
        for run in runs {
            values = Some(repeat_axis(values.as_deref().unwrap_or(&x), *run));
        }
        tensor(values.unwrap_or_else(|| x.to_vec()), shape)
    }, cuda => cuda::broadcast(x, runs, shape).map(Value::Cuda))
}

pub(crate) fn softmax(x: &Value, run: AxisRun) -> Result<Value> {
    dispatch!("softmax", [x], T => tensor(softmax_axis(&view::<T>(x)?, run), x.shape()),
        cuda => cuda::softmax(x, run).map(Value::Cuda))
}
