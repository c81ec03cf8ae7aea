//! Batch normalisation with a scale and shift per sample and channel.

use candle_core::Result;

use super::cpu::batch_norm as cpu;
pub(crate) use super::cpu::batch_norm::NormShape;
use super::cpu::storage::{Element, tensor, view};
use super::dispatch;
use crate::cuda::launch::norm as cuda;
use crate::value::Value;

/// Statistics of each channel.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    pub(crate) mean: Value,
    /// Divided by the count, not by one less.
    pub(crate) variance: Value,
    /// `1 / sqrt(variance + epsilon)`
    pub(crate) inverse: Value,
}

pub(crate) fn statistics(s: &NormShape, epsilon: f64, x: &Value) -> Result<Statistics> {
    dispatch!("batch_norm", [x], T => {
        let (mean, variance) = cpu::statistics(s, &view::<T>(x)?);
        let epsilon = T::of(epsilon);
        let inverse: Vec<T> = variance.iter().map(|v| num_traits::Float::sqrt(*v + epsilon).recip()).collect();
        Ok(Statistics {
            mean: tensor(mean, s.channels)?,
            variance: tensor(variance, s.channels)?,
            inverse: tensor(inverse, s.channels)?,
        })
    }, cuda in any order => {
        let [mean, variance, inverse] = cuda::statistics(s, epsilon, x)?.map(Value::Cuda);
        Ok(Statistics { mean, variance, inverse })
    })
}

pub(crate) fn forward(
    s: &NormShape,
    x: &Value,
    statistics: &Statistics,
    scale: &Value,
    shift: &Value,
    relu: bool,
) -> Result<Value> {
    let (mean, inverse) = (&statistics.mean, &statistics.inverse);
    dispatch!(on_any_type: "batch_norm", [x, mean, inverse, scale, shift], T => {
        let (mean, inverse) = (view::<T>(mean)?, view::<T>(inverse)?);
        let (scale, shift) = (view::<T>(scale)?, view::<T>(shift)?);
        tensor(cpu::forward(s, &view::<T>(x)?, &mean, &inverse, &scale, &shift, relu), x.shape())
    }, cuda in any order => cuda::forward(s, x, [mean, inverse], [scale, shift], relu).map(Value::Cuda))
}

/// Cotangents of input, scale and shift. `y` is the output if a ReLU came last.
pub(crate) fn backward(
    s: &NormShape,
    x: &Value,
    statistics: &Statistics,
    scale: &Value,
    y: Option<&Value>,
    g: &Value,
) -> Result<[Value; 3]> {
    let (mean, inverse, output) = (&statistics.mean, &statistics.inverse, y.unwrap_or(g));
    dispatch!(on_any_type: "batch_norm", [x, mean, inverse, scale, output, g], T => {
        let (mean, inverse) = (view::<T>(mean)?, view::<T>(inverse)?);
        let output = y.map(|_| view::<T>(output)).transpose()?;
        let (gx, gscale, gshift) =
            cpu::backward(s, &view::<T>(x)?, (&mean, &inverse), &view::<T>(scale)?, output.as_deref(), &view::<T>(g)?);
        Ok([tensor(gx, x.shape())?, tensor(gscale, scale.shape())?, tensor(gshift, scale.shape())?])
    }, cuda in any order => {
        let shares = cuda::backward(s, x, [mean, inverse], scale, y.map(|_| output), g)?;
        Ok(shares.map(Value::Cuda))
    })
}
