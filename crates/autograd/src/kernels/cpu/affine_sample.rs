//! Bilinear sampling on affine grids. The places of a row of samples are computed once for all channels.

use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// The four pixels around a sample and their weights: zero outside the image.
#[derive(Clone, Copy)]
struct Corners<T> {
    pixels: [u32; 4],
    weights: [T; 4],
}

/// The two pixels around a place on an axis, cut to the image, and their weights.
#[inline(always)]
fn around(place: f64, size: f64) -> [(f64, f64); 2] {
    // Far enough outside for weights of zero, near enough for whole numbers.
    let place = place.max(-2.0).min(size + 1.0);
    let low = place.floor();
    let share = place - low;
    [(low, 1.0 - share), (low + 1.0, share)].map(|(pixel, weight)| {
        let inside = pixel >= 0.0 && pixel < size;
        (pixel.max(0.0).min(size - 1.0), if inside { weight } else { 0.0 })
    })
}

/// Row `y` of a grid of `out` samples over an image of `size`; both axes of either run from -1 to 1, edge to edge.
#[inline(always)]
fn place<T: Element>(row: &mut Vec<Corners<T>>, theta: &[f64], y: usize, size: [usize; 2], out: [usize; 2]) {
    let centre = |i: usize, count: usize| (2 * i + 1) as f64 / count as f64 - 1.0;
    let pixel = |place: f64, size: f64| ((place + 1.0) * size - 1.0) / 2.0;
    let [height, width] = size.map(|size| size as f64);
    let v = centre(y, out[0]);
    row.clear();
    row.extend((0..out[1]).map(|x| {
        let u = centre(x, out[1]);
        let columns = around(pixel(theta[0] * u + theta[1] * v + theta[2], width), width);
        let rows = around(pixel(theta[3] * u + theta[4] * v + theta[5], height), height);
        let corners = [0, 1, 2, 3].map(|k| (rows[k / 2], columns[k % 2]));
        Corners {
            pixels: corners.map(|((row, _), (column, _))| (row * width + column) as u32),
            weights: corners.map(|((_, row), (_, column))| T::of(row * column)),
        }
    }));
}

/// `theta` has six numbers an image; see [`crate::Var::affine_sample`].
pub(crate) fn sample<T: Element>(x: &[T], theta: &[f64], channels: usize, size: [usize; 2], out: [usize; 2]) -> Vec<T> {
    let (area, out_area) = (size[0] * size[1], out[0] * out[1]);
    let batch = theta.len() / 6;
    assert_eq!(x.len(), batch * channels * area);
    filled(batch * channels * out_area, |samples: Shared<T>| {
        let rows = (0..batch * out[0]).into_par_iter().with_min_len(8);
        rows.for_each_init(Vec::<Corners<T>>::new, |row, task| {
            let (n, y) = (task / out[0], task % out[0]);
            vectorised(
                #[inline(always)]
                || {
                    place(row, &theta[n * 6..][..6], y, size, out);
                    for plane in n * channels..(n + 1) * channels {
                        let x = &x[plane * area..][..area];
                        for (i, Corners { pixels, weights }) in row.iter().enumerate() {
                            let corner = |k: usize| weights[k] * x[pixels[k] as usize];
                            let value = (corner(0) + corner(1)) + (corner(2) + corner(3));
                            // SAFETY: each task writes its row of its image's planes.
                            unsafe { samples.pointer().add(plane * out_area + y * out[1] + i).write(value) };
                        }
                    }
                },
            );
        });
    })
}

/// The adjoint of [`sample`]. One task an image, which adds in the order of the samples.
pub(crate) fn scatter<T: Element>(
    g: &[T],
    theta: &[f64],
    channels: usize,
    size: [usize; 2],
    out: [usize; 2],
) -> Vec<T> {
    let (area, out_area) = (size[0] * size[1], out[0] * out[1]);
    let batch = theta.len() / 6;
    assert_eq!(g.len(), batch * channels * out_area);
    let mut gx = vec![T::zero(); batch * channels * area];
    gx.par_chunks_mut((channels * area).max(1)).enumerate().for_each(|(n, gx)| {
        let mut row = Vec::<Corners<T>>::new();
        for y in 0..out[0] {
            vectorised(
                #[inline(always)]
                || place(&mut row, &theta[n * 6..][..6], y, size, out),
            );
            for (c, gx) in gx.chunks_exact_mut(area).enumerate() {
                let g = &g[(n * channels + c) * out_area + y * out[1]..][..out[1]];
                for (g, Corners { pixels, weights }) in g.iter().zip(&row) {
                    for k in 0..4 {
                        gx[pixels[k] as usize] += weights[k] * *g;
                    }
                }
            }
        }
    });
    gx
}
