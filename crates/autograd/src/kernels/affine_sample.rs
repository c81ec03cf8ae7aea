//! Bilinear samples of images on affine grids, and the adjoint.

use candle_core::{DType, Result};

use super::cpu::affine_sample as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::value::Value;

/// Rows of six numbers that place an image's grid, whatever their dtype: places are computed in f64.
fn places(theta: &Value) -> Result<Vec<f64>> {
    theta.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()
}

/// From `[N, C, H, W]` to `[N, C, out_height, out_width]`.
pub(crate) fn sample(x: &Value, theta: &Value, out: [usize; 2]) -> Result<Value> {
    let theta = places(theta)?;
    dispatch!("affine_sample", [x], T => {
        let (n, c, height, width) = x.dims4()?;
        tensor(cpu::sample(&view::<T>(x)?, &theta, c, [height, width], out), (n, c, out[0], out[1]))
    })
}

/// Adds every value up where [`sample`] took it from: its adjoint, for images of `height` by `width`.
pub(crate) fn scatter(g: &Value, theta: &Value, [height, width]: [usize; 2]) -> Result<Value> {
    let theta = places(theta)?;
    dispatch!("affine_scatter", [g], T => {
        let (n, c, out_height, out_width) = g.dims4()?;
        let gx = cpu::scatter(&view::<T>(g)?, &theta, c, [height, width], [out_height, out_width]);
        tensor(gx, (n, c, height, width))
    })
}
