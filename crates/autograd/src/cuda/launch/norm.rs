//! Batch normalisation: two launches forward (statistics, values), three back.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::NORM;
use crate::cuda::words::words;
use crate::kernels::norm::NormShape;

/// The struct of the kernels: one for all, with what a kernel does not use left null.
#[derive(Clone, Copy, Default)]
struct Arguments<'a> {
    x: Option<&'a CudaTensor>,
    scale: Option<&'a CudaTensor>,
    shift: Option<&'a CudaTensor>,
    y: Option<&'a CudaTensor>,
    g: Option<&'a CudaTensor>,
    mean: Option<&'a CudaTensor>,
    variance: Option<&'a CudaTensor>,
    inverse: Option<&'a CudaTensor>,
    out: Option<&'a CudaTensor>,
    plain: Option<&'a CudaTensor>,
    weighted: Option<&'a CudaTensor>,
    relu: bool,
    epsilon: f64,
}

impl Arguments<'_> {
    fn words(&self, s: &NormShape, n: usize) -> Vec<u64> {
        let inputs = [self.x, self.scale, self.shift, self.y, self.g];
        let outputs = [self.mean, self.variance, self.inverse, self.out, self.plain, self.weighted];
        words![n, inputs, outputs, s.batch, s.channels, s.area, s.affine_rows, self.relu, self.epsilon]
    }
}

/// Mean, biased variance, and `1 / sqrt(variance + epsilon)` of each channel.
pub(crate) fn statistics(s: &NormShape, epsilon: f64, x: &CudaTensor) -> Result<[CudaTensor; 3]> {
    let channels = [s.channels];
    let own = || x.like_in_arithmetic(&channels);
    let [mean, variance, inverse] = [own()?, own()?, own()?];
    let arguments = Arguments {
        x: Some(x),
        mean: Some(&mean),
        variance: Some(&variance),
        inverse: Some(&inverse),
        epsilon,
        ..Arguments::default()
    };
    x.blocks(&NORM, "norm_statistics", &arguments.words(s, s.channels))?;
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
    x.each(&NORM, "norm_forward", &arguments.words(s, x.len()))?;
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
    x.each(&NORM, "norm_backward", &arguments.words(s, x.len()))?;
    let [gscale, gshift] = sums;
    Ok([gx, gscale.reshape(scale.dims()), gshift.reshape(scale.dims())])
}
