//! Per-image linear maps of colours.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::COLOR;
use crate::cuda::words::words;

pub(crate) fn mix(x: &CudaTensor, coefficients: &CudaTensor, shifted: bool) -> Result<CudaTensor> {
    let [n, c, h, w] = x.dims4()?;
    let (y, means) = (x.like(x.dims())?, x.like(&[n])?);
    let words = |count: usize| words![count, x, coefficients, &y, &means, c, h * w, shifted, false];
    x.blocks(&COLOR, "image_means", &words(n))?;
    x.each(&COLOR, "color_mix", &words(n * h * w))?;
    Ok(y)
}

pub(crate) fn matrix(x: &CudaTensor, rows: &CudaTensor, transposed: bool, shifted: bool) -> Result<CudaTensor> {
    let [n, c, h, w] = x.dims4()?;
    let y = x.like(x.dims())?;
    x.each(&COLOR, "color_matrix", &words![n * h * w, x, rows, &y, None, c, h * w, shifted, transposed])?;
    Ok(y)
}
