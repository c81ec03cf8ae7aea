//! Gradient clipping.

use frugan_autograd::{Result, Var, fetch, sums};

/// Scales all gradients by `min(1, max_norm / (norm + 1e-6))`, as torch does, and returns their norm before: the root of
/// the sum of squares over all of them. If the norm is not finite, nothing changes: what to do then is the caller's rule.
///
/// # Errors
/// If a tensor operation fails.
pub fn clip_by_norm(grads: &mut [Var], max_norm: f64) -> Result<f64> {
    let norm = grad_norm(&fetch(&[&grad_squares(grads)?])?.concat());
    let factor = max_norm / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        for grad in grads {
            *grad = grad.scale(factor)?;
        }
    }
    Ok(norm)
}

/// The sum of squares of each gradient, `[number of gradients]`, for [`grad_norm`].
///
/// # Errors
/// If a tensor operation fails.
pub fn grad_squares(grads: &[Var]) -> Result<Var> {
    let squares = grads.iter().map(Var::square).collect::<Result<Vec<_>>>()?;
    sums(&squares.iter().collect::<Vec<_>>())
}

/// The norm over all gradients, of what [`grad_squares`] gave.
pub fn grad_norm(squares: &[f64]) -> f64 {
    squares.iter().sum::<f64>().sqrt()
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
