//! What the convolutions over 16 lanes share: the lanes of an instruction set and their products, buffers that stay, and the
//! two ways to read a filter.

mod avx2;
mod avx512;
mod patches;
mod scratch;
#[cfg(test)]
mod tests;
mod transpose;
mod vector;

pub(super) use avx2::Avx2;
pub(super) use avx512::Avx512;
pub(super) use patches::{Patches, Piece, Run, Sources, first_windows};
pub(super) use scratch::{BLOCK, Line, WHOLE, point_stride, with_scratch};
pub(super) use transpose::{transpose, transpose_planes};
pub(super) use vector::{Lanes, Strides, with_widest};

use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

/// Floats that kernels take as one vector.
pub(super) const LANES: usize = 16;

/// The same filter read two ways: as the convolution's, or flipped as the input gradient's.
#[derive(Clone, Copy)]
pub(super) struct Filter<'a> {
    pub(super) values: &'a [f32],
    /// Rows and columns of taps, multiplied.
    pub(super) taps: usize,
    /// Output channels.
    pub(super) lanes: usize,
    pub(super) lane_stride: usize,
    /// Input channels.
    pub(super) depth: usize,
    pub(super) depth_stride: usize,
    pub(super) flipped: bool,
}

impl<'a> Filter<'a> {
    /// `w` as `shape`'s convolution reads it.
    pub(super) fn of_convolution(shape: &ConvShape, w: &'a [f32]) -> Self {
        let (taps, k, c) = (shape.kernel[0] * shape.kernel[1], shape.out_channels, shape.in_channels);
        Self { values: w, taps, lanes: k, lane_stride: taps * c, depth: c, depth_stride: taps, flipped: false }
    }

    /// `w` as the adjoint of `shape`'s convolution reads it.
    pub(super) fn of_adjoint(shape: &ConvShape, w: &'a [f32]) -> Self {
        let (taps, k, c) = (shape.kernel[0] * shape.kernel[1], shape.out_channels, shape.in_channels);
        Self { values: w, taps, lanes: c, lane_stride: taps, depth: k, depth_stride: taps * c, flipped: true }
    }

    /// The place, among the taps of a channel, of what is read as tap `i`.
    fn tap(&self, i: usize) -> usize {
        if self.flipped { self.taps - 1 - i } else { i }
    }

    /// Tap `i` of 16 lanes, those of `block`, in depth `d`.
    ///
    /// # Safety
    /// As [`Lanes`]; block and depth are the filter's.
    #[inline(always)]
    pub(super) unsafe fn gather<V: Lanes>(&self, block: usize, d: usize, i: usize) -> V {
        let first = block * LANES;
        let mask = u16::MAX >> (LANES - (self.lanes - first).min(LANES));
        let mut distances = [0; LANES];
        for (lane, distance) in distances.iter_mut().enumerate() {
            *distance = (lane * self.lane_stride) as i32;
        }
        // SAFETY: as the function promises.
        unsafe {
            let base = self.values.as_ptr().add(first * self.lane_stride + d * self.depth_stride + self.tap(i));
            V::gather(mask, &distances, base)
        }
    }
}

/// What happens to a convolution's values before they are used, and to its sums before they are stored.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    /// Least value of the input: 0 for its ReLU.
    pub(super) input_floor: f32,
    pub(super) bias: Option<&'a [f32]>,
    /// Least value of the output.
    pub(super) floor: f32,
    /// Of the output's shape; the output is zero where this is not positive.
    pub(super) gate: Option<&'a [f32]>,
}

impl<'a> Ends<'a> {
    pub(super) fn of_convolution(bias: Option<&'a [f32]>, relus: Relus) -> Self {
        Self { input_floor: floor(relus.before), bias, floor: floor(relus.after), gate: None }
    }

    pub(super) fn of_adjoint(gate: Option<&'a [f32]>) -> Self {
        Self { gate, ..Self::of_convolution(None, Relus::default()) }
    }

    /// `max(sums + bias, floor)` in channel `k`.
    #[inline(always)]
    pub(super) fn apply<V: Lanes>(&self, k: usize, sums: V) -> V {
        let bias = match self.bias {
            Some(bias) => bias[k],
            None => 0.0,
        };
        V::max(V::splat(self.floor), V::add(sums, V::splat(bias)))
    }

    /// Stores the lanes of a piece of `y`, zero where the gate is not positive.
    ///
    /// # Safety
    /// As [`Lanes`]; the lanes of `piece` are inside `y` and the gate, and nobody else writes them.
    #[inline(always)]
    pub(super) unsafe fn store<V: Lanes>(&self, Piece { mask, offset }: Piece, mut v: V, y: *mut f32) {
        if let Some(gate) = self.gate {
            // SAFETY: lanes outside the mask are not read.
            let gate = unsafe { V::load_masked(mask, gate.as_ptr().wrapping_offset(offset)) };
            v = V::where_positive(gate, v);
        }
        // SAFETY: lanes outside the mask are not written.
        unsafe { V::store_masked(y.wrapping_offset(offset), mask, v) };
    }
}

/// The least value that passes: 0 for a ReLU.
pub(super) fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}
