//! Pooling: 2x2 cells and their adjoint, nearest-neighbour doubling; sliding windows and theirs.

use std::ops::Range;

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

/// A sliding window over planes of `height` by `width`, square, with the same padding on all sides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

impl Window {
    pub(crate) fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    pub(crate) fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    fn area(&self) -> usize {
        self.height * self.width
    }

    fn out_area(&self) -> usize {
        self.out_height() * self.out_width()
    }

    /// The part of the window at output `i` that is inside an axis of `size`.
    fn inside(&self, i: usize, size: usize) -> Range<usize> {
        let start = i * self.stride;
        start.saturating_sub(self.padding)..(start + self.kernel - self.padding).min(size)
    }

    /// Calls `f(output place, rows, columns)` for each output pixel of a plane.
    fn each(&self, mut f: impl FnMut(usize, Range<usize>, Range<usize>)) {
        for y in 0..self.out_height() {
            for x in 0..self.out_width() {
                f(y * self.out_width() + x, self.inside(y, self.height), self.inside(x, self.width));
            }
        }
    }
}

/// For each output pixel the place of its window's largest value, the first among equals.
pub(crate) fn largest<T: Element>(window: &Window, x: &[T]) -> Vec<i32> {
    let mut places = vec![0; x.len() / window.area() * window.out_area()];
    let planes = places.par_chunks_mut(window.out_area()).zip(x.par_chunks(window.area()));
    planes.with_min_len(4).for_each(|(places, plane)| {
        window.each(|at, rows, columns| {
            let mut best = rows.start * window.width + columns.start;
            for y in rows {
                for i in y * window.width + columns.start..y * window.width + columns.end {
                    // A NaN wins, so that it is not hidden.
                    if plane[i] > plane[best] || plane[i].is_nan() {
                        best = i;
                    }
                }
            }
            places[at] = best as i32;
        });
    });
    places
}

pub(crate) fn pick<T: Element>(window: &Window, places: &[i32], x: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); places.len()];
    let outputs = out.par_chunks_mut(window.out_area()).zip(places.par_chunks(window.out_area()));
    outputs.zip(x.par_chunks(window.area())).with_min_len(16).for_each(|((out, places), plane)| {
        for (out, place) in out.iter_mut().zip(places) {
            *out = plane[*place as usize];
        }
    });
    out
}

pub(crate) fn place<T: Element>(window: &Window, places: &[i32], g: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); places.len() / window.out_area() * window.area()];
    let inputs = g.par_chunks(window.out_area()).zip(places.par_chunks(window.out_area()));
    out.par_chunks_mut(window.area()).zip(inputs).with_min_len(16).for_each(|(plane, (g, places))| {
        for (g, place) in g.iter().zip(places) {
            plane[*place as usize] += *g;
        }
    });
    out
}

pub(crate) fn average<T: Element>(window: &Window, x: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); x.len() / window.area() * window.out_area()];
    let planes = out.par_chunks_mut(window.out_area()).zip(x.par_chunks(window.area()));
    planes.with_min_len(4).for_each(|(out, plane)| {
        window.each(|at, rows, columns| {
            let count = T::of((rows.len() * columns.len()) as f64);
            let mut sum = T::zero();
            for y in rows {
                for v in &plane[y * window.width..][columns.clone()] {
                    sum += *v;
                }
            }
            out[at] = sum / count;
        });
    });
    out
}

pub(crate) fn spread<T: Element>(window: &Window, g: &[T]) -> Vec<T> {
    let mut out = vec![T::zero(); g.len() / window.out_area() * window.area()];
    let planes = out.par_chunks_mut(window.area()).zip(g.par_chunks(window.out_area()));
    planes.with_min_len(4).for_each(|(plane, g)| {
        window.each(|at, rows, columns| {
            let share = g[at] / T::of((rows.len() * columns.len()) as f64);
            for y in rows {
                for v in &mut plane[y * window.width..][columns.clone()] {
                    *v += share;
                }
            }
        });
    });
    out
}
