//! Picks the convolution algorithm: Winograd for 3x3 stride-1 f32 with AVX-512, else patches.
//! The door of the unsafe code: lengths are checked here.

use std::any::TypeId;

use super::im2col;
use super::parallel::filled;
use super::storage::Element;
use super::winograd;
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

/// The slice as f32 if that is what it is.
fn as_f32<T: Element>(x: &[T]) -> Option<&[f32]> {
    // SAFETY: T is f32.
    (TypeId::of::<T>() == TypeId::of::<f32>())
        .then(|| unsafe { std::slice::from_raw_parts(x.as_ptr().cast(), x.len()) })
}

fn is_winograd<T: 'static>(s: &ConvShape) -> bool {
    let fits = s.kernel == [3, 3] && s.stride == 1 && s.padding[0] == s.padding[1] && s.padding[0] <= 2;
    fits && TypeId::of::<T>() == TypeId::of::<f32>() && winograd::available()
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(crate) fn convolution<T: Element>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, relus: Relus) -> Vec<T> {
    assert_eq!((x.len(), w.len()), (s.input_len(), s.filter_len()));
    assert!(bias.is_none_or(|b| b.len() == s.out_channels));
    filled(s.output_len(), |y| match (as_f32(x), as_f32(w)) {
        (Some(x), Some(w)) if is_winograd::<T>(s) => {
            winograd::convolution(s, x, w, bias.and_then(as_f32), relus, y.cast())
        }
        _ => im2col::convolution(s, x, w, bias, relus, y),
    })
}

/// `gate` is the input if its ReLU came first.
pub(crate) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T], gate: Option<&[T]>) -> Vec<T> {
    assert_eq!((gy.len(), w.len()), (s.output_len(), s.filter_len()));
    assert!(gate.is_none_or(|x| x.len() == s.input_len()));
    filled(s.input_len(), |gx| match (as_f32(gy), as_f32(w)) {
        (Some(gy), Some(w)) if is_winograd::<T>(s) => {
            winograd::input_gradient(s, gy, w, gate.and_then(as_f32), gx.cast())
        }
        _ => im2col::input_gradient(s, gy, w, gate, gx),
    })
}

/// `relu` if the ReLU of `x` was convolved.
pub(crate) fn filter_gradient<T: Element>(s: &ConvShape, x: &[T], gy: &[T], relu: bool) -> Vec<T> {
    assert_eq!((x.len(), gy.len()), (s.input_len(), s.output_len()));
    filled(s.filter_len(), |gw| match (as_f32(x), as_f32(gy)) {
        (Some(x), Some(gy)) if is_winograd::<T>(s) => winograd::filter_gradient(s, x, gy, relu, gw.cast()),
        _ => im2col::filter_gradient(s, x, gy, relu, gw),
    })
}
