//! Gradient clipping.

use frugan_autograd::{Result, Var, sums};

/// Scales all gradients by `min(1, max_norm / (norm + 1e-6))`, as torch does, and returns their norm before: the root of
/// the sum of squares over all of them. If the norm is not finite, nothing changes: what to do then is the caller's rule.
///
/// # Errors
/// If a tensor operation fails.
pub fn clip_by_norm(grads: &mut [Var], max_norm: f64) -> Result<f64> {
    let squares = grads.iter().map(Var::square).collect::<Result<Vec<_>>>()?;
    let norm = sums(&squares.iter().collect::<Vec<_>>())?.iter().sum::<f64>().sqrt();
    let factor = max_norm / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        for grad in grads {
            *grad = grad.scale(factor)?;
        }
    }
    Ok(norm)
}

/// Clamps every element of the gradients to [-limit, limit].
///
/// # Errors
/// If a tensor operation fails.
pub fn clip_by_value(grads: &mut [Var], limit: f64) -> Result<()> {
    for grad in grads {
        *grad = grad.clamp(-limit, limit)?;
    }
    Ok(())
}
