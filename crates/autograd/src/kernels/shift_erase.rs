//! A whole-pixel shift and a box of zeros, one of each an image, in one pass.

use candle_core::Result;

use super::cpu::shift_erase as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::index::{self as cuda, Movement};
use crate::ints::Ints;
use crate::value::Value;

/// `out[p] = image[p + d]` with d the offset (negated if `back`), zero outside the image and inside a box.
#[derive(Clone)]
pub(crate) struct Move {
    pub(crate) dy: Ints,
    pub(crate) dx: Ints,
    pub(crate) back: bool,
    pub(crate) top: Ints,
    pub(crate) left: Ints,
    /// Height and width of every box.
    pub(crate) size: [usize; 2],
    /// Whether the box lies over the pixels p + d that are read, instead of those that are written.
    pub(crate) at_source: bool,
}

pub(crate) fn shift_erase(x: &Value, m: &Move) -> Result<Value> {
    dispatch!("shift_erase", [x], T => tensor(cpu::shift_erase(&view::<T>(x)?, x.dims4()?, m), x.shape()), cuda => {
        let Move { dy, dx, back, top, left, size, at_source } = m;
        let (offsets, corner) = (Some([dy, dx]), Some([top, left]));
        let both = Movement { offsets, back: *back, corner, size: *size, at_source: *at_source };
        cuda::shift_erase(x, both).map(Value::Cuda)
    })
}
