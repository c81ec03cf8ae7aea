//! What training and evaluation know of a network.

use frugan_autograd::{Ints, Result, Var, no_grad};
use frugan_nn::{Mode, Params};

/// Makes images of z and labels.
pub trait Generator: Send + Sync {
    /// Images `[n, channels, height, width]` in [-1, 1] of latents `[n, latent_dim]` and `n` labels below `num_classes`.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var>;

    /// The network's weights and buffers.
    fn params(&self) -> &Params;

    /// Length of z.
    fn latent_dim(&self) -> usize;

    /// Number of classes, at least 1.
    fn num_classes(&self) -> usize;

    /// `[channels, height, width]` of an image.
    fn image_shape(&self) -> [usize; 3];
}

/// Tells real from made images.
pub trait Discriminator: Send + Sync {
    /// One logit an image, `[n, 1]`; higher is more real. Images are `[n, channels, height, width]` in [-1, 1].
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn logits(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Var>;

    /// The network's weights and buffers.
    fn params(&self) -> &Params;
}

/// Replaces the running statistics of a generator by the mean of its batch statistics over `passes` batches, each drawn
/// by `draw(pass)` as (z, labels): "standing statistics" (Brock et al. 2019, section 4.1). [`Mode::Running`] uses them.
///
/// # Errors
/// If a shape or label does not fit.
pub fn standing_statistics(
    generator: &dyn Generator,
    passes: usize,
    mut draw: impl FnMut(usize) -> Result<(Var, Ints)>,
) -> Result<()> {
    for pass in 0..passes {
        let (z, labels) = draw(pass)?;
        no_grad(|| generator.generate(&z, &labels, Mode::Standing { pass }))?;
    }
    Ok(())
}

/// Checks the batch of a network's inputs.
pub(crate) fn check_inputs(network: &str, input: &Var, want: &[usize], labels: &Ints) -> Result<()> {
    let dims = input.dims();
    if dims.len() != want.len() + 1 || dims[1..] != *want {
        candle_core::bail!(
            "{network}: input {dims:?}, want [n, {}]",
            want.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )
    }
    if dims[0] != labels.len() {
        candle_core::bail!("{network}: a batch of {} with {} labels", dims[0], labels.len())
    }
    Ok(())
}
