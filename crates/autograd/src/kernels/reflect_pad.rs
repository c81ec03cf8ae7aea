//! Borders that mirror the image, and the adjoint, which folds them back.

use candle_core::Result;

use super::cpu::reflect_pad as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::index as cuda;
use crate::value::Value;

/// An image of `height` by `width` and the pixels added to it: left, right, top, bottom, each less than its axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Border {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) sides: [usize; 4],
}

impl Border {
    pub(crate) fn out_height(&self) -> usize {
        self.height + self.sides[2] + self.sides[3]
    }

    pub(crate) fn out_width(&self) -> usize {
        self.width + self.sides[0] + self.sides[1]
    }
}

pub(crate) fn pad(border: &Border, x: &Value) -> Result<Value> {
    dispatch!("reflect_pad2d", [x], T => {
        let (n, c, ..) = x.dims4()?;
        tensor(cpu::pad(border, n * c, &view::<T>(x)?), (n, c, border.out_height(), border.out_width()))
    }, cuda => cuda::pad(border, x).map(Value::Cuda))
}

/// Adds every border pixel to the one that it mirrors.
pub(crate) fn fold(border: &Border, g: &Value) -> Result<Value> {
    dispatch!("reflect_fold2d", [g], T => {
        let (n, c, ..) = g.dims4()?;
        tensor(cpu::fold(border, n * c, &view::<T>(g)?), (n, c, border.height, border.width))
    }, cuda => cuda::fold(border, g).map(Value::Cuda))
}
