//! Affine resampling of images: reflect, double, sample, halve, an image a task.
//!
//! The doubled image is only made where the image's own samples lie, whatever margin the batch has, and no
//! intermediate leaves the thread's caches at the sizes of training on little data.

mod adjoint;
mod footprint;
mod forward;
mod nearest;

use std::ops::Range;

use rayon::prelude::*;

use super::map::vectorised;
use super::storage::Element;
use crate::ops::warp::Warp;
use footprint::Footprint;

/// Taps of one phase: of the filter's twelve, those that meet a sample of the image between two zeros.
const PHASE: usize = 6;
/// Samples of the doubled output grid beyond the image, on each side: what halving reads there.
const BORDER: usize = 6;

/// Images of `channels` planes; if `adjoint`, cotangents of resampled images taken back.
pub(crate) fn warp<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    warp: &Warp,
    adjoint: bool,
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let [left, right, top, bottom] = warp.margin();
    let axes = Axes { columns: Axis::new(width, left, right), rows: Axis::new(height, top, bottom) };
    let filter = Filter::new(warp.taps());
    let image = (channels * height * width).max(1);
    let images = out.par_chunks_exact_mut(image).zip(x.par_chunks_exact(image)).enumerate();
    images.for_each_init(Scratch::new, |scratch, (n, (out, x))| {
        let map = &warp.maps()[n];
        let planes = out.chunks_exact_mut(height * width).zip(x.chunks_exact(height * width));
        if warp.is_nearest(n) {
            let sources = nearest::sources(map, axes);
            return planes.for_each(|(out, x)| nearest::copy(out, x, &sources, adjoint));
        }
        vectorised(
            #[inline(always)]
            || {
                let footprint = footprint::of(map, axes, std::mem::take(&mut scratch.footprint));
                scratch.fit(axes, &footprint);
                for (out, x) in planes {
                    match adjoint {
                        false => forward::plane(out, x, axes, &filter, &footprint, scratch),
                        true => adjoint::plane(out, x, axes, &filter, &footprint, scratch),
                    }
                }
                scratch.footprint = footprint;
            },
        );
    });
    out
}

/// The filter's taps by phase. `double` makes two samples of each and keeps their level, hence its factor 2.
struct Filter<T> {
    /// For the sample at an even place 2q: weights of pixels q - 3 to q + 2.
    double_even: [T; PHASE],
    /// At 2q + 1: weights of pixels q - 2 to q + 3.
    double_odd: [T; PHASE],
    /// Weights of the samples at 2y + 1, 2y + 3, .. for the halved sample y.
    halve_odd: [T; PHASE],
    /// Weights of the samples at 2y + 2, 2y + 4, ..
    halve_even: [T; PHASE],
}

impl<T: Element> Filter<T> {
    fn new(taps: &[f64; 2 * PHASE]) -> Self {
        let each = |f: &dyn Fn(usize) -> f64| std::array::from_fn(|k| T::of(f(k)));
        Self {
            double_even: each(&|k| 2.0 * taps[2 * (PHASE - 1 - k) + 1]),
            double_odd: each(&|k| 2.0 * taps[2 * (PHASE - 1 - k)]),
            halve_odd: each(&|k| taps[2 * k]),
            halve_even: each(&|k| taps[2 * k + 1]),
        }
    }

    /// The weights for a place of the doubled grid, and the first pixel that they meet.
    #[inline(always)]
    fn at(&self, place: isize) -> (&[T; PHASE], isize) {
        let q = place.div_euclid(2);
        if place.rem_euclid(2) == 0 { (&self.double_even, q - 3) } else { (&self.double_odd, q - 2) }
    }
}

#[derive(Clone, Copy)]
struct Axes {
    columns: Axis,
    rows: Axis,
}

/// One axis of the image with its reflected borders.
#[derive(Clone, Copy)]
struct Axis {
    size: usize,
    before: isize,
    after: isize,
}

impl Axis {
    fn new(size: usize, before: usize, after: usize) -> Self {
        Self { size, before: before as isize, after: after as isize }
    }

    /// The pixel of the image that stands at `at`; none beyond the borders.
    #[inline(always)]
    fn source(self, at: isize) -> Option<usize> {
        let size = self.size as isize;
        if at < -self.before || at >= size + self.after {
            return None;
        }
        let inside = at.abs();
        Some(if inside < size { inside } else { 2 * size - 2 - inside } as usize)
    }

    /// The places of the doubled image, borders included; place 0 lies on pixel 0.
    fn doubled(self) -> Range<isize> {
        -2 * self.before..2 * (self.size as isize + self.after)
    }

    /// Samples of the doubled output grid.
    fn samples(self) -> usize {
        2 * (self.size + BORDER)
    }
}

/// What a thread keeps from image to image.
struct Scratch<T> {
    footprint: Footprint<T>,
    /// The rows of the image at double width, within the footprint's columns.
    widened: Vec<T>,
    /// The doubled image within the footprint; zero beyond the borders.
    doubled: Vec<T>,
    /// Rows of samples, halved in width.
    halved: Vec<T>,
    /// One row of samples.
    samples: Vec<T>,
    /// One row of pixels with what a filter reads around it.
    line: Vec<T>,
    /// One row of double width by phase, between zeros.
    phases: [Vec<T>; 2],
}

impl<T: Element> Scratch<T> {
    fn new() -> Self {
        Self {
            footprint: Footprint::default(),
            widened: Vec::new(),
            doubled: Vec::new(),
            halved: Vec::new(),
            samples: Vec::new(),
            line: Vec::new(),
            phases: [Vec::new(), Vec::new()],
        }
    }

    fn fit(&mut self, axes: Axes, footprint: &Footprint<T>) {
        let (rows, columns) = (footprint.rows.len, footprint.columns.len);
        self.widened.resize(axes.rows.size * columns, T::zero());
        self.doubled.resize(rows * columns, T::zero());
        self.halved.resize(axes.rows.samples() * axes.columns.size, T::zero());
        self.samples.resize(axes.columns.samples(), T::zero());
        self.line.resize((columns / 2).max(axes.columns.size) + 2 * PHASE, T::zero());
        for phase in &mut self.phases {
            phase.clear();
            phase.resize(columns / 2 + 2 * PHASE, T::zero());
        }
    }
}
