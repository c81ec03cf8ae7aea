//! Per-image linear maps of colours.

use candle_core::Result;

use super::cpu::color as cpu;
use super::cpu::color_matrix as cpu_matrix;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::color as cuda;
use crate::value::Value;

/// `a x + b m + c M + d` for images `[N, C, H, W]` and `coefficients` `[N, 4]`; without d if not `shifted`.
pub(crate) fn mix(x: &Value, coefficients: &Value, shifted: bool) -> Result<Value> {
    dispatch!("color_mix", [x, coefficients], T => {
        let out = cpu::mix(&view::<T>(x)?, x.dims4()?, &view::<T>(coefficients)?, shifted);
        tensor(out, x.shape())
    }, cuda => cuda::mix(x, coefficients, shifted).map(Value::Cuda))
}

/// `sum_k a[c][k] x[k] + a[c][C]` for images `[N, C, H, W]` and `rows` `[N, C, C + 1]`: with `a[k][c]` in place of
/// `a[c][k]` if `transposed`, without the last term if not `shifted`.
pub(crate) fn matrix(x: &Value, rows: &Value, transposed: bool, shifted: bool) -> Result<Value> {
    dispatch!("color_matrix", [x, rows], T => {
        let out = cpu_matrix::mix(&view::<T>(x)?, x.dims4()?, &view::<T>(rows)?, transposed, shifted);
        tensor(out, x.shape())
    }, cuda => cuda::matrix(x, rows, transposed, shifted).map(Value::Cuda))
}
