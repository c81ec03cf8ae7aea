//! Flipped labels: now and then D is told that a real is a fake (Chintala et al. 2016, "How to Train a GAN?", tip 6).

use frugan_autograd::{Result, Var};

use crate::exchange::exchange;

/// Exchanges logits of reals and of fakes where the coin says so, before D's adversarial loss: what that loss then takes
/// for a real is a fake, and the other way round. Every loss of [`crate::Adversarial`] can follow.
///
/// `real` and `fake` are D's logits `[N, ..]` of one shape; a coin a pair comes up with probability `loss.label_flip`,
/// so each image's label is flipped with that probability, and reals and fakes stay as many.
///
/// # Errors
/// If the shapes differ, or there are not N coins.
pub fn flip_labels(real: &Var, fake: &Var, coins: &[bool]) -> Result<(Var, Var)> {
    exchange("label_flip", real, fake, coins)
}
