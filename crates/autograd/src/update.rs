//! Changes of arrays in place, off the tape: for optimisers, moving averages and buffers.
//!
//! Every [`Var`] and tensor that shares the array's memory sees the change; [`Var::copy`] makes an
//! array of its own. A graph that still holds the array would differentiate with the new values,
//! so update after the backward pass, and never while another thread computes with the array.

use candle_core::{Result, bail};

use crate::check_shapes::shape;
use crate::fusion;
use crate::kernels::update;
use crate::tape::no_grad;
use crate::var::Var;

/// The numbers of one Adam step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// The learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root after bias correction.
    pub epsilon: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

/// `target = source`
///
/// # Errors
/// If shape or dtype differ, or the device fails. The source may lie on another device.
pub fn assign(target: &Var, source: &Var) -> Result<()> {
    shape("assign", "the source", target.dims(), source)?;
    update::assign(target.value(), source.value())
}

/// `target += weight * (source - target)`: a moving average with decay `1 - weight`.
///
/// # Errors
/// If shape, dtype or device differ.
pub fn lerp(target: &Var, source: &Var, weight: f64) -> Result<()> {
    lerp_all(&[[target, source]], weight)
}

/// [`lerp`] of many pairs of target and source; on a GPU in one launch.
///
/// # Errors
/// As [`lerp`].
pub fn lerp_all(pairs: &[[&Var; 2]], weight: f64) -> Result<()> {
    for [target, source] in pairs {
        shape("lerp", "the source", target.dims(), source)?;
    }
    let values: Vec<_> = pairs.iter().map(|pair| pair.map(Var::value)).collect();
    let at_once = if fusion::is_off() { 1 } else { values.len().max(1) };
    values.chunks(at_once).try_for_each(|values| update::lerp(values, weight))
}

/// `target += weight * (factor * source - target)` of many triples of target, source and factor; on a GPU in one launch.
///
/// # Errors
/// As [`lerp`].
pub fn lerp_scaled_all(rows: &[(&Var, &Var, f64)], weight: f64) -> Result<()> {
    for (target, source, _) in rows {
        shape("lerp", "the source", target.dims(), source)?;
    }
    let pairs: Vec<_> = rows.iter().map(|(target, source, _)| [target.value(), source.value()]).collect();
    let factors: Vec<_> = rows.iter().map(|(.., factor)| *factor).collect();
    if !fusion::is_off() && update::lerp_scaled(&pairs, &factors, weight)? {
        return Ok(());
    }
    rows.iter().try_for_each(|(target, source, factor)| {
        let scaled = no_grad(|| if *factor == 1.0 { Ok((*source).clone()) } else { source.detach().scale(*factor) })?;
        lerp(target, &scaled, weight)
    })
}

/// Adam (Kingma and Ba, algorithm 1), with moments `mean` and `square`:
/// `m = b1 m + (1 - b1) g`, `v = b2 v + (1 - b2) g^2`,
/// `p -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)`.
///
/// # Errors
/// If shapes, dtypes or devices differ, two of the arrays share memory, or the step is 0.
pub fn adam(step: &AdamStep, parameter: &Var, mean: &Var, square: &Var, gradient: &Var) -> Result<()> {
    adam_all(step, &[[parameter, mean, square, gradient]])
}

/// [`adam`] of many rows of parameter, mean, square and gradient; on a GPU in one launch.
///
/// # Errors
/// As [`adam`]. Nothing has changed if a shape differs.
pub fn adam_all(step: &AdamStep, rows: &[[&Var; 4]]) -> Result<()> {
    if step.step == 0 {
        bail!("adam: step 0, expected 1 or more")
    }
    for [parameter, arrays @ ..] in rows {
        for (name, array) in ["the mean", "the square", "the gradient"].into_iter().zip(arrays) {
            shape("adam", name, parameter.dims(), array)?;
        }
    }
    if fusion::is_off() {
        return rows.iter().try_for_each(|row| no_grad(|| adam_step_by_step(step, row)));
    }
    let values: Vec<_> = rows.iter().map(|row| row.map(Var::value)).collect();
    update::adam(step, &values)
}

/// Puts 0 in the place of every NaN, and `most` and `-most` in that of infinities; on a GPU in one launch.
///
/// ```
/// use frugan_autograd::{Tensor, Var, update};
/// # fn main() -> frugan_autograd::Result<()> {
/// let x = Var::constant(Tensor::new(&[1e6f32, f32::NAN, f32::NEG_INFINITY], &candle_core::Device::Cpu)?);
/// update::mend_all(&[&x], 1e5)?;
/// assert_eq!(x.to_vec::<f32>()?, [1e6, 0.0, -1e5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the device fails.
pub fn mend_all(arrays: &[&Var], most: f64) -> Result<()> {
    let values: Vec<_> = arrays.iter().map(|array| [array.value()]).collect();
    let at_once = if fusion::is_off() { 1 } else { values.len().max(1) };
    values.chunks(at_once).try_for_each(|values| update::mend(values, most))
}

/// [`adam`], an op a step.
fn adam_step_by_step(step: &AdamStep, [parameter, mean, square, gradient]: &[&Var; 4]) -> Result<()> {
    lerp(mean, gradient, 1.0 - step.beta1)?;
    lerp(square, &gradient.square()?, 1.0 - step.beta2)?;
    let exponent = step.step as f64;
    let correction = (1.0 - step.beta2.powf(exponent)).sqrt().recip();
    let denominator = square.detach().sqrt()?.affine(correction, step.epsilon)?;
    let moved = mean.detach().div(&denominator)?.scale(step.lr / (1.0 - step.beta1.powf(exponent)))?;
    assign(parameter, &parameter.detach().sub(&moved)?)
}
