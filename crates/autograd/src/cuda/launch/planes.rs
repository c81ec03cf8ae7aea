//! Planes with one number each: scaled by them, and products summed up to them.

use candle_core::Result;

use super::elementwise::alike_in_order;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::PLANES;
use crate::cuda::words::{Divisor, words};

/// Channels of a block of `dot_pixels`, as in `planes.cu`.
const CHANNELS: usize = 32;

pub(crate) fn scale(x: &CudaTensor, s: &CudaTensor, noise: Option<&CudaTensor>) -> Result<CudaTensor> {
    let y = x.like_itself()?;
    let (channels, area) = (s.dims()[1], x.len() / s.len().max(1));
    let rows = noise.map_or(1, |noise| noise.len() / area.max(1)).max(1);
    let sizes = [channels, area, rows].map(Divisor);
    x.map(&PLANES, "scale_planes", &words![x.len(), x, s, noise, &y, sizes, x.order() == Order::Pixels])?;
    Ok(y)
}

pub(crate) fn dot(a: &CudaTensor, b: &CudaTensor, planes: [usize; 2]) -> Result<CudaTensor> {
    let [a, b] = &alike_in_order([a, b])?;
    let y = a.like(&planes)?;
    let [images, channels] = planes;
    let (function, blocks) = match a.order() {
        Order::Planes => ("dot_planes", images * channels),
        Order::Pixels => ("dot_pixels", images * channels.div_ceil(CHANNELS)),
    };
    a.blocks(&PLANES, function, &words![blocks, a, b, &y, channels, a.len() / y.len().max(1)])?;
    Ok(y)
}
