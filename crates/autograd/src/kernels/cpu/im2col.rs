//! Convolution by patches and a matrix product: any odd filter, f32 and f64, any machine.
//! A 1x1 filter's patches are the image itself.

use rayon::prelude::*;

use super::conv_shape::ConvShape;
use super::matmul::{Matrix, product};
use super::parallel::{Shared, filled};
use super::storage::Element;

/// Parts of the batch that the filter gradient sums apart; fixed, so thread counts do not matter.
const PARTS: usize = 8;

fn is_pointwise(s: &ConvShape) -> bool {
    s.kernel == 1 && s.padding == 0
}

/// Calls `f(patch row, image index or none)` for each value of the `[c k k, oh ow]` patch matrix.
fn each_patch(s: &ConvShape, mut f: impl FnMut(usize, Option<usize>)) {
    let mut at = 0;
    for c in 0..s.in_channels {
        for (a, b) in (0..s.kernel).flat_map(|a| (0..s.kernel).map(move |b| (a, b))) {
            for y in (a..a + s.out_height()).map(|y| y.wrapping_sub(s.padding)) {
                for x in (b..b + s.out_width()).map(|x| x.wrapping_sub(s.padding)) {
                    f(at, (y < s.height && x < s.width).then(|| (c * s.height + y) * s.width + x));
                    at += 1;
                }
            }
        }
    }
}

fn patches<T: Element>(s: &ConvShape, image: &[T]) -> Vec<T> {
    let len = s.in_channels * s.kernel * s.kernel * s.out_height() * s.out_width();
    filled(len, |out: Shared<T>| {
        each_patch(s, |at, from| {
            let value = from.map_or(T::zero(), |i| image[i]);
            // SAFETY: `each_patch` visits each place once.
            unsafe { out.pointer().add(at).write(value) }
        })
    })
}

fn sizes(s: &ConvShape) -> (usize, usize, usize, usize) {
    let image = s.in_channels * s.height * s.width;
    (image, s.out_height() * s.out_width(), s.in_channels * s.kernel * s.kernel, s.out_channels)
}

pub(super) fn convolution<T: Element>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, relu: bool, y: Shared<T>) {
    let (image, area, depth, k) = sizes(s);
    (0..s.batch).into_par_iter().for_each(|n| {
        let x = &x[n * image..][..image];
        let columns = if is_pointwise(s) { Vec::new() } else { patches(s, x) };
        let columns = if is_pointwise(s) { x } else { &columns };
        // SAFETY: each image writes its own part of y.
        unsafe {
            let y = y.pointer().add(n * k * area);
            if let Some(bias) = bias {
                for (i, b) in bias.iter().enumerate() {
                    std::slice::from_raw_parts_mut(y.add(i * area), area).fill(*b);
                }
            }
            let (w, columns) = (Matrix::rows(w, depth), Matrix::rows(columns, area));
            product((k, depth, area), w, columns, y, area as isize, bias.is_some());
            if relu {
                std::slice::from_raw_parts_mut(y, k * area)
                    .iter_mut()
                    .for_each(|v| *v = num_traits::Float::max(*v, T::zero()));
            }
        }
    });
}

pub(super) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T], gx: Shared<T>) {
    let (image, area, depth, k) = sizes(s);
    (0..s.batch).into_par_iter().for_each(|n| {
        let (gy, w) = (Matrix::rows(&gy[n * k * area..], area), Matrix::rows(w, depth).transposed());
        // SAFETY: each image writes its own part of gx.
        unsafe {
            let gx = gx.pointer().add(n * image);
            if is_pointwise(s) {
                return product((depth, k, area), w, gy, gx, area as isize, false);
            }
            let columns = filled(depth * area, |out: Shared<T>| {
                product((depth, k, area), w, gy, out.pointer(), area as isize, false);
            });
            let gx = std::slice::from_raw_parts_mut(gx, image);
            gx.fill(T::zero());
            each_patch(s, |at, to| {
                if let Some(i) = to {
                    gx[i] += columns[at];
                }
            });
        }
    });
}

pub(super) fn filter_gradient<T: Element>(s: &ConvShape, x: &[T], gy: &[T], gw: Shared<T>) {
    let (image, area, depth, k) = sizes(s);
    let parts = PARTS.min(s.batch).max(1);
    let sums: Vec<Vec<T>> = (0..parts)
        .into_par_iter()
        .map(|part| {
            let range = s.batch * part / parts..s.batch * (part + 1) / parts;
            let first = range.start;
            filled(k * depth, |out: Shared<T>| {
                for n in range {
                    let x = &x[n * image..][..image];
                    let columns = if is_pointwise(s) { Vec::new() } else { patches(s, x) };
                    let columns = if is_pointwise(s) { x } else { &columns };
                    let (gy, columns) =
                        (Matrix::rows(&gy[n * k * area..], area), Matrix::rows(columns, area).transposed());
                    // SAFETY: `out` is this part's own.
                    unsafe { product((k, area, depth), gy, columns, out.pointer(), depth as isize, n > first) };
                }
            })
        })
        .collect();
    for i in 0..k * depth {
        let sum = sums[1..].iter().fold(sums[0][i], |sum, part| sum + part[i]);
        // SAFETY: inside gw.
        unsafe { gw.pointer().add(i).write(sum) };
    }
}
