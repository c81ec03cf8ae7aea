//! Convolution by patches and a matrix product: any filter, stride and padding, f32 and f64, any machine.
//! A 1x1 filter's patches are the image itself.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::matmul::{Matrix, product};
use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

/// Parts of the batch that the filter gradient sums apart; fixed, so thread counts do not matter.
const PARTS: usize = 8;
/// Values of a patch matrix, which bounds a thread's memory: larger images are done in bands of rows.
const BAND: usize = 1 << 18;

/// Sizes of the matrix products of one image.
struct Sizes {
    /// Values of an input image.
    image: usize,
    /// Pixels of an output plane.
    area: usize,
    /// Values of a patch.
    depth: usize,
    channels: usize,
    /// Whether the patch matrix is the image.
    pointwise: bool,
    /// Output rows of a band.
    band: usize,
}

impl Sizes {
    fn new(s: &ConvShape) -> Self {
        let depth = s.in_channels * s.kernel[0] * s.kernel[1];
        let pointwise = s.kernel == [1, 1] && s.stride == 1 && s.padding == [0, 0];
        let band = BAND / (depth * s.out_width()).max(1);
        Self {
            image: s.in_channels * s.height * s.width,
            area: s.out_height() * s.out_width(),
            depth,
            channels: s.out_channels,
            pointwise,
            band: if pointwise { s.out_height() } else { band.clamp(1, s.out_height()) },
        }
    }

    fn bands(&self, s: &ConvShape) -> usize {
        s.out_height().div_ceil(self.band)
    }

    fn rows(&self, s: &ConvShape, band: usize) -> Range<usize> {
        band * self.band..((band + 1) * self.band).min(s.out_height())
    }
}

/// Outputs `x` for which `x * stride + tap - padding` is inside `0 .. size`.
pub(super) fn inside(tap: usize, padding: usize, stride: usize, size: usize, out: usize) -> Range<usize> {
    let first = padding.saturating_sub(tap).div_ceil(stride).min(out);
    let end = (size + padding).saturating_sub(tap).div_ceil(stride).min(out);
    first..end.max(first)
}

/// Calls `f(input row start, columns of the output that read inside)` for each row of the patch
/// matrix of a band, in order: input channel, tap row, tap column, output row. The start is the
/// place of the first such column's value in the image.
fn each_row(s: &ConvShape, rows: &Range<usize>, mut f: impl FnMut(usize, Range<usize>)) {
    for c in 0..s.in_channels {
        for a in 0..s.kernel[0] {
            let valid = inside(a, s.padding[0], s.stride, s.height, s.out_height());
            for b in 0..s.kernel[1] {
                let columns = inside(b, s.padding[1], s.stride, s.width, s.out_width());
                for y in rows.clone() {
                    if !valid.contains(&y) || columns.is_empty() {
                        f(0, 0..0);
                        continue;
                    }
                    let (row, column) = (y * s.stride + a - s.padding[0], columns.start * s.stride + b - s.padding[1]);
                    f((c * s.height + row) * s.width + column, columns.clone());
                }
            }
        }
    }
}

/// The `[depth, rows * out_width]` patch matrix of a band of output rows, or its ReLU.
fn patches<'a, T: Element>(
    s: &ConvShape,
    sizes: &Sizes,
    image: &'a [T],
    rows: &Range<usize>,
    relu: bool,
) -> Cow<'a, [T]> {
    if sizes.pointwise {
        return if relu { Cow::Owned(image.iter().map(|v| rectified(*v)).collect()) } else { Cow::Borrowed(image) };
    }
    let width = s.out_width();
    let mut matrix = Vec::with_capacity(sizes.depth * rows.len() * width);
    each_row(s, rows, |start, columns| {
        let end = matrix.len() + width;
        matrix.resize(matrix.len() + columns.start, T::zero());
        match s.stride {
            1 => matrix.extend_from_slice(&image[start..start + columns.len()]),
            stride => matrix.extend(image[start..].iter().step_by(stride).take(columns.len())),
        }
        matrix.resize(end, T::zero());
    });
    if relu {
        matrix.iter_mut().for_each(|v| *v = rectified(*v));
    }
    Cow::Owned(matrix)
}

/// `max(v, 0)`; NaN stays.
fn rectified<T: Element>(v: T) -> T {
    if v < T::zero() { T::zero() } else { v }
}

