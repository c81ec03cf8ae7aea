//! Convolution and its two adjoints.

use candle_core::{DType, Result};

use super::cpu::conv as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::conv as cuda;
use crate::cuda::texts::Element;
use crate::ops::conv::ConvShape;
use crate::value::Value;

/// The ReLUs around a convolution that cost no pass over memory of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Relus {
    /// Of the input.
    pub(crate) before: bool,
    /// Of the output.
    pub(crate) after: bool,
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(crate) fn conv2d(s: &ConvShape, x: &Value, w: &Value, bias: Option<&Value>, relus: Relus) -> Result<Value> {
    let shape = &s.output()[..];
    match bias {
        Some(b) => dispatch!(on_any_type: "conv2d", [x, w, b], T => {
            let y = cpu::convolution(s, &view::<T>(x)?, &view::<T>(w)?, Some(&view::<T>(b)?[..]), relus);
            tensor(y, shape)
        }, cuda in any order => cuda::conv2d(s, x, w, [Some(b), None], relus).map(Value::Cuda)),
        None => dispatch!(on_any_type: "conv2d", [x, w], T => {
            tensor(cpu::convolution(s, &view::<T>(x)?, &view::<T>(w)?, None, relus), shape)
        }, cuda in any order => cuda::conv2d(s, x, w, [None; 2], relus).map(Value::Cuda)),
    }
}

/// [`conv2d`] with a bias, and an array of its shape added last.
pub(crate) fn conv2d_onto(s: &ConvShape, [x, w, b, onto]: [&Value; 4], relus: Relus) -> Result<Value> {
    dispatch!(on_any_type: "conv2d", [x, w, b, onto], T => {
        let mut y = cpu::convolution(s, &view::<T>(x)?, &view::<T>(w)?, Some(&view::<T>(b)?[..]), relus);
        y.iter_mut().zip(view::<T>(onto)?.iter()).for_each(|(y, more)| *y += *more);
        tensor(y, &s.output()[..])
    }, cuda in any order => cuda::conv2d(s, x, w, [Some(b), Some(onto)], relus).map(Value::Cuda))
}

/// The cotangent of the input from that of the output.
pub(crate) fn input_gradient(s: &ConvShape, gy: &Value, w: &Value) -> Result<Value> {
    dispatch!(on_any_type: "conv2d_input_grad", [gy, w], T => {
        let gx = cpu::input_gradient(s, &view::<T>(gy)?, &view::<T>(w)?, None);
        tensor(gx, &s.input()[..])
    }, cuda in any order => cuda::input_gradient(s, gy, w, None).map(Value::Cuda))
}

/// [`input_gradient`] of a convolution of `relu(x)`: zero where `x` is not positive.
pub(crate) fn rectified_input_gradient(s: &ConvShape, gy: &Value, w: &Value, x: &Value) -> Result<Value> {
    dispatch!(on_any_type: "conv2d_input_grad", [gy, w, x], T => {
        let gx = cpu::input_gradient(s, &view::<T>(gy)?, &view::<T>(w)?, Some(&view::<T>(x)?[..]));
        tensor(gx, &s.input()[..])
    }, cuda in any order => cuda::input_gradient(s, gy, w, Some(x)).map(Value::Cuda))
}

/// The cotangent of a filter of this type, which may lie pixel by pixel if so said, from the input, or from its ReLU, and the cotangent
/// of the output.
pub(crate) fn filter_gradient(
    s: &ConvShape,
    [x, gy]: [&Value; 2],
    relu: bool,
    (filter, pixels): (DType, bool),
) -> Result<Value> {
    dispatch!("conv2d_weight_grad", [x, gy], T => {
        let gw = cpu::filter_gradient(s, &view::<T>(x)?, &view::<T>(gy)?, relu);
        tensor(gw, (s.out_channels, s.in_channels, s.kernel[0], s.kernel[1]))
    }, cuda in any order => {
        let filter = Element::of("conv2d_weight_grad", filter)?;
        cuda::filter_gradient(s, [x, gy], relu, (filter, pixels)).map(Value::Cuda)
    })
}
