//! Orthogonal regularisation in the relaxed form of BigGAN (Brock et al. 2019, section 3.1, eq. 3).

use frugan_autograd::{Error, Result, Var, no_grad};

/// The gradient of BigGAN's penalty for one weight: `2 strength ((W W^T) * (1 - I)) W`, of the weight's shape, where W
/// is the weight as a matrix `[out, all else]`. Rows are pushed to be orthogonal; their lengths are left alone.
///
/// # Errors
/// For a weight of fewer than two axes.
pub fn orthogonal_gradient(weight: &Var, strength: f64) -> Result<Var> {
    let dims = weight.dims();
    if dims.len() < 2 {
        return Err(Error::Msg(format!("orthogonal_gradient: want a weight [out, in, ..], given shape {dims:?}")));
    }
    no_grad(|| {
        let w = weight.detach().reshape(&[dims[0], dims[1..].iter().product()])?;
        let gram_times_w = w.matmul(&w.t()?)?.matmul(&w)?;
        // (G * I) W scales row i by its squared length, so no mask is needed.
        let diagonal = w.square()?.sum_keep(&[1])?;
        gram_times_w.sub(&w.mul(&diagonal)?)?.scale(2.0 * strength)?.reshape(dims)
    })
}

/// Adds [`orthogonal_gradient`] to the gradients of all weights of two axes or more. The shared class embedding (a name
/// that starts with `shared.`) is left out, as in BigGAN's code. Nothing happens at strength 0, the scripts' value.
///
/// `weights` are (name, weight) in the order of `gradients`.
pub fn add_orthogonal_gradients<'a>(
    gradients: &mut [Var],
    weights: impl IntoIterator<Item = (&'a str, &'a Var)>,
    strength: f64,
) -> Result<()> {
    if strength == 0.0 {
        return Ok(());
    }
    for (gradient, (name, weight)) in gradients.iter_mut().zip(weights) {
        if weight.dims().len() >= 2 && !name.starts_with("shared.") {
            *gradient = no_grad(|| gradient.add(&orthogonal_gradient(weight, strength)?))?;
        }
    }
    Ok(())
}
