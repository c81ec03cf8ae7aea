//! Convolution and its two adjoints: by cuDNN, or by implicit matrix products. A change of resolution is a stride of another
//! filter ([`fold`]), or for a 1x1 filter a launch of its own, and so are the ReLUs and the bias where cuDNN convolves.

use candle_core::Result;

use super::matmul::{parts, tiles};
use super::reduce::sum_axis;
use super::{bias_act, elementwise, fold, pool};
use crate::cuda::gpu::Planned;
use crate::cuda::library::{Call, ConvolutionCall, Pass};
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::{CONV, Element};
use crate::cuda::words::words;
use crate::kernels::bias_act::Layout;
use crate::kernels::conv::Relus;
use crate::kernels::elementwise::{Binary, Gate, Unary};
use crate::ops::bias_act::{Activation, BiasAct};
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
    [bias, gate]: [Option<&CudaTensor>; 2],
    relus: Relus,
) -> Result<()> {
    let bias = bias.map(|bias| bias.in_type(x.element().arithmetic())).transpose()?;
    let Sizes { m, k, n, parts } = *sizes;
    let blocks = if k == 0 { 0 } else { tiles(m, n) * parts };
    let planes = [s.in_channels, s.out_channels, s.height, s.width, s.out_height(), s.out_width()];
    let product = words![blocks, x, w, bias.as_ref(), gate, y, m, k, n, parts];
    let filter = words![planes, s.kernel, s.stride, s.padding, relus.before, relus.after];
    x.blocks(&CONV, function, &[product, filter].concat())
}

/// A way of cuDNN's to do a pass without bias and ReLUs, and the order of images that it takes; `None` if there is none.
fn planned(s: &ConvShape, pass: Pass, x: &CudaTensor) -> Result<Option<(Planned, Order)>> {
    let wanted = if x.gpu().wants_pixels(x.element()) { Order::Pixels } else { Order::Planes };
    for order in [wanted, Order::Planes] {
        let call = Call::Convolution(ConvolutionCall {
            element: x.element(),
            tf32: x.gpu().allows_tf32(),
            pass,
            order,
            batch: s.batch,
            in_channels: s.in_channels,
            out_channels: s.out_channels,
            size: [s.height, s.width],
            out_size: [s.out_height(), s.out_width()],
            kernel: s.kernel,
            stride: s.stride,
            padding: s.padding,
        });
        if let Some(planned) = x.gpu().plan(call)? {
            return Ok(Some((planned, order)));
        }
    }
    Ok(None)
}

/// Both operands are put in the order of the result.
fn by_library(planned: &Planned, [a, b]: [&CudaTensor; 2], out: &CudaTensor) -> Result<()> {
    let [a, b] = [a.in_order(out.order())?, b.in_order(out.order())?];
    a.gpu().call(planned, [a.address(), b.address(), out.address()])
}

/// What own kernels, which know planes alone, give to ops that were asked for pixels.
fn as_asked(y: CudaTensor) -> Result<CudaTensor> {
    if y.gpu().forces_pixels() { y.in_order(Order::Pixels) } else { Ok(y) }
}

/// `relu(x)` if `on`.
fn rectified(x: &CudaTensor, on: bool) -> Result<CudaTensor> {
    if on { elementwise::unary(Unary::LeakyRelu(0.0), x) } else { Ok(x.clone()) }
}

/// What follows a convolution of cuDNN's.
fn finish(s: &ConvShape, y: CudaTensor, [bias, onto]: [Option<&CudaTensor>; 2], relu: bool) -> Result<CudaTensor> {
    if bias.is_none() && onto.is_none() && !relu {
        return Ok(y);
    }
    let activation = if relu { Activation::Relu } else { Activation::Linear };
    let layout = Layout { outer: s.batch, channels: s.out_channels, inner: s.out_height() * s.out_width() };
    bias_act::forward_onto(&BiasAct { gain: 1.0, ..BiasAct::new(activation) }, layout, &y, bias, onto)
}

/// `y + onto`, where there is one.
fn added(y: CudaTensor, onto: Option<&CudaTensor>) -> Result<CudaTensor> {
    match onto {
        Some(onto) => elementwise::binary(Binary::Add, &y, onto, y.dims()),
        None => Ok(y),
    }
}

fn plain(s: &ConvShape) -> ConvShape {
    ConvShape { resample: Resample::Keep, ..*s }
}

/// `y = x * w + bias`, with ReLUs before and after, and an array of its shape added last.
pub(crate) fn conv2d(
    s: &ConvShape,
    x: &CudaTensor,
    w: &CudaTensor,
    [bias, onto]: [Option<&CudaTensor>; 2],
    relus: Relus,
) -> Result<CudaTensor> {
    if fold::folds(s, x.element(), w.element()) {
        let (strided, filter) = (fold::strided(s), fold::filter(s, w, x.element())?);
        return match s.resample {
            Resample::DoubleInput => {
                let y = input_gradient(&strided, &rectified(x, relus.before)?, &filter, None)?;
                finish(s, y, [bias, onto], relus.after)
            }
            _ => conv2d(&strided, x, &filter, [bias, onto], relus),
        };
    }
    let w = &w.in_type(x.element())?;
    match s.resample {
        Resample::DoubleInput => return conv2d(&plain(s), &pool::double(x, 1.0)?, w, [bias, onto], relus),
        Resample::HalveOutput => {
            return added(pool::sum_cells(&conv2d(&plain(s), x, w, [bias, None], relus)?, 0.25)?, onto);
        }
        Resample::Keep => {}
    }
    let taps = s.in_channels * s.kernel[0] * s.kernel[1];
    let sizes = Sizes { m: s.out_channels, k: taps, n: s.batch * s.out_height() * s.out_width(), parts: 1 };
    if let Some((planned, order)) = planned(s, Pass::Output, x)? {
        let y = x.like_in(&s.output(), order)?;
        by_library(&planned, [&rectified(x, relus.before)?, w], &y)?;
        return finish(s, y, [bias, onto], relus.after);
    }
    let y = x.like(&s.output())?;
    run("conv_forward", s, &sizes, [&x.planes()?, &w.planes()?, &y], [bias, None], relus)?;
    added(as_asked(y)?, onto)
}

