//! The input gradient of a strided convolution, which is a transposed convolution, as dense ones.
//!
//! Input pixels of one residue modulo the stride meet every stride-th tap only: each residue is a convolution of stride
//! 1 with these taps reversed, and the residues are woven together at the end.

use rayon::prelude::*;

use super::conv::convolution;
use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

/// The convolution of one residue of the padded rows and columns.
struct Residue {
    shape: ConvShape,
    at: [usize; 2],
}

impl Residue {
    fn new(s: &ConvShape, at: [usize; 2]) -> Self {
        let taps = [0, 1].map(|i| s.kernel[i].saturating_sub(at[i]).div_ceil(s.stride));
        let shape = ConvShape {
            in_channels: s.out_channels,
            out_channels: s.in_channels,
            height: s.out_height(),
            width: s.out_width(),
            kernel: taps,
            stride: 1,
            padding: taps.map(|taps| taps.saturating_sub(1)),
            ..*s
        };
        Self { shape, at }
    }

    /// Its taps of `w` in reverse, input channels first.
    fn filter<T: Element>(&self, s: &ConvShape, w: &[T]) -> Vec<T> {
        let [rows, columns] = self.shape.kernel;
        let area = s.kernel[0] * s.kernel[1];
        let mut filter = Vec::with_capacity(self.shape.filter_len());
        for i in 0..s.in_channels {
            for o in 0..s.out_channels {
                let w = &w[(o * s.in_channels + i) * area..][..area];
                let tap = |a: usize, b: usize| (self.at[0] + a * s.stride) * s.kernel[1] + self.at[1] + b * s.stride;
                filter.extend((0..rows).rev().flat_map(|a| (0..columns).rev().map(move |b| w[tap(a, b)])));
            }
        }
        filter
    }

    /// Its pixels, none if it meets no tap.
    fn pixels<T: Element>(&self, s: &ConvShape, gy: &[T], w: &[T]) -> Vec<T> {
        if self.shape.kernel.contains(&0) {
            return Vec::new();
        }
        convolution(&self.shape, gy, &self.filter(s, w), None, Relus::default())
    }
}

/// `gate` is the input if its ReLU came first.
pub(super) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T], gate: Option<&[T]>) -> Vec<T> {
    let residues: Vec<Residue> =
        (0..s.stride * s.stride).map(|i| Residue::new(s, [i / s.stride, i % s.stride])).collect();
    let pixels: Vec<Vec<T>> = residues.iter().map(|residue| residue.pixels(s, gy, w)).collect();
    let (height, width) = (s.height, s.width);
    filled(s.input_len(), |gx: Shared<T>| {
        (0..s.batch * s.in_channels).into_par_iter().with_min_len(8).for_each(|plane| {
            // SAFETY: each task writes its plane, all of it.
            let gx =
                unsafe { std::slice::from_raw_parts_mut(gx.pointer().add(plane * height * width), height * width) };
            for (y, gx) in gx.chunks_exact_mut(width).enumerate() {
                let row = y + s.padding[0];
                weave(s, &residues, &pixels, (plane, row), gx);
            }
            if let Some(gate) = gate {
                for (g, x) in gx.iter_mut().zip(&gate[plane * height * width..]) {
                    *g = if *x > T::zero() { *g } else { T::zero() };
                }
            }
        });
    })
}

/// One row of the image from the residues' rows, zero where a residue has ended.
fn weave<T: Element>(
    s: &ConvShape,
    residues: &[Residue],
    pixels: &[Vec<T>],
    (plane, row): (usize, usize),
    gx: &mut [T],
) {
    for start in 0..s.stride.min(gx.len()) {
        let column = start + s.padding[1];
        let index = row % s.stride * s.stride + column % s.stride;
        let shape = &residues[index].shape;
        let [height, width] = [0, 1].map(|i| if shape.kernel.contains(&0) { 0 } else { shape.output()[2 + i] });
        let (row, column) = (row / s.stride, column / s.stride);
        let values = match row < height && column < width {
            true => &pixels[index][(plane * height + row) * width..][column..width],
            false => &[],
        };
        let mut targets = gx[start..].iter_mut().step_by(s.stride);
        values.iter().zip(targets.by_ref()).for_each(|(value, gx)| *gx = *value);
        targets.for_each(|gx| *gx = T::zero());
    }
}
