//! Convolution and its two adjoints, by implicit matrix products; a change of resolution is a launch of its own.

use candle_core::Result;

use super::matmul::{parts, tiles};
use super::pool;
use super::reduce::sum_axis;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::CONV;
use crate::cuda::words::words;
use crate::kernels::conv::Relus;
use crate::ops::conv::{ConvShape, Resample};

/// Sizes of the product: rows, terms, columns.
struct Sizes {
    m: usize,
    k: usize,
    n: usize,
    parts: usize,
}

fn run(
    function: &'static str,
    s: &ConvShape,
    sizes: &Sizes,
    [x, w, y]: [&CudaTensor; 3],
    bias: Option<&CudaTensor>,
    relus: Relus,
) -> Result<()> {
    let Sizes { m, k, n, parts } = *sizes;
    let blocks = if k == 0 { 0 } else { tiles(m, n) * parts };
    let planes = [s.in_channels, s.out_channels, s.height, s.width, s.out_height(), s.out_width()];
    let product = words![blocks, x, w, bias, y, m, k, n, parts];
    let filter = words![planes, s.kernel, s.stride, s.padding, relus.before, relus.after];
    x.blocks(&CONV, function, &[product, filter].concat())
}

fn plain(s: &ConvShape) -> ConvShape {
    ConvShape { resample: Resample::Keep, ..*s }
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(crate) fn conv2d(
    s: &ConvShape,
    x: &CudaTensor,
    w: &CudaTensor,
    bias: Option<&CudaTensor>,
    relus: Relus,
) -> Result<CudaTensor> {
    match s.resample {
        Resample::DoubleInput => return conv2d(&plain(s), &pool::double(x, 1.0)?, w, bias, relus),
        Resample::HalveOutput => return pool::sum_cells(&conv2d(&plain(s), x, w, bias, relus)?, 0.25),
        Resample::Keep => {}
    }
    let taps = s.in_channels * s.kernel[0] * s.kernel[1];
    let sizes = Sizes { m: s.out_channels, k: taps, n: s.batch * s.out_height() * s.out_width(), parts: 1 };
    let y = x.like(&s.output())?;
    run("conv_forward", s, &sizes, [x, w, &y], bias, relus)?;
    Ok(y)
}

/// The cotangent of the input; zero where `gate`, the input whose ReLU was convolved, is not positive.
pub(crate) fn input_gradient(
    s: &ConvShape,
    gy: &CudaTensor,
    w: &CudaTensor,
    gate: Option<&CudaTensor>,
) -> Result<CudaTensor> {
    match s.resample {
        Resample::DoubleInput => return pool::sum_cells(&input_gradient(&plain(s), gy, w, None)?, 1.0),
        Resample::HalveOutput => return input_gradient(&plain(s), &pool::double(gy, 0.25)?, w, None),
        Resample::Keep => {}
    }
    let taps = s.out_channels * s.kernel[0] * s.kernel[1];
    let sizes = Sizes { m: s.in_channels, k: taps, n: s.batch * s.height * s.width, parts: 1 };
    let gx = gy.like(&s.input())?;
    run("conv_input", s, &sizes, [gy, w, &gx], gate, Relus::default())?;
    Ok(gx)
}

/// The cotangent of the filter; of the ReLU of `x` if `relu`.
pub(crate) fn filter_gradient(s: &ConvShape, x: &CudaTensor, gy: &CudaTensor, relu: bool) -> Result<CudaTensor> {
    match s.resample {
        Resample::DoubleInput => return filter_gradient(&plain(s), &pool::double(x, 1.0)?, gy, relu),
        Resample::HalveOutput => return filter_gradient(&plain(s), x, &pool::double(gy, 0.25)?, relu),
        Resample::Keep => {}
    }
    let (m, n) = (s.out_channels, s.in_channels * s.kernel[0] * s.kernel[1]);
    let k = s.batch * s.out_height() * s.out_width();
    let parts = parts(tiles(m, n), k);
    let gw = x.like(&[parts, m * n])?;
    run("conv_filter", s, &Sizes { m, k, n, parts }, [x, gy, &gw], None, Relus { before: relu, after: false })?;
    let gw = if parts == 1 { gw } else { sum_axis(&gw, (1, parts, m * n))? };
    Ok(gw.reshape(&[s.out_channels, s.in_channels, s.kernel[0], s.kernel[1]]))
}
