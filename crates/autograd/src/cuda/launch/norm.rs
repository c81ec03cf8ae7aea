//! Batch normalisation: two launches forward (statistics, values) or three where channels are long, three back.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::NORM;
use crate::cuda::words::{Divisor, words};
use crate::kernels::norm::NormShape;

/// Values of a channel that a block takes, as in `norm.cu`.
const PART: usize = 8192;

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
}

impl Arguments<'_> {
    fn words(&self, s: &NormShape, n: usize) -> Vec<u64> {
        let inputs = [self.x, self.scale, self.shift, self.y, self.g];
        let others = [self.mean, self.inverse, self.out, self.plain, self.weighted];
        let [channels, area, affine_rows] = [s.channels, s.area, s.affine_rows].map(Divisor);
        words![n, inputs, others, channels, area, affine_rows, self.relu]
    }
}

/// Mean, biased variance, and `1 / sqrt(variance + epsilon)` of each channel.
pub(crate) fn statistics(s: &NormShape, epsilon: f64, x: &CudaTensor) -> Result<[CudaTensor; 3]> {
    let own = |len: usize| x.like_in_arithmetic(&[len]);
    let [mean, variance, inverse] = [own(s.channels)?, own(s.channels)?, own(s.channels)?];
    let count = s.batch * s.area;
    let parts = count.div_ceil(PART).max(1);
    let statistics = |out: [Option<&CudaTensor>; 3]| {
        let sizes = [s.channels, s.area, parts].map(Divisor);
        let words = words![s.channels * parts, x, out, sizes, count, epsilon];
        x.blocks(&NORM, "norm_statistics", &words)
    };
    if parts == 1 {
        statistics([Some(&mean), Some(&variance), Some(&inverse)])?;
    } else {
        let [means, squares] = [own(s.channels * parts)?, own(s.channels * parts)?];
        statistics([Some(&means), Some(&squares), None])?;
        let words = words![s.channels, &means, &squares, &mean, &variance, &inverse, parts, count, epsilon];
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
    let out = x.like(x.dims())?;
    let arguments = Arguments {
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
    let planes = [s.batch, s.channels];
    let [plain, weighted] = [x.like_in_arithmetic(&planes)?, x.like_in_arithmetic(&planes)?];
    let arguments = Arguments {
        x: Some(x),
        scale: Some(scale),
        y,
        g: Some(g),
        mean: Some(mean),
        inverse: Some(inverse),
        plain: Some(&plain),
        weighted: Some(&weighted),
        relu: y.is_some(),
        ..Arguments::default()
    };
    x.blocks(&NORM, "norm_plane_sums", &arguments.words(s, s.batch * s.channels))?;
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
    let gx = x.like(x.dims())?;
    let arguments = Arguments { plain: Some(&means[0]), weighted: Some(&means[1]), out: Some(&gx), ..arguments };
    x.map(&NORM, "norm_backward", &arguments.words(s, x.len()))?;
    let [gscale, gshift] = sums;
    Ok([gx, gscale.reshape(scale.dims()), gshift.reshape(scale.dims())])
}
