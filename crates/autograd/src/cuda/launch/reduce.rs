//! Sums over axes, repetition along them, and the softmax.

use candle_core::Result;

use super::layout;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::REDUCE;
use crate::cuda::words::words;

/// Sizes `(outer, axis, inner)` of a dense array seen from one axis.
type AxisRun = (usize, usize, usize);

/// Sums of one block of threads go over this many values at most; a longer axis is summed in parts first.
const LONGEST: usize = 1 << 14;
/// Neighbouring sums of one block, where there is an inner axis: as in `reduce.cu`.
const COLUMNS: usize = 32;

/// Sums each run in turn, from the last.
pub(crate) fn sum(x: &CudaTensor, runs: &[AxisRun], shape: &[usize]) -> Result<CudaTensor> {
    if let (Order::Pixels, [1, channels, 1, 1]) = (x.order(), shape)
        && *channels == x.dims()[1]
    {
        // Channels of pixels are the columns of one matrix.
        return Ok(sum_axis(x, (1, x.len() / channels, *channels))?.reshape(shape));
    }
    let mut sums = x.planes()?;
    for run in runs.iter().rev() {
        sums = sum_axis(&sums, *run)?;
    }
    Ok(sums.reshape(shape))
}

/// The parts that an axis is summed in: they depend on sizes only, so results do.
fn parts(axis: usize) -> (usize, usize) {
    if axis <= LONGEST {
        return (1, axis.max(1));
    }
    let chunk = (axis as f64).sqrt().ceil() as usize;
    (axis.div_ceil(chunk), chunk)
}

pub(crate) fn sum_axis(x: &CudaTensor, (outer, axis, inner): AxisRun) -> Result<CudaTensor> {
    let (parts, chunk) = parts(axis);
    let sums = outer * parts * inner;
    let y = x.like(&[outer, parts, inner])?;
    if inner == 1 {
        x.blocks(&REDUCE, "sum_rows", &words![sums, x, &y, outer, axis, inner, parts, chunk])?;
    } else {
        let blocks = sums.div_ceil(COLUMNS);
        x.blocks(&REDUCE, "sum_columns", &words![blocks, x, &y, outer, axis, inner, parts, chunk])?;
    }
    if parts == 1 { Ok(y) } else { sum_axis(&y, (outer, parts, inner)) }
}

pub(crate) fn broadcast(x: &CudaTensor, runs: &[AxisRun], shape: &[usize]) -> Result<CudaTensor> {
    let mut values = x.clone();
    for (outer, axis, inner) in runs {
        values = layout::repeat(&values, (*outer, *axis, *inner), &[*outer, *axis, *inner])?;
    }
    Ok(values.reshape(shape))
}

pub(crate) fn softmax(x: &CudaTensor, (outer, axis, inner): AxisRun) -> Result<CudaTensor> {
    let y = x.like(x.dims())?;
    let rows = if axis == 0 { 0 } else { outer * inner };
    x.blocks(&REDUCE, "softmax", &words![rows, x, &y, axis, inner])?;
    Ok(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_axis() {
        for axis in [0, 1, LONGEST, LONGEST + 1, 1_000_003, 1 << 28] {
            let (parts, chunk) = parts(axis);
            assert!(parts * chunk >= axis && (parts - 1) * chunk <= axis, "{axis}: {parts} of {chunk}");
            assert!(axis <= LONGEST || parts <= LONGEST);
        }
    }
}
