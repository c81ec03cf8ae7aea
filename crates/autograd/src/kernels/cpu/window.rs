//! Pooling with sliding windows, and its adjoints.

use std::ops::Range;

use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

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

/// Folds each window by `f`, down its columns and then along its row, and calls `finish(rows, output row)` for each row
/// of outputs. `f(v, neutral)` is `v`.
fn folded<T: Element>(
    window: &Window,
    x: &[T],
    neutral: T,
    f: impl Fn(T, T) -> T + Sync,
    finish: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let (area, out_area, width) = (window.area(), window.out_area(), window.out_width());
    filled(x.len() / area * out_area, |out: Shared<T>| {
        // A row of column folds between margins; a stride more, so that the last step has one too.
        let line = || vec![neutral; window.width + 2 * window.padding + window.stride];
        x.par_chunks(area).enumerate().with_min_len(4).for_each_init(line, |line, (p, plane)| {
            // SAFETY: each plane writes its own outputs, each row in full before it is read.
            let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(p * out_area), out_area) };
            vectorised(
                #[inline(always)]
                || {
                    for (y, out) in out.chunks_exact_mut(width).enumerate() {
                        let rows = window.inside(y, window.height);
                        let inner = &mut line[window.padding..][..window.width];
                        inner.copy_from_slice(&plane[rows.start * window.width..][..window.width]);
                        for row in plane[..rows.end * window.width].chunks_exact(window.width).skip(rows.start + 1) {
                            inner.iter_mut().zip(row).for_each(|(fold, v)| *fold = f(*fold, *v));
                        }
                        along(window, line, out, &f);
                        finish(rows.len(), out);
                    }
                },
            )
        });
    })
}

/// Folds `kernel` neighbours of the line for each output.
#[inline(always)]
fn along<T: Element>(window: &Window, line: &[T], out: &mut [T], f: &impl Fn(T, T) -> T) {
    for tap in 0..window.kernel {
        let first = tap == 0;
        let step = |out: &mut T, v: T| *out = if first { v } else { f(*out, v) };
        // Written out for the strides in use, for the compiler to make vectors of.
        match window.stride {
            1 => out.iter_mut().zip(&line[tap..]).for_each(|(out, v)| step(out, *v)),
            2 => out.iter_mut().zip(line[tap..].chunks_exact(2)).for_each(|(out, v)| step(out, v[0])),
            stride => out.iter_mut().zip(line[tap..].iter().step_by(stride)).for_each(|(out, v)| step(out, *v)),
        }
    }
}

/// The largest value of each window; a NaN wins, so that it is not hidden.
pub(crate) fn largest<T: Element>(window: &Window, x: &[T]) -> Vec<T> {
    folded(
        window,
        x,
        T::neg_infinity(),
        #[inline(always)]
        |best, v| if v > best || v.is_nan() { v } else { best },
        |_, _| {},
    )
}

/// The mean of each window's pixels inside the plane.
pub(crate) fn average<T: Element>(window: &Window, x: &[T]) -> Vec<T> {
    let columns: Vec<T> = (0..window.out_width()).map(|i| T::of(window.inside(i, window.width).len() as f64)).collect();
    folded(
        window,
        x,
        T::zero(),
        #[inline(always)]
        |sum, v| sum + v,
        #[inline(always)]
        |rows, sums| {
            let rows = T::of(rows as f64);
            sums.iter_mut().zip(&columns).for_each(|(sum, columns)| *sum /= rows * *columns);
        },
    )
}

/// For each output pixel the place of its window's largest value: the first among equals, or a NaN's.
pub(crate) fn places<T: Element>(window: &Window, x: &[T]) -> Vec<i32> {
    let mut places = vec![0; x.len() / window.area() * window.out_area()];
    let planes = places.par_chunks_mut(window.out_area()).zip(x.par_chunks(window.area()));
    planes.with_min_len(4).for_each(|(places, plane)| {
        window.each(|at, rows, columns| {
            let mut best = rows.start * window.width + columns.start;
            for y in rows {
                for i in y * window.width + columns.start..y * window.width + columns.end {
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

/// The values at `places`.
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

/// Adds each value at its place.
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

/// Adds each value's share to the pixels of its window: the adjoint of [`average`].
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
