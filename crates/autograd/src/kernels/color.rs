//! Per-image linear maps of colours.

use candle_core::Result;

use super::cpu::color as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::value::Value;

/// `a x + b m + c M + d` for images `[N, C, H, W]` and `coefficients` `[N, 4]`; without d if not `shifted`.
pub(crate) fn mix(x: &Value, coefficients: &Value, shifted: bool) -> Result<Value> {
    dispatch!("color_mix", [x, coefficients], T => {
        let out = cpu::mix(&view::<T>(x)?, x.dims4()?, &view::<T>(coefficients)?, shifted);
        tensor(out, x.shape())
    })
}
