//! Work along one axis of `[outer, axis, inner]`: sums, repetition, softmax, reversal.

use num_traits::Float;
use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// Sizes `(outer, axis, inner)` of a dense array seen from one axis.
pub(crate) type AxisRun = (usize, usize, usize);

pub(crate) const LANES: usize = 16;

/// The last step of a sum in fixed order: 16 running sums to one.
#[inline(always)]
pub(crate) fn tree<T: Float>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = lanes[i] + lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The sum of a slice, 16 lanes wide.
#[inline(always)]
pub(crate) fn sum_slice<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for part in whole {
        for (lane, v) in lanes.iter_mut().zip(part) {
            *lane = *lane + *v;
        }
    }
    for (lane, v) in lanes.iter_mut().zip(rest) {
        *lane = *lane + *v;
    }
    tree(lanes)
}

pub(crate) fn sum_axis<T: Float + Send + Sync>(x: &[T], (outer, axis, inner): AxisRun) -> Vec<T> {
    filled(outer * inner, |out: Shared<T>| {
        (0..outer).into_par_iter().with_min_len((4096 / (axis * inner).max(1)).max(1)).for_each(|o| {
            vectorised(
                #[inline(always)]
                || {
                    let x = &x[o * axis * inner..][..axis * inner];
                    // SAFETY: each `o` writes its own `inner` values, all of them before reading.
                    let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(o * inner), inner) };
                    if inner == 1 {
                        out[0] = sum_slice(x);
                        return;
                    }
                    out.fill(T::zero());
                    for row in x.chunks_exact(inner) {
                        for (sum, v) in out.iter_mut().zip(row) {
                            *sum = *sum + *v;
                        }
                    }
                },
            )
        });
    })
}

pub(crate) fn repeat_axis<T: Copy + Send + Sync>(x: &[T], (outer, axis, inner): AxisRun) -> Vec<T> {
    filled(outer * axis * inner, |out: Shared<T>| {
        (0..outer).into_par_iter().with_min_len((4096 / (axis * inner).max(1)).max(1)).for_each(|o| {
            for a in 0..axis {
                for i in 0..inner {
                    // SAFETY: each `o` writes its own block.
                    unsafe { out.pointer().add((o * axis + a) * inner + i).write(x[o * inner + i]) };
                }
            }
        });
    })
}

/// `exp(x - max) / sum(exp(x - max))` along the axis.
pub(crate) fn softmax<T: Element>(x: &[T], (_, axis, inner): AxisRun) -> Vec<T> {
    let mut out = x.to_vec();
    if axis * inner == 0 {
        return out;
    }
    out.par_chunks_mut(axis * inner).with_min_len((4096 / (axis * inner)).max(1)).for_each(|block| {
        vectorised(
            #[inline(always)]
            || if inner == 1 { softmax_row(block) } else { softmax_columns(block, inner) },
        )
    });
    out
}

#[inline(always)]
fn softmax_row<T: Element>(row: &mut [T]) {
    let max = row.iter().copied().fold(T::neg_infinity(), Float::max);
    row.iter_mut().for_each(|v| *v = (*v - max).exp_());
    let sum = sum_slice(row);
    row.iter_mut().for_each(|v| *v /= sum);
}

#[inline(always)]
fn softmax_columns<T: Element>(block: &mut [T], inner: usize) {
    for i in 0..inner {
        let column = || (i..block.len()).step_by(inner);
        let max = column().map(|j| block[j]).fold(T::neg_infinity(), Float::max);
        let mut sum = T::zero();
        for j in (i..block.len()).step_by(inner) {
            block[j] = (block[j] - max).exp_();
            sum += block[j];
        }
        for v in block[i..].iter_mut().step_by(inner) {
            *v /= sum;
        }
    }
}

/// The axis in reverse.
pub(crate) fn flip_axis<T: Element>(x: &[T], (_, axis, inner): AxisRun) -> Vec<T> {
    let mut out = x.to_vec();
    if axis * inner == 0 {
        return out;
    }
    out.par_chunks_mut(axis * inner).zip(x.par_chunks(axis * inner)).with_min_len(64).for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(inner).rev()) {
            out.copy_from_slice(x);
        }
    });
    out
}
