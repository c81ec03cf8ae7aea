//! Planes with one number each: scaled by them, and products summed up to them.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::PLANES;
use crate::cuda::words::{Divisor, words};

pub(crate) fn scale(x: &CudaTensor, s: &CudaTensor, noise: Option<&CudaTensor>) -> Result<CudaTensor> {
    let y = x.like(x.dims())?;
    let (channels, area) = (s.dims()[1], x.len() / s.len().max(1));
    let rows = noise.map_or(1, |noise| noise.len() / area.max(1)).max(1);
    let [channels, area, rows] = [channels, area, rows].map(Divisor);
    x.map(&PLANES, "scale_planes", &words![x.len(), x, s, noise, &y, channels, area, rows])?;
    Ok(y)
}

pub(crate) fn dot(a: &CudaTensor, b: &CudaTensor, planes: [usize; 2]) -> Result<CudaTensor> {
    let y = a.like(&planes)?;
    a.blocks(&PLANES, "dot_planes", &words![y.len(), a, b, &y, a.len() / y.len().max(1)])?;
    Ok(y)
}
