//! Batch normalisation with a scale and shift per sample and channel, and optionally a ReLU.

use rayon::prelude::*;

use super::axis::{sum_slice, tree};
use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// `[batch, channels, area]`; scale and shift have `affine_rows` rows, one or `batch`.
#[derive(Clone, Copy)]
pub(crate) struct NormShape {
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) area: usize,
    pub(crate) affine_rows: usize,
}

impl NormShape {
    fn plane(&self, n: usize, c: usize) -> std::ops::Range<usize> {
        let start = (n * self.channels + c) * self.area;
        start..start + self.area
    }

    fn affine(&self, n: usize, c: usize) -> usize {
        n % self.affine_rows * self.channels + c
    }

    fn count(&self) -> f64 {
        (self.batch * self.area) as f64
    }
}

#[inline(always)]
fn dot<T: Element>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); 16];
    let (xs, ys) = (x.chunks_exact(16), y.chunks_exact(16));
    for (i, (a, b)) in xs.remainder().iter().zip(ys.remainder()).enumerate() {
        lanes[i] += f(*a, *b);
    }
    for (a, b) in xs.zip(ys) {
        for i in 0..16 {
            lanes[i] += f(a[i], b[i]);
        }
    }
    tree(lanes)
}

/// Mean and biased variance of each channel.
pub(crate) fn statistics<T: Element>(s: &NormShape, x: &[T]) -> (Vec<T>, Vec<T>) {
    (0..s.channels)
        .into_par_iter()
        .map(|c| {
            vectorised(
                #[inline(always)]
                || {
                    let sum = (0..s.batch).map(|n| sum_slice(&x[s.plane(n, c)])).fold(T::zero(), |a, b| a + b);
                    let mean = sum / T::of(s.count());
                    let square = |v: T, _| (v - mean) * (v - mean);
                    let sum = (0..s.batch).map(|n| dot(&x[s.plane(n, c)], &x[s.plane(n, c)], square));
                    (mean, sum.fold(T::zero(), |a, b| a + b) / T::of(s.count()))
                },
            )
        })
        .unzip()
}

pub(crate) fn forward<T: Element>(
    s: &NormShape,
    x: &[T],
    mean: &[T],
    inverse: &[T],
    scale: &[T],
    shift: &[T],
    relu: bool,
) -> Vec<T> {
    let floor = if relu { T::zero() } else { T::neg_infinity() };
    filled(x.len(), |out: Shared<T>| {
        (0..s.batch * s.channels).into_par_iter().with_min_len(8).for_each(|plane| {
            vectorised(
                #[inline(always)]
                || {
                    let (n, c) = (plane / s.channels, plane % s.channels);
                    let slope = inverse[c] * scale[s.affine(n, c)];
                    let offset = shift[s.affine(n, c)] - mean[c] * slope;
                    for i in s.plane(n, c) {
                        let y = x[i] * slope + offset;
                        // SAFETY: planes are disjoint.
                        unsafe { out.pointer().add(i).write(if y < floor { floor } else { y }) };
                    }
                },
            )
        });
    })
}

/// Cotangents of x, scale and shift. `y` is the output if a ReLU came last.
pub(crate) fn backward<T: Element>(
    s: &NormShape,
    x: &[T],
    (mean, inverse): (&[T], &[T]),
    scale: &[T],
    y: Option<&[T]>,
    gy: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let through = |y: T, g: T| if y > T::zero() { g } else { T::zero() };
    let planes = s.batch * s.channels;
    // Per plane: the sums of the cotangent, and of the cotangent times the normalised input.
    let sums: Vec<(T, T)> = (0..planes)
        .into_par_iter()
        .with_min_len(8)
        .map(|plane| {
            vectorised(
                #[inline(always)]
                || {
                    let (c, range) = (plane % s.channels, plane * s.area..(plane + 1) * s.area);
                    let (x, gy) = (&x[range.clone()], &gy[range.clone()]);
                    let (mut plain, mut weighted) = ([T::zero(); 16], [T::zero(); 16]);
                    let y = y.map(|y| &y[range]);
                    let mut i = 0;
                    while i < s.area {
                        let width = 16.min(s.area - i);
                        for j in 0..width {
                            let g = y.map_or(gy[i + j], |y| through(y[i + j], gy[i + j]));
                            plain[j] += g;
                            weighted[j] += g * (x[i + j] - mean[c]);
                        }
                        i += width;
                    }
                    (tree(plain), tree(weighted) * inverse[c])
                },
            )
        })
        .collect();
    let count = T::of(s.count());
    let means: Vec<(T, T)> = (0..s.channels)
        .map(|c| {
            let each = (0..s.batch).map(|n| (sums[n * s.channels + c], scale[s.affine(n, c)]));
            let (a, b) = each.fold((T::zero(), T::zero()), |(a, b), ((p, w), k)| (a + p * k, b + w * k));
            (a / count, b / count)
        })
        .collect();
    let gx = filled(x.len(), |out: Shared<T>| {
        (0..planes).into_par_iter().with_min_len(8).for_each(|plane| {
            vectorised(
                #[inline(always)]
                || {
                    let (n, c) = (plane / s.channels, plane % s.channels);
                    let (k, inv) = (scale[s.affine(n, c)] * inverse[c], inverse[c]);
                    let slope = means[c].1 * inv * inv;
                    let offset = means[c].0 * inv - mean[c] * slope;
                    for i in s.plane(n, c) {
                        let g = y.map_or(gy[i], |y| through(y[i], gy[i]));
                        // SAFETY: planes are disjoint.
                        unsafe { out.pointer().add(i).write(g * k - (offset + x[i] * slope)) };
                    }
                },
            )
        });
    });
    let mut gscale = vec![T::zero(); s.affine_rows * s.channels];
    let mut gshift = gscale.clone();
    for (plane, (plain, weighted)) in sums.into_iter().enumerate() {
        let at = s.affine(plane / s.channels, plane % s.channels);
        gshift[at] += plain;
        gscale[at] += weighted;
    }
    (gx, gscale, gshift)
}
