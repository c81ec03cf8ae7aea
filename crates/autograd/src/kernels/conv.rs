//! Convolution and its two adjoints.

use candle_core::Result;

use super::cpu::conv as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::ops::conv::ConvShape;
use crate::value::Value;

/// `y = x * w + bias`, then a ReLU if asked.
pub(crate) fn conv2d(s: &ConvShape, x: &Value, w: &Value, bias: Option<&Value>, relu: bool) -> Result<Value> {
    let shape = (s.batch, s.out_channels, s.out_height(), s.out_width());
    match bias {
        Some(b) => dispatch!("conv2d", [x, w, b], T => {
            let y = cpu::convolution(s, &view::<T>(x)?, &view::<T>(w)?, Some(&view::<T>(b)?[..]), relu);
            tensor(y, shape)
        }),
        None => dispatch!("conv2d", [x, w], T => {
            tensor(cpu::convolution(s, &view::<T>(x)?, &view::<T>(w)?, None, relu), shape)
        }),
    }
}

/// The cotangent of the input from that of the output.
pub(crate) fn input_gradient(s: &ConvShape, gy: &Value, w: &Value) -> Result<Value> {
    dispatch!("conv2d_input_grad", [gy, w], T => {
        let gx = cpu::input_gradient(s, &view::<T>(gy)?, &view::<T>(w)?);
        tensor(gx, (s.batch, s.in_channels, s.height, s.width))
    })
}

/// The cotangent of the filter from the input and the cotangent of the output.
pub(crate) fn filter_gradient(s: &ConvShape, x: &Value, gy: &Value) -> Result<Value> {
    dispatch!("conv2d_weight_grad", [x, gy], T => {
        let gw = cpu::filter_gradient(s, &view::<T>(x)?, &view::<T>(gy)?);
        tensor(gw, (s.out_channels, s.in_channels, s.kernel[0], s.kernel[1]))
    })
}
