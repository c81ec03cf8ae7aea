//! Picks the convolution algorithm: for f32 with AVX-512 or AVX2 two-dimensional Winograd where the filter is 3x3 of stride
//! 1 and there are tiles enough, one-dimensional where it has an odd side, and implicit patches elsewhere; else patches.
//! The door of the unsafe code: lengths are checked here.

use std::any::TypeId;

use super::columns;
use super::im2col;
use super::implicit;
use super::machine::{Width, width};
use super::parallel::filled;
use super::pool;
use super::storage::Element;
use super::winograd;
use crate::kernels::conv::Relus;
use crate::ops::conv::{ConvShape, Resample};

/// The slice as f32 if that is what it is.
fn as_f32<T: Element>(x: &[T]) -> Option<&[f32]> {
    // SAFETY: T is f32.
    (TypeId::of::<T>() == TypeId::of::<f32>())
        .then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

fn is_lanes<T: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<f32>() && width() >= Width::Avx2
}

/// Tiles of 4x4 output pixels below which the transforms of the filter cost more than the products save.
const WINOGRAD_TILES: usize = 16;

fn is_winograd<T: 'static>(s: &ConvShape) -> bool {
    let tiles = s.batch * s.out_height().div_ceil(4) * s.out_width().div_ceil(4);
    if s.kernel == [3, 3] && s.in_channels.min(s.out_channels) >= 128 && tiles < WINOGRAD_TILES {
        return false;
    }
    let fits = s.kernel == [3, 3] && s.stride == 1 && s.padding[0] == s.padding[1] && s.padding[0] <= 2;
    let resamples = s.padding == [1, 1] && s.height.is_multiple_of(2) && s.width.is_multiple_of(2);
    fits && (resamples || s.resample == Resample::Keep) && is_lanes::<T>()
}

/// Whether the input gradient is a convolution too.
fn has_adjoint(s: &ConvShape) -> bool {
    s.stride == 1 && (0..2).all(|i| s.padding[i] < s.kernel[i])
}

/// The change of resolution that a kernel cannot do itself, and the convolution without it.
fn apart<T: Element>(s: &ConvShape) -> (Resample, ConvShape) {
    if is_winograd::<T>(s) { (Resample::Keep, *s) } else { (s.resample, ConvShape { resample: Resample::Keep, ..*s }) }
}

/// Nearest-neighbour doubling of the input, times `factor`, up to the convolution's size.
fn doubled<T: Element>(s: &ConvShape, x: &[T], factor: f64) -> Vec<T> {
    pool::double(x, (s.batch * s.in_channels, s.height / 2, s.width / 2), T::of(factor))
}

/// Sums of 2x2 cells of the output, times `factor`.
fn halved<T: Element>(s: &ConvShape, y: &[T], factor: f64) -> Vec<T> {
    pool::sum_pool(y, (s.batch * s.out_channels, s.out_height(), s.out_width()), T::of(factor))
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(crate) fn convolution<T: Element>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, relus: Relus) -> Vec<T> {
    assert_eq!((x.len(), w.len()), (s.input_len(), s.filter_len()));
    assert!(bias.is_none_or(|b| b.len() == s.out_channels));
    match apart::<T>(s) {
        (Resample::DoubleInput, s) => return convolution(&s, &doubled(&s, x, 1.0), w, bias, relus),
        (Resample::HalveOutput, s) => return halved(&s, &convolution(&s, x, w, bias, relus), 0.25),
        (Resample::Keep, _) => {}
    }
    filled(s.output_len(), |y| match (as_f32(x), as_f32(w)) {
        (Some(x), Some(w)) if is_winograd::<T>(s) => {
            winograd::convolution(s, x, w, bias.and_then(as_f32), relus, y.cast())
        }
        (Some(x), Some(w)) if is_lanes::<T>() && columns::fits(s) => {
            columns::convolution(s, x, w, bias.and_then(as_f32), relus, y.cast())
        }
        (Some(x), Some(w)) if is_lanes::<T>() => implicit::convolution(s, x, w, bias.and_then(as_f32), relus, y.cast()),
        _ => im2col::convolution(s, x, w, bias, relus, y),
    })
}

/// `gate` is the input if its ReLU came first.
pub(crate) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T], gate: Option<&[T]>) -> Vec<T> {
    assert_eq!((gy.len(), w.len()), (s.output_len(), s.filter_len()));
    assert!(gate.is_none_or(|x| x.len() == s.input_len() && s.resample == Resample::Keep));
    match apart::<T>(s) {
        (Resample::DoubleInput, s) => {
            let gx = input_gradient(&s, gy, w, None);
            return pool::sum_pool(&gx, (s.batch * s.in_channels, s.height, s.width), T::one());
        }
        (Resample::HalveOutput, s) => return input_gradient(&s, &cotangent_of_cells(&s, gy), w, None),
        (Resample::Keep, _) => {}
    }
    filled(s.input_len(), |gx| match (as_f32(gy), as_f32(w)) {
        (Some(gy), Some(w)) if is_winograd::<T>(s) => {
            winograd::input_gradient(s, gy, w, gate.and_then(as_f32), gx.cast())
        }
        (Some(gy), Some(w)) if is_lanes::<T>() && has_adjoint(s) && columns::fits(&s.adjoint()) => {
            columns::input_gradient(s, gy, w, gate.and_then(as_f32), gx.cast())
        }
        (Some(gy), Some(w)) if is_lanes::<T>() && has_adjoint(s) => {
            implicit::input_gradient(s, gy, w, gate.and_then(as_f32), gx.cast())
        }
        (Some(gy), Some(w)) if is_lanes::<T>() && implicit::has_phases(s) => {
            implicit::input_gradient_by_phases(s, gy, w, gate.and_then(as_f32), gx.cast())
        }
        _ => im2col::input_gradient(s, gy, w, gate, gx),
    })
}

/// `relu` if the ReLU of `x` was convolved.
pub(crate) fn filter_gradient<T: Element>(s: &ConvShape, x: &[T], gy: &[T], relu: bool) -> Vec<T> {
    assert_eq!((x.len(), gy.len()), (s.input_len(), s.output_len()));
    match apart::<T>(s) {
        (Resample::DoubleInput, s) => return filter_gradient(&s, &doubled(&s, x, 1.0), gy, relu),
        (Resample::HalveOutput, s) => return filter_gradient(&s, x, &cotangent_of_cells(&s, gy), relu),
        (Resample::Keep, _) => {}
    }
    filled(s.filter_len(), |gw| match (as_f32(x), as_f32(gy)) {
        (Some(x), Some(gy)) if is_winograd::<T>(s) => winograd::filter_gradient(s, x, gy, relu, gw.cast()),
        (Some(x), Some(gy)) if is_lanes::<T>() => implicit::filter_gradient(s, x, gy, relu, gw.cast()),
        _ => im2col::filter_gradient(s, x, gy, relu, gw),
    })
}

/// The cotangent of the output from that of its 2x2 means.
fn cotangent_of_cells<T: Element>(s: &ConvShape, gy: &[T]) -> Vec<T> {
    pool::double(gy, (s.batch * s.out_channels, s.out_height() / 2, s.out_width() / 2), T::of(0.25))
}
