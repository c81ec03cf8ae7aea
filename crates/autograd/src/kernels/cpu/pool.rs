//! Pooling of 2x2 cells and nearest-neighbour doubling, its adjoint.

use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// `planes` planes of `height` by `width`, both even.
pub(crate) fn sum_pool<T: Element>(x: &[T], (planes, height, width): (usize, usize, usize), factor: T) -> Vec<T> {
    let (out_height, out_width) = (height / 2, width / 2);
    let area = out_height * out_width;
    filled(planes * area, |out: Shared<T>| {
        (0..planes).into_par_iter().with_min_len(16).for_each(|p| {
            vectorised(
                #[inline(always)]
                || {
                    let x = &x[p * height * width..][..height * width];
                    for y in 0..out_height {
                        let (top, bottom) = x[2 * y * width..][..2 * width].split_at(width);
                        for i in 0..out_width {
                            let sum = (top[2 * i] + top[2 * i + 1]) + (bottom[2 * i] + bottom[2 * i + 1]);
                            // SAFETY: each plane writes its own.
                            unsafe { out.pointer().add(p * area + y * out_width + i).write(sum * factor) };
                        }
                    }
                },
            )
        });
    })
}

/// From planes of `height` by `width` to twice that.
pub(crate) fn double<T: Element>(x: &[T], (planes, height, width): (usize, usize, usize), factor: T) -> Vec<T> {
    let area = height * width;
    filled(planes * area * 4, |out: Shared<T>| {
        (0..planes).into_par_iter().with_min_len(16).for_each(|p| {
            vectorised(
                #[inline(always)]
                || {
                    for y in 0..height {
                        let row = &x[p * area + y * width..][..width];
                        // SAFETY: each plane writes its own, all of it.
                        unsafe {
                            let top = out.pointer().add(p * area * 4 + y * width * 4);
                            for (i, v) in row.iter().enumerate() {
                                let v = *v * factor;
                                top.add(2 * i).write(v);
                                top.add(2 * i + 1).write(v);
                            }
                            std::ptr::copy_nonoverlapping(top, top.add(2 * width), 2 * width);
                        }
                    }
                },
            )
        });
    })
}
