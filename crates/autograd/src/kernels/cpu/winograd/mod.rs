//! 3x3 stride-1 convolution and its two gradients by Winograd F(4x4, 3x3), AVX-512 and AVX2, f32.
//!
//! Tiles are lanes: 16 tiles make a group, and all that is transformed lies as `[point][block][depth][16]`,
//! which [`Lanes::products`](super::lanes::Lanes::products) multiplies without packing. The work split depends on shapes only.
//!
//! The functions here are safe to call where the machine has AVX2, with slices of the shape's lengths; `conv.rs` checks both.

mod correlate;
mod tiles;
mod transform;
mod weight;

pub(super) use correlate::{convolution, input_gradient};
pub(super) use weight::filter_gradient;

use crate::ops::conv::{ConvShape, Resample};

const POINTS: usize = transform::POINTS;

/// What a sum over a 2x2 cell, or a cotangent spread over one, is multiplied by; `shape` is the
/// forward convolution's, whose halving takes means and whose doubling repeats.
fn cell_scale(shape: &ConvShape) -> f32 {
    if shape.resample == Resample::HalveOutput { 0.25 } else { 1.0 }
}