/// Adds a patch matrix up into the image: the adjoint of [`patches`].
fn add_patches<T: Element>(s: &ConvShape, matrix: &[T], rows: &Range<usize>, image: &mut [T]) {
    let mut matrix = matrix.chunks_exact(s.out_width());
    each_row(s, rows, |start, columns| {
        let row = &matrix.next().expect("one row of the matrix a call")[columns];
        for (v, sum) in row.iter().zip(image[start..].iter_mut().step_by(s.stride)) {
            *sum += *v;
        }
    });
}

pub(super) fn convolution<T: Element>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, relus: Relus, y: Shared<T>) {
    let sizes = Sizes::new(s);
    let (area, k, bands) = (sizes.area, sizes.channels, sizes.bands(s));
    (0..s.batch * bands).into_par_iter().for_each(|task| {
        let (n, rows) = (task / bands, sizes.rows(s, task % bands));
        let x = &x[n * sizes.image..][..sizes.image];
        let matrix = patches(s, &sizes, x, &rows, relus.before);
        let (start, count) = (rows.start * s.out_width(), rows.len() * s.out_width());
        // SAFETY: each task writes its own band of its own image.
        unsafe {
            let y = y.pointer().add(n * k * area + start);
            let plane = |i: usize| std::slice::from_raw_parts_mut(y.add(i * area), count);
            if let Some(bias) = bias {
                bias.iter().enumerate().for_each(|(i, b)| plane(i).fill(*b));
            }
            let (w, matrix) = (Matrix::rows(w, sizes.depth), Matrix::rows(&matrix, count));
            product((k, sizes.depth, count), w, matrix, y, area as isize, bias.is_some());
            if relus.after {
                (0..k).for_each(|i| plane(i).iter_mut().for_each(|v| *v = rectified(*v)));
            }
        }
    });
}

pub(super) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T], gate: Option<&[T]>, gx: Shared<T>) {
    let sizes = Sizes::new(s);
    let (area, depth, k) = (sizes.area, sizes.depth, sizes.channels);
    (0..s.batch).into_par_iter().for_each(|n| {
        let (gy, w) = (&gy[n * k * area..][..k * area], Matrix::rows(w, depth).transposed());
        // SAFETY: each image writes its own part of gx, all of it; `out` is this task's own.
        let gx = unsafe {
            let gx = gx.pointer().add(n * sizes.image);
            if sizes.pointwise {
                product((depth, k, area), w, Matrix::rows(gy, area), gx, area as isize, false);
                std::slice::from_raw_parts_mut(gx, sizes.image)
            } else {
                let gx = std::slice::from_raw_parts_mut(gx, sizes.image);
                gx.fill(T::zero());
                for rows in (0..sizes.bands(s)).map(|band| sizes.rows(s, band)) {
                    let (start, count) = (rows.start * s.out_width(), rows.len() * s.out_width());
                    let gy = Matrix::rows(&gy[start..], area);
                    let matrix = filled(depth * count, |out: Shared<T>| {
                        product((depth, k, count), w, gy, out.pointer(), count as isize, false);
                    });
                    add_patches(s, &matrix, &rows, gx);
                }
                gx
            }
        };
        if let Some(gate) = gate {
            for (g, x) in gx.iter_mut().zip(&gate[n * sizes.image..]) {
                *g = if *x > T::zero() { *g } else { T::zero() };
            }
        }
    });
}

pub(super) fn filter_gradient<T: Element>(s: &ConvShape, x: &[T], gy: &[T], relu: bool, gw: Shared<T>) {
    let sizes = Sizes::new(s);
    let (area, depth, k) = (sizes.area, sizes.depth, sizes.channels);
    let parts = PARTS.min(s.batch).max(1);
    let sums: Vec<Vec<T>> = (0..parts)
        .into_par_iter()
        .map(|part| {
            let mut sum = vec![T::zero(); k * depth];
            for n in s.batch * part / parts..s.batch * (part + 1) / parts {
                let x = &x[n * sizes.image..][..sizes.image];
                for rows in (0..sizes.bands(s)).map(|band| sizes.rows(s, band)) {
                    let matrix = patches(s, &sizes, x, &rows, relu);
                    let (start, count) = (rows.start * s.out_width(), rows.len() * s.out_width());
                    let gy = Matrix::rows(&gy[n * k * area + start..], area);
                    let matrix = Matrix::rows(&matrix, count).transposed();
                    // SAFETY: the sum is this part's own.
                    unsafe { product((k, count, depth), gy, matrix, sum.as_mut_ptr(), depth as isize, true) };
                }
            }
            sum
        })
        .collect();
    for i in 0..k * depth {
        let sum = sums[1..].iter().fold(sums[0][i], |sum, part| sum + part[i]);
        // SAFETY: inside gw.
        unsafe { gw.pointer().add(i).write(sum) };
    }
}
