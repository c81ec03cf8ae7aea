//! Sums over one axis and its adjoint, repetition: `[outer, axis, inner]`.

use num_traits::Float;
use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};

const LANES: usize = 16;

/// The last step of a sum in fixed order: 16 running sums to one.
#[inline(always)]
pub fn tree<T: Float>(mut lanes: [T; LANES]) -> T {
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
pub fn sum_slice<T: Float>(x: &[T]) -> T {
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

pub fn sum_axis<T: Float + Send + Sync>(x: &[T], (outer, axis, inner): (usize, usize, usize)) -> Vec<T> {
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

pub fn repeat_axis<T: Copy + Send + Sync>(x: &[T], (outer, axis, inner): (usize, usize, usize)) -> Vec<T> {
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
