//! Bilinear sampling on affine grids. The places of a row of samples are computed once for all channels.

use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// For each sample of a row the four pixels around it and their weights: zero outside the image.
struct Row<T> {
    pixels: [Vec<u32>; 4],
    weights: [Vec<T>; 4],
}

impl<T: Element> Row<T> {
    fn new(width: usize) -> Self {
        Self {
            pixels: std::array::from_fn(|_| vec![0; width]),
            weights: std::array::from_fn(|_| vec![T::zero(); width]),
        }
    }

    /// Row `y` of a grid of `out` samples over an image of `size`; both axes of either run from -1 to 1, edge to edge.
    #[inline(always)]
    fn place(&mut self, theta: &[f64], y: usize, size: [usize; 2], out: [usize; 2]) {
        let centre = |i: usize, count: usize| (2 * i + 1) as f64 / count as f64 - 1.0;
        let pixel = |place: f64, size: usize| ((place + 1.0) * size as f64 - 1.0) / 2.0;
        let v = centre(y, out[0]);
        let [height, width] = size.map(|size| size as f64);
        for x in 0..out[1] {
            let u = centre(x, out[1]);
            let column = pixel(theta[0] * u + theta[1] * v + theta[2], size[1]).clamp(-2.0, width + 1.0);
            let row = pixel(theta[3] * u + theta[4] * v + theta[5], size[0]).clamp(-2.0, height + 1.0);
            let (left, top) = (column.floor(), row.floor());
            let (right_share, bottom_share) = (column - left, row - top);
            for corner in 0..4 {
                let (dx, dy) = ((corner % 2) as f64, (corner / 2) as f64);
                let (x_at, y_at) = (left + dx, top + dy);
                let inside = x_at >= 0.0 && x_at < width && y_at >= 0.0 && y_at < height;
                let share = (1.0 - dx + (2.0 * dx - 1.0) * right_share) * (1.0 - dy + (2.0 * dy - 1.0) * bottom_share);
                let place = y_at.clamp(0.0, height - 1.0) * width + x_at.clamp(0.0, width - 1.0);
                self.pixels[corner][x] = place as u32;
                self.weights[corner][x] = if inside { T::of(share) } else { T::zero() };
            }
        }
    }
}

/// `theta` has six numbers an image; see [`crate::Var::affine_sample`].
pub(crate) fn sample<T: Element>(x: &[T], theta: &[f64], channels: usize, size: [usize; 2], out: [usize; 2]) -> Vec<T> {
    let (area, out_area) = (size[0] * size[1], out[0] * out[1]);
    let batch = theta.len() / 6;
    assert_eq!(x.len(), batch * channels * area);
    filled(batch * channels * out_area, |samples: Shared<T>| {
        let rows = (0..batch * out[0]).into_par_iter().with_min_len(8);
        rows.for_each_init(
            || Row::<T>::new(out[1]),
            |row, task| {
                let (n, y) = (task / out[0], task % out[0]);
                vectorised(
                    #[inline(always)]
                    || {
                        row.place(&theta[n * 6..][..6], y, size, out);
                        for plane in n * channels..(n + 1) * channels {
                            let x = &x[plane * area..][..area];
                            for i in 0..out[1] {
                                let corner = |k: usize| row.weights[k][i] * x[row.pixels[k][i] as usize];
                                let value = (corner(0) + corner(1)) + (corner(2) + corner(3));
                                // SAFETY: each task writes its row of its image's planes.
                                unsafe { samples.pointer().add(plane * out_area + y * out[1] + i).write(value) };
                            }
                        }
                    },
                );
            },
        );
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
        let mut row = Row::<T>::new(out[1]);
        for y in 0..out[0] {
            vectorised(
                #[inline(always)]
                || row.place(&theta[n * 6..][..6], y, size, out),
            );
            for (c, gx) in gx.chunks_exact_mut(area).enumerate() {
                let g = &g[(n * channels + c) * out_area + y * out[1]..][..out[1]];
                for (i, g) in g.iter().enumerate() {
                    for k in 0..4 {
                        gx[row.pixels[k][i] as usize] += row.weights[k][i] * *g;
                    }
                }
            }
        }
    });
    gx
}
