//! A bias, an activation, a gain and a clamp in one pass, and their gradient in one.

use candle_core::Result;

use super::cpu::bias_act as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::bias_act as cuda;
use crate::ops::bias_act::BiasAct;
use crate::value::Value;

/// `selu(x) = SCALE * x` above zero, `SCALE * ALPHA * (e^x - 1)` below (Klambauer et al. 2017).
pub(crate) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
pub(crate) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// An array as `[outer, channels, inner]`, with a bias a channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) outer: usize,
    pub(crate) channels: usize,
    pub(crate) inner: usize,
}

pub(crate) fn forward(f: &BiasAct, layout: Layout, x: &Value, bias: Option<&Value>) -> Result<Value> {
    let b = bias.unwrap_or(x);
    dispatch!(on_any_type: "bias_act", [x, b], T => {
        let b = bias.map(|_| view::<T>(b)).transpose()?;
        tensor(cpu::forward(f, layout, &view::<T>(x)?, b.as_deref()), x.shape())
    }, cuda in any order => cuda::forward(f, layout, x, bias.map(|_| b)).map(Value::Cuda))
}

/// What the gradient is computed from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Known<'a> {
    Output(&'a Value),
    /// With the bias.
    Input(&'a Value, Option<&'a Value>),
}

/// The cotangent of the input, and of the bias if `sums`, which of a half is in F32.
pub(crate) fn backward(
    f: &BiasAct,
    layout: Layout,
    g: &Value,
    known: Known,
    sums: bool,
) -> Result<(Value, Option<Value>)> {
    let (values, bias) = match known {
        Known::Output(y) => (y, None),
        Known::Input(x, bias) => (x, bias),
    };
    let b = bias.unwrap_or(values);
    dispatch!(on_any_type: "bias_act_grad", [g, values, b], T => {
        let b = bias.map(|_| view::<T>(b)).transpose()?;
        let (gx, gb) = cpu::backward(f, layout, &view::<T>(g)?, &view::<T>(values)?, b.as_deref(), sums);
        Ok((tensor(gx, g.shape())?, gb.map(|gb| tensor(gb, layout.channels)).transpose()?))
    }, cuda in any order => {
        let (gx, gb) = cuda::backward(f, layout, g, values, bias.map(|_| b), sums)?;
        Ok((Value::Cuda(gx), gb.map(Value::Cuda)))
    })
}
