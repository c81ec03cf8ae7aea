//! Affine resampling through a wavelet's low-pass filter, and its adjoint.

use candle_core::Result;

use super::cpu::storage::{tensor, view};
use super::cpu::warp as cpu;
use super::dispatch;
use crate::cuda::launch::warp as cuda;
use crate::ops::warp::Warp;
use crate::value::Value;

/// Resamples each image, or takes a cotangent of that back.
pub(crate) fn warp(x: &Value, warp: &Warp, adjoint: bool) -> Result<Value> {
    dispatch!("warp2d", [x], T => tensor(cpu::warp(&view::<T>(x)?, x.dims4()?, warp, adjoint), x.shape()),
        cuda => cuda::warp(x, warp, adjoint).map(Value::Cuda))
}
