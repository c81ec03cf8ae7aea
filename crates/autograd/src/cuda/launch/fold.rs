//! Convolutions that change the resolution, as strided ones with a filter one tap wider.
//!
//! The mean of 2x2 cells of a convolution by `w` is a convolution of stride 2 by the mean of the four shifts of `w` by none
//! or one tap: `(k + 1)^2 / 4` products a pixel in place of `k^2`, 4 for 9 where k is 3. Convolving a doubled image is the adjoint of
//! such a one. Neither the doubled nor the whole image is ever stored.

use std::sync::OnceLock;

use candle_core::Result;

use crate::cuda::driver::Kernel;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{Element, FOLD};
use crate::cuda::words::{Divisor, words};
use crate::ops::conv::{ConvShape, Resample};

/// Whether a convolution of images by a filter of these types is done this way: one by a single tap would gain nothing, and sums of
/// taps that are rounded already would be rounded once more. Not under `FRUGAN_FOLD=none`, which is for measurements.
pub(super) fn folds(s: &ConvShape, images: Element, filter: Element) -> bool {
    static WANTED: OnceLock<bool> = OnceLock::new();
    let wanted = || std::env::var("FRUGAN_FOLD").as_deref() != Ok("none");
    let fits = (0..2).all(|i| s.kernel[i] > 1 && s.padding[i] < s.kernel[i]);
    s.resample != Resample::Keep
        && s.stride == 1
        && fits
        && filter == images.arithmetic()
        && *WANTED.get_or_init(wanted)
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

/// Its filter in the images' type, from that of the convolution.
pub(super) fn filter(s: &ConvShape, w: &CudaTensor, images: Element) -> Result<CudaTensor> {
    let order = if w.gpu().wants_pixels(images) { Order::Pixels } else { Order::Planes };
    let function = if images == w.element() { "fold" } else { "fold_round" };
    fold(s, w, Taps::More, order, [images, images], function)
}

/// The adjoint of [`filter`]: its cotangent in the type of the convolution's filter.
pub(super) fn filter_gradient(s: &ConvShape, g: &CudaTensor) -> Result<CudaTensor> {
    let (images, filter) = (g.element(), g.element().arithmetic());
    let function = if images == filter { "fold" } else { "fold_widen" };
    fold(s, g, Taps::Fewer, Order::Planes, [images, filter], function)
}

/// Which side of a fold has a tap more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taps {
    More,
    Fewer,
}

/// Sums of neighbouring taps, or their means, by a kernel for images of the first type into the second. Of a doubled image's convolution
/// input and output channels change places, and taps run backward.
fn fold(
    s: &ConvShape,
    x: &CudaTensor,
    taps: Taps,
    order: Order,
    [images, element]: [Element; 2],
    function: &'static str,
) -> Result<CudaTensor> {
    let (turns, factor) = if s.resample == Resample::DoubleInput { (true, 1.0) } else { (false, 0.25) };
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
    let y = CudaTensor::in_memory(x.gpu(), element, &[a, b, new[0], new[1]], order)?;
    let (sizes, moves, tap_axis) = match order {
        Order::Planes => ([a, b, new[0], new[1]], [step_a, step_b, 0, 0], 2usize),
        Order::Pixels => ([a, new[0], new[1], b], [step_a, 0, 0, step_b], 1),
    };
    let own = words![tap_axis, steps[2], steps[3], rows, columns, turns, side, factor];
    let words = [words![y.len(), x, &y, sizes.map(Divisor), moves], own].concat();
    x.gpu().map(Kernel { text: &FOLD, function, element: images }, &words)?;
    Ok(y)
}
