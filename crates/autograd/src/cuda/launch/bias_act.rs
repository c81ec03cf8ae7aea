//! A bias, an activation, a gain and a clamp in one launch, and their gradient in one.

use candle_core::Result;

use super::elementwise::alike_in_order;
use super::reduce::sum_axis_in;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::BIAS_ACT;
use crate::cuda::words::{Divisor, words};
use crate::kernels::bias_act::Layout;
use crate::ops::bias_act::{Activation, BiasAct};

/// The number of an activation in `bias_act.cu`.
fn number(activation: Activation) -> usize {
    match activation {
        Activation::Linear => 0,
        Activation::Relu => 1,
        Activation::Lrelu => 2,
        Activation::Tanh => 3,
        Activation::Sigmoid => 4,
        Activation::Elu => 5,
        Activation::Selu => 6,
        Activation::Softplus => 7,
        Activation::Swish => 8,
    }
}

fn run(
    function: &'static str,
    f: &BiasAct,
    layout: Layout,
    x: &CudaTensor,
    bias: Option<&CudaTensor>,
    [g, onto]: [Option<&CudaTensor>; 2],
) -> Result<CudaTensor> {
    let y = x.like_itself()?;
    let bias = bias.map(|bias| bias.in_type(x.element().arithmetic())).transpose()?;
    let bias = bias.as_ref();
    let (channels, inner) = (Divisor(layout.channels), Divisor(layout.inner));
    let (clamps, limit) = (f.clamp.is_some(), f.clamp.unwrap_or(0.0));
    let head = words![x.len(), x, bias, g, onto, &y, channels, inner, number(f.activation), clamps];
    x.map(&BIAS_ACT, function, &[head, words![f.alpha, f.gain, limit]].concat())?;
    Ok(y)
}

/// The layout in memory of an array that is `layout` row-major; row-major it is made, where its channels are not images'.
fn in_memory(layout: Layout, x: &CudaTensor) -> Result<(Layout, CudaTensor)> {
    let Layout { outer, channels, inner } = layout;
    match x.order() {
        Order::Pixels if x.dims()[1] == channels && x.dims()[0] == outer => {
            Ok((Layout { outer: outer * inner, channels, inner: 1 }, x.clone()))
        }
        _ => Ok((layout, x.planes()?)),
    }
}

pub(crate) fn forward(f: &BiasAct, layout: Layout, x: &CudaTensor, bias: Option<&CudaTensor>) -> Result<CudaTensor> {
    forward_onto(f, layout, x, bias, None)
}

/// [`forward`], plus an array of the same shape, added last.
pub(crate) fn forward_onto(
    f: &BiasAct,
    layout: Layout,
    x: &CudaTensor,
    bias: Option<&CudaTensor>,
    onto: Option<&CudaTensor>,
) -> Result<CudaTensor> {
    let (layout, x) = in_memory(layout, x)?;
    let onto = onto.map(|onto| onto.in_order(x.order())).transpose()?;
    run("bias_act", f, layout, &x, bias, [None, onto.as_ref()])
}

/// `known` is the output, or for some activations the input with its bias. With the bias' cotangent, in the type of arithmetic, if
/// `sums`.
pub(crate) fn backward(
    f: &BiasAct,
    layout: Layout,
    g: &CudaTensor,
    known: &CudaTensor,
    bias: Option<&CudaTensor>,
    sums: bool,
) -> Result<(CudaTensor, Option<CudaTensor>)> {
    let [known, g] = alike_in_order([known, g])?;
    let (layout, known) = in_memory(layout, &known)?;
    let gx = run("bias_act_grad", f, layout, &known, bias, [Some(&g.in_order(known.order())?), None])?;
    let Layout { outer, channels, inner } = layout;
    let sum = || -> Result<CudaTensor> {
        let element = gx.element().arithmetic();
        let planes = if inner == 1 { gx.clone() } else { sum_axis_in(&gx, (outer * channels, inner, 1), element)? };
        Ok(sum_axis_in(&planes, (1, outer, channels), element)?.reshape(&[channels]))
    };
    let gb = if sums { Some(sum()?) } else { None };
    Ok((gx, gb))
}