/// The cotangent of the input; zero where `gate`, the input whose ReLU was convolved, is not positive.
pub(crate) fn input_gradient(
    s: &ConvShape,
    gy: &CudaTensor,
    w: &CudaTensor,
    gate: Option<&CudaTensor>,
) -> Result<CudaTensor> {
    if fold::folds(s, gy.element(), w.element()) {
        let (strided, filter) = (fold::strided(s), fold::filter(s, w, gy.element())?);
        return match s.resample {
            Resample::DoubleInput => conv2d(&strided, gy, &filter, [None; 2], Relus::default()),
            _ => input_gradient(&strided, gy, &filter, None),
        };
    }
    let w = &w.in_type(gy.element())?;
    match s.resample {
        Resample::DoubleInput => return pool::sum_cells(&input_gradient(&plain(s), gy, w, None)?, 1.0),
        Resample::HalveOutput => return input_gradient(&plain(s), &pool::double(gy, 0.25)?, w, None),
        Resample::Keep => {}
    }
    let taps = s.out_channels * s.kernel[0] * s.kernel[1];
    let sizes = Sizes { m: s.in_channels, k: taps, n: s.batch * s.height * s.width, parts: 1 };
    if let Some((planned, order)) = planned(s, Pass::Input, gy)? {
        let gx = gy.like_in(&s.input(), order)?;
        by_library(&planned, [gy, w], &gx)?;
        return match gate {
            Some(x) => elementwise::gate(Gate::Slope(0.0), &gx, x),
            None => Ok(gx),
        };
    }
    let gx = gy.like(&s.input())?;
    let gate = gate.map(CudaTensor::planes).transpose()?;
    run("conv_input", s, &sizes, [&gy.planes()?, &w.planes()?, &gx], [None, gate.as_ref()], Relus::default())?;
    as_asked(gx)
}

/// The cotangent of a filter of this type, of the ReLU of `x` if `relu`. It is row-major unless the filter lies pixel by pixel: whoever
/// reads the gradient of such a one takes both.
pub(crate) fn filter_gradient(
    s: &ConvShape,
    [x, gy]: [&CudaTensor; 2],
    relu: bool,
    (filter, pixels): (Element, bool),
) -> Result<CudaTensor> {
    if fold::folds(s, x.element(), filter) {
        let strided = fold::strided(s);
        let gradient = match s.resample {
            Resample::DoubleInput => plain_filter_gradient(&strided, [gy, &rectified(x, relu)?], false)?,
            _ => plain_filter_gradient(&strided, [x, gy], relu)?,
        };
        return fold::filter_gradient(s, &gradient);
    }
    let gradient = match s.resample {
        Resample::DoubleInput => plain_filter_gradient(&plain(s), [&pool::double(x, 1.0)?, gy], relu),
        Resample::HalveOutput => plain_filter_gradient(&plain(s), [x, &pool::double(gy, 0.25)?], relu),
        Resample::Keep => plain_filter_gradient(s, [x, gy], relu),
    }?;
    if pixels { gradient } else { gradient.planes()? }.in_type(filter)
}

/// [`filter_gradient`] of a convolution that keeps the resolution, in the images' type and in the order that it came in.
fn plain_filter_gradient(s: &ConvShape, [x, gy]: [&CudaTensor; 2], relu: bool) -> Result<CudaTensor> {
    let (m, n) = (s.out_channels, s.in_channels * s.kernel[0] * s.kernel[1]);
    let k = s.batch * s.out_height() * s.out_width();
    let filter = [s.out_channels, s.in_channels, s.kernel[0], s.kernel[1]];
    if let Some((planned, order)) = planned(s, Pass::Filter, x)? {
        let gw = x.like_in(&filter, order)?;
        by_library(&planned, [&rectified(x, relu)?, gy], &gw)?;
        return Ok(gw);
    }
    let (x, gy, gw) = (&x.planes()?, &gy.planes()?, x.like(&[m, n])?);
    let parts = parts(tiles(m, n), k);
    let relus = Relus { before: relu, after: false };
    if parts == 1 {
        run("conv_filter", s, &Sizes { m, k, n, parts }, [x, gy, &gw], [None; 2], relus)?;
        return Ok(gw.reshape(&filter));
    }
    let sums = x.like(&[parts, m * n])?;
    run("conv_filter", s, &Sizes { m, k, n, parts }, [x, gy, &sums], [None; 2], relus)?;
    Ok(sum_axis(&sums, (1, parts, m * n))?.reshape(&filter))
}
