//! Stands in for `columns` on machines that have neither AVX2 nor AVX-512 to offer.

use crate::kernels::conv::Relus;
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::ConvShape;

pub(super) fn fits(_: &ConvShape) -> bool {
    false
}

pub(super) fn convolution(_: &ConvShape, _: &[f32], _: &[f32], _: Option<&[f32]>, _: Relus, _: Shared<f32>) {
    unreachable!("not available")
}

pub(super) fn input_gradient(_: &ConvShape, _: &[f32], _: &[f32], _: Option<&[f32]>, _: Shared<f32>) {
    unreachable!("not available")
}
