//! Sums over axes, repetition along them, and the softmax.

use candle_core::Result;

use super::layout;
use crate::cuda::driver::THREADS;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{Element, REDUCE};
use crate::cuda::words::words;

/// Sizes `(outer, axis, inner)` of a dense array seen from one axis.
type AxisRun = (usize, usize, usize);

/// Sums of one block of threads go over this many values at most; a longer axis is summed in parts first.
const LONGEST: usize = 1 << 14;
/// So many values a thread sums without help; beyond them sums are split until so many blocks have work.
const ALONE: usize = 64;
const BUSY: usize = 512;
/// Neighbouring sums of one block, where there is an inner axis: as in `reduce.cu`.
const COLUMNS: usize = 32;

/// Sums each run in turn, from the last, in a type: the array's or that of its arithmetic.
pub(crate) fn sum(x: &CudaTensor, runs: &[AxisRun], shape: &[usize], element: Element) -> Result<CudaTensor> {
    if let (Order::Pixels, [1, channels, 1, 1]) = (x.order(), shape)
        && *channels == x.dims()[1]
    {
        // Channels of pixels are the columns of one matrix.
        return Ok(sum_axis_in(x, (1, x.len() / channels, *channels), element)?.reshape(shape));
    }
    let mut sums = x.planes()?;
    for run in runs.iter().rev() {
        sums = sum_axis_in(&sums, *run, element)?;
    }
    Ok(sums.reshape(shape))
}

/// The parts that an axis is summed in, and their length. They depend on sizes only, so results do: on how many blocks a part of
/// all sums takes, and on how many threads share a sum.
fn parts(axis: usize, blocks: usize, threads: usize) -> (usize, usize) {
    let alone = ALONE * threads;
    let wanted = match axis <= alone {
        true => 1,
        // Few sums are split, for a GPU to be busy with; long ones for their rounding.
        false => (BUSY / blocks.max(1)).min(2 * axis / alone).max(axis.div_ceil(LONGEST)),
    };
    let chunk = axis.max(1).div_ceil(wanted);
    (axis.max(1).div_ceil(chunk), chunk)
}

pub(crate) fn sum_axis(x: &CudaTensor, run: AxisRun) -> Result<CudaTensor> {
    sum_axis_in(x, run, x.element())
}

/// [`sum_axis`] in a type: the array's or that of its arithmetic.
pub(crate) fn sum_axis_in(x: &CudaTensor, (outer, axis, inner): AxisRun, element: Element) -> Result<CudaTensor> {
    let across = if inner == 1 { 1 } else { COLUMNS };
    let (parts, chunk) = parts(axis, (outer * inner).div_ceil(across), THREADS / across);
    let sums = outer * parts * inner;
    let y = CudaTensor::new(x.gpu(), element, &[outer, parts, inner])?;
    let function = match (inner == 1, element == x.element()) {
        (true, true) => "sum_rows",
        (true, false) => "sum_rows_wide",
        (false, true) => "sum_columns",
        (false, false) => "sum_columns_wide",
    };
    x.blocks(&REDUCE, function, &words![sums.div_ceil(across), x, &y, outer, axis, inner, parts, chunk])?;
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
    fn parts_cover_the_axis_and_become_fewer() {
        for axis in [0, 1, 513, 12_800, LONGEST, LONGEST + 1, 1_000_003, 1 << 28] {
            for (blocks, threads) in [(1, 8), (8, 8), (500, 8), (100_000, 8), (1, 256), (700, 256)] {
                let (parts, chunk) = parts(axis, blocks, threads);
                assert!(parts * chunk >= axis && (parts - 1) * chunk <= axis, "{axis}: {parts} of {chunk}");
                assert!(chunk <= LONGEST && (parts == 1 || 2 * parts <= axis), "{axis}: {parts} of {chunk}");
            }
        }
        // The channels of 50 images of 16 by 16, in eight blocks or in one a sum.
        assert_eq!(parts(12_800, 8, 8), (50, 256));
        assert_eq!(parts(12_800, 12_800, 256), (1, 12_800));
    }
}
