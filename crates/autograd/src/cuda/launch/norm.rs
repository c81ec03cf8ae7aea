//! Batch normalisation: two launches forward (statistics, values) or three where channels are long, three back.

use candle_core::Result;

use super::elementwise::alike_in_order;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::NORM;
use crate::cuda::words::{Divisor, words};
use crate::kernels::norm::NormShape;

/// Values of a channel that a block takes, as in `norm.cu`.
const PART: usize = 8192;
/// The same where images lie pixel by pixel, and a block takes so many channels.
const PIXELS_PART: usize = 512;
const CHANNELS: usize = 32;

/// The struct of the kernels: one for all, with what a kernel does not use left null.
#[derive(Clone, Copy, Default)]
struct Arguments<'a> {
    x: Option<&'a CudaTensor>,
    scale: Option<&'a CudaTensor>,
    shift: Option<&'a CudaTensor>,
    y: Option<&'a CudaTensor>,
    g: Option<&'a CudaTensor>,
    mean: Option<&'a CudaTensor>,
    inverse: Option<&'a CudaTensor>,
    out: Option<&'a CudaTensor>,
    plain: Option<&'a CudaTensor>,
    weighted: Option<&'a CudaTensor>,
    relu: bool,
    pixels: bool,
}

impl Arguments<'_> {
    fn words(&self, s: &NormShape, n: usize) -> Vec<u64> {
        let inputs = [self.x, self.scale, self.shift, self.y, self.g];
        let others = [self.mean, self.inverse, self.out, self.plain, self.weighted];
        let [channels, area, affine_rows] = [s.channels, s.area, s.affine_rows].map(Divisor);
        words![n, inputs, others, channels, area, affine_rows, self.relu, self.pixels]
    }
}

/// Mean, biased variance, and `1 / sqrt(variance + epsilon)` of each channel.
pub(crate) fn statistics(s: &NormShape, epsilon: f64, x: &CudaTensor) -> Result<[CudaTensor; 3]> {
    let own = |len: usize| x.like_in_arithmetic(&[len]);
    let [mean, variance, inverse] = [own(s.channels)?, own(s.channels)?, own(s.channels)?];
    let count = s.batch * s.area;
    // A kernel, what a block takes of a channel, and how many channels it takes.
    let (function, part, channels) = match x.order() {
        Order::Planes => ("norm_statistics", PART, 1),
        Order::Pixels => ("norm_pixel_statistics", PIXELS_PART, CHANNELS),
    };
    let parts = count.div_ceil(part).max(1);
    let statistics = |out: [Option<&CudaTensor>; 3]| {
        let (blocks, sizes) = (s.channels.div_ceil(channels) * parts, [s.channels, s.area, parts].map(Divisor));
        x.blocks(&NORM, function, &words![blocks, x, out, sizes, count, epsilon])
    };
    if parts == 1 {
        statistics([Some(&mean), Some(&variance), Some(&inverse)])?;
    } else {
        let [means, squares] = [own(s.channels * parts)?, own(s.channels * parts)?];
        statistics([Some(&means), Some(&squares), None])?;
        let words = words![s.channels, &means, &squares, &mean, &variance, &inverse, parts, part, count, epsilon];
        x.each(&NORM, "norm_join", &words)?;
    }
    Ok([mean, variance, inverse])
}

pub(crate) fn forward(
    s: &NormShape,
    x: &CudaTensor,
    [mean, inverse]: [&CudaTensor; 2],
    [scale, shift]: [&CudaTensor; 2],
    relu: bool,
) -> Result<CudaTensor> {
    let out = x.like_itself()?;
    let arguments = Arguments {
        pixels: x.order() == Order::Pixels,
        x: Some(x),
        mean: Some(mean),
        inverse: Some(inverse),
        scale: Some(scale),
        shift: Some(shift),
        out: Some(&out),
        relu,
        ..Arguments::default()
    };
    x.map(&NORM, "norm_forward", &arguments.words(s, x.len()))?;
    Ok(out)
}

/// Cotangents of input, scale and shift. `y` is the output if a ReLU came last.
pub(crate) fn backward(
    s: &NormShape,
    x: &CudaTensor,
    [mean, inverse]: [&CudaTensor; 2],
    scale: &CudaTensor,
    y: Option<&CudaTensor>,
    g: &CudaTensor,
) -> Result<[CudaTensor; 3]> {
    let relu = y.is_some();
    let [x, y, g] = &alike_in_order([x, y.unwrap_or(g), g])?;
    let pixels = x.order() == Order::Pixels;
    let planes = [s.batch, s.channels];
    let [plain, weighted] = [x.like_in_arithmetic(&planes)?, x.like_in_arithmetic(&planes)?];
    let arguments = Arguments {
        x: Some(x),
        scale: Some(scale),
        y: relu.then_some(y),
        g: Some(g),
        mean: Some(mean),
        inverse: Some(inverse),
        plain: Some(&plain),
        weighted: Some(&weighted),
        relu,
        pixels,
        ..Arguments::default()
    };
    let (function, blocks) = match x.order() {
        Order::Planes => ("norm_plane_sums", s.batch * s.channels),
        Order::Pixels => ("norm_pixel_sums", s.batch * s.channels.div_ceil(CHANNELS)),
    };
    x.blocks(&NORM, function, &arguments.words(s, blocks))?;
    let channels = [s.channels];
    let means = [x.like_in_arithmetic(&channels)?, x.like_in_arithmetic(&channels)?];
    // With one scale a sample the sums of the planes are the cotangents themselves.
    let per_channel = s.affine_rows == 1;
    let sums = if per_channel {
        [scale.like(scale.dims())?, scale.like(scale.dims())?]
    } else {
        [weighted.clone(), plain.clone()]
    };
    let targets = [per_channel.then_some(&sums[0]), per_channel.then_some(&sums[1])];
    let count = s.batch * s.area;
    let words = words![
        s.channels,
        &plain,
        &weighted,
        scale,
        &means[0],
        &means[1],
        targets,
        s.batch,
        s.channels,
        s.affine_rows,
        count
    ];
    x.each(&NORM, "norm_means", &words)?;
    let gx = x.like_itself()?;
    let arguments = Arguments { plain: Some(&means[0]), weighted: Some(&means[1]), out: Some(&gx), ..arguments };
    x.map(&NORM, "norm_backward", &arguments.words(s, x.len()))?;
    let [gscale, gshift] = sums;
    Ok([gx, gscale.reshape(scale.dims()), gshift.reshape(scale.dims())])
}
