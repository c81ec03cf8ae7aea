//! Picks the convolution algorithm: Winograd for 3x3 stride-1 f32 with AVX-512, else patches.
//! The door of the unsafe code: lengths are checked here.

use std::any::TypeId;

use super::im2col;
use super::parallel::filled;
use super::storage::Element;
use super::winograd;
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

/// `y = x * w + bias`, then a ReLU if asked.
pub(crate) fn convolution<T: Element>(s: &ConvShape, x: &[T], w: &[T], bias: Option<&[T]>, relu: bool) -> Vec<T> {
    assert_eq!((x.len(), w.len()), (s.input_len(), s.filter_len()));
    assert!(bias.is_none_or(|b| b.len() == s.out_channels));
    filled(s.output_len(), |y| match (as_f32(x), as_f32(w)) {
        (Some(x), Some(w)) if is_winograd::<T>(s) => {
            winograd::convolution(s, x, w, bias.and_then(as_f32), relu, y.cast())
        }
        _ => im2col::convolution(s, x, w, bias, relu, y),
    })
}

pub(crate) fn input_gradient<T: Element>(s: &ConvShape, gy: &[T], w: &[T]) -> Vec<T> {
    assert_eq!((gy.len(), w.len()), (s.output_len(), s.filter_len()));
    filled(s.input_len(), |gx| match (as_f32(gy), as_f32(w)) {
        (Some(gy), Some(w)) if is_winograd::<T>(s) => winograd::input_gradient(s, gy, w, gx.cast()),
        _ => im2col::input_gradient(s, gy, w, gx),
    })
}

pub(crate) fn filter_gradient<T: Element>(s: &ConvShape, x: &[T], gy: &[T]) -> Vec<T> {
    assert_eq!((x.len(), gy.len()), (s.input_len(), s.output_len()));
    filled(s.filter_len(), |gw| match (as_f32(x), as_f32(gy)) {
        (Some(x), Some(gy)) if is_winograd::<T>(s) => winograd::filter_gradient(s, x, gy, gw.cast()),
        _ => im2col::filter_gradient(s, x, gy, gw),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path of machines without AVX-512, f32 against f64.
    #[test]
    fn patches_agree_with_f64() {
        for (kernel, padding, height, width) in [(3, 1, 5, 6), (3, 0, 4, 4), (1, 0, 3, 5), (5, 3, 6, 4)] {
            let (kernel, padding) = ([kernel; 2], [padding; 2]);
            let s = ConvShape { batch: 9, in_channels: 3, out_channels: 5, height, width, kernel, stride: 1, padding };
            let wave = |len: usize, step: f64| (0..len).map(|i| (i as f64 * step).sin()).collect::<Vec<_>>();
            let (x, w, g) = (wave(s.input_len(), 0.7), wave(s.filter_len(), 1.3), wave(s.output_len(), 0.9));
            let narrow = |v: &[f64]| v.iter().map(|x| *x as f32).collect::<Vec<_>>();
            let (x32, w32, g32) = (narrow(&x), narrow(&w), narrow(&g));
            let got = [
                filled(s.output_len(), |y| im2col::convolution(&s, &x32, &w32, None, false, y)),
                filled(s.input_len(), |gx| im2col::input_gradient(&s, &g32, &w32, gx)),
                filled(s.filter_len(), |gw| im2col::filter_gradient(&s, &x32, &g32, gw)),
            ];
            let want = [convolution(&s, &x, &w, None, false), input_gradient(&s, &g, &w), filter_gradient(&s, &x, &g)];
            for (got, want) in got.iter().zip(&want) {
                let scale = (want.iter().map(|v| v * v).sum::<f64>() / want.len() as f64).sqrt();
                for (a, b) in got.iter().zip(want) {
                    assert!((f64::from(*a) - b).abs() < 1e-5 * scale, "{s:?}: {a} for {b}");
                }
            }
        }
    }
}
