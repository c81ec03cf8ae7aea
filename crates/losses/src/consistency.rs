//! Consistency regularisation (Zhang et al. 2020, "Consistency Regularization for Generative Adversarial Networks").

use frugan_autograd::{Result, Var};

/// L_CR of the paper on D's last layer: the mean of `(paired - real)^2`, to be weighted and added to D's loss.
///
/// `real` are the logits of the reals as D's adversarial loss sees them, `paired` those of the other half of each pair
/// (see [`Pairing`]), of the same shape. Both receive gradient: the published code stops neither.
pub fn consistency(real: &Var, paired: &Var) -> Result<Var> {
    paired.sub(real)?.square()?.mean()
}

/// Which images make a pair: the three cases of DiffAugment's CR-BigGAN scripts. T is DiffAugment's policy, A the
/// augmentation of CR (by default a flip with probability 1/2, then a translation).
///
/// Fakes never stand in a pair (that would be bCR), and G's step has none. D sees fakes, reals and the paired images in
/// one forward pass, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// (x, A(x)), no T: the scripts `cr-biggan-*`.
    Augmented,
    /// (T(x), A(T(x))): the scripts `DiffAugment-cr-biggan-cifar10` and `-cifar100` on all images (T is `cutout`).
    AugmentedAfterT,
    /// (T(x), x), no A: the scripts `DiffAugment-cr-biggan-*-0.2` and `-0.1` (T is `translation,cutout`), which
    /// give an empty CR augmentation. The second half is the raw real image.
    Raw,
}

impl Pairing {
    /// The second half of the pairs, from the reals `x`, their augmented form `t_of_x` and A.
    /// A is not called where the pairing has none.
    pub fn paired(self, x: &Var, t_of_x: &Var, a: impl FnOnce(&Var) -> Result<Var>) -> Result<Var> {
        match self {
            Self::Augmented => a(x),
            Self::AugmentedAfterT => a(t_of_x),
            Self::Raw => Ok(x.clone()),
        }
    }
}
