//! Convolutions that change the resolution, as strided ones with a filter one tap wider.
//!
//! The mean of 2x2 cells of a convolution by `w` is a convolution of stride 2 by the mean of the four shifts of `w` by none
//! or one tap: `(k + 1)^2 / 4` products a pixel in place of `k^2`, 4 for 9 where k is 3. Convolving a doubled image is the adjoint of
//! such a one. Neither the doubled nor the whole image is ever stored.

use std::sync::OnceLock;

use candle_core::Result;

use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{Element, FOLD};
use crate::cuda::words::{Divisor, words};
use crate::ops::conv::{ConvShape, Resample};

/// Whether a convolution of images of this type is done this way: one by a single tap would gain nothing, and sums of taps in a half
/// would be rounded once more (a step of a small BigGAN in BF16 then ends three times as far from that in F32). Not under
/// `FRUGAN_FOLD=none`, which is for measurements.
pub(super) fn folds(s: &ConvShape, element: Element) -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let wanted = || std::env::var("FRUGAN_FOLD").as_deref() != Ok("none");
    let fits = (0..2).all(|i| s.kernel[i] > 1 && s.padding[i] < s.kernel[i]);
    let is_half = element.bytes() == 2;
    s.resample != Resample::Keep && s.stride == 1 && fits && !is_half && *WANTED.get_or_init(wanted)
}

/// The sizes of the strided convolution. Of a doubled image's it goes from the output to the input.
pub(super) fn strided(s: &ConvShape) -> ConvShape {
    let one_way = ConvShape { kernel: s.kernel.map(|k| k + 1), stride: 2, resample: Resample::Keep, ..*s };
    match s.resample {
        Resample::DoubleInput => ConvShape {
            in_channels: s.out_channels,
            out_channels: s.in_channels,
            height: s.out_height(),
            width: s.out_width(),
            padding: [0, 1].map(|i| s.kernel[i] - 1 - s.padding[i]),
            ..one_way
        },
        _ => one_way,
    }
}

/// Its filter, from that of the convolution.
pub(super) fn filter(s: &ConvShape, w: &CudaTensor) -> Result<CudaTensor> {
    let order = if w.gpu().wants_pixels(w.element()) { Order::Pixels } else { Order::Planes };
    match s.resample {
        Resample::DoubleInput => fold(w, Taps::More, true, 1.0, order),
        _ => fold(w, Taps::More, false, 0.25, order),
    }
}

/// The adjoint of [`filter`].
pub(super) fn filter_gradient(s: &ConvShape, g: &CudaTensor) -> Result<CudaTensor> {
    match s.resample {
        Resample::DoubleInput => fold(g, Taps::Fewer, true, 1.0, Order::Planes),
        _ => fold(g, Taps::Fewer, false, 0.25, Order::Planes),
    }
}

/// Which side of a fold has a tap more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taps {
    More,
    Fewer,
}

/// `factor` times sums of neighbouring taps. With `turns` input and output channels change places, and taps run backward.
fn fold(x: &CudaTensor, taps: Taps, turns: bool, factor: f64, order: Order) -> Result<CudaTensor> {
    let [o, i, rows, columns] = x.dims4()?;
    let steps = match x.order() {
        Order::Planes => [i * rows * columns, rows * columns, columns, 1],
        Order::Pixels => [i * rows * columns, 1, columns * i, i],
    };
    let ([a, b], [step_a, step_b]) =
        if turns { ([i, o], [steps[1], steps[0]]) } else { ([o, i], [steps[0], steps[1]]) };
    let (new, side) = match taps {
        Taps::More => ([rows + 1, columns + 1], -1isize),
        Taps::Fewer => ([rows - 1, columns - 1], 1),
    };
    let y = x.like_in(&[a, b, new[0], new[1]], order)?;
    let (sizes, moves, tap_axis) = match order {
        Order::Planes => ([a, b, new[0], new[1]], [step_a, step_b, 0, 0], 2usize),
        Order::Pixels => ([a, new[0], new[1], b], [step_a, 0, 0, step_b], 1),
    };
    let own = words![tap_axis, steps[2], steps[3], rows, columns, turns, side, factor];
    x.map(&FOLD, "fold", &[words![y.len(), x, &y, sizes.map(Divisor), moves], own].concat())?;
    Ok(y)
}
