//! Changes of arrays in place, off the tape: for optimisers, moving averages and buffers.
//!
//! Every [`Var`] and tensor that shares the array's memory sees the change; [`Var::copy`] makes an
//! array of its own. A graph that still holds the array would differentiate with the new values,
//! so update after the backward pass, and never while another thread computes with the array.

use candle_core::{Result, bail};

use crate::check_shapes::shape;
use crate::cuda::launch::update as cuda;
use crate::kernels::update;
use crate::value::Value;
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
    update::lerp(&values, weight)
}

/// `x / max(|x|, epsilon)`, off the tape: a step of a power iteration; on a GPU one launch.
///
/// # Errors
/// If the device fails.
pub fn unit(x: &Var, epsilon: f64) -> Result<Var> {
    if let Value::Cuda(x) = x.value() {
        return Ok(Var::with_node(Value::Cuda(cuda::unit(x, epsilon)?), None));
    }
    let x = x.detach();
    x.div(&x.square()?.sum()?.sqrt()?.clamp(epsilon, f64::INFINITY)?)
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
    let values: Vec<_> = rows.iter().map(|row| row.map(Var::value)).collect();
    update::adam(step, &values)
}
