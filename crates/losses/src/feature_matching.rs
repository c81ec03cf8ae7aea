//! Feature matching (Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.1).

use frugan_autograd::{Error, Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};

/// `[loss.feature_matching]`: G matches the mean of D's features on reals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureMatchingConfig {
    /// Weight of the squared distance in G's loss, finite and above 0. Default: 1.
    pub weight: f64,
    /// `true`: it is all that G minimises, as in the paper. `false` (default): it is added to the adversarial loss.
    pub alone: bool,
}

impl Default for FeatureMatchingConfig {
    fn default() -> Self {
        Self { weight: 1.0, alone: false }
    }
}

impl FeatureMatchingConfig {
    /// `weight * |mean f(x) - mean f(G(z))|^2`, of rank 0; see [`feature_matching`]. The caller adds it to the adversarial
    /// loss, or puts it in its place where it stands [`FeatureMatchingConfig::alone`].
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn generator(&self, real: &Var, fake: &Var) -> Result<Var> {
        feature_matching(real, fake)?.scale(self.weight)
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        let above_0 = f64::MIN_POSITIVE..f64::INFINITY;
        in_range("feature_matching.weight", self.weight, above_0, "a finite number above 0")
    }
}

/// `|mean f(x) - mean f(G(z))|^2`: means over the batch, the square summed over features; of rank 0.
///
/// `real` and `fake` are what an inner layer of D says of reals and of fakes, `[N, ..]` each; N may differ. Reals take
/// no gradient, so that D's pass over them may run without recording.
///
/// # Errors
/// If the features have different shapes.
pub fn feature_matching(real: &Var, fake: &Var) -> Result<Var> {
    if real.dims().len() < 2 || real.dims().get(1..) != fake.dims().get(1..) {
        let (real, fake) = (real.dims(), fake.dims());
        return Err(Error::Msg(format!(
            "feature_matching: {real:?} and {fake:?}: want [N, ..] of one shape but for N"
        )));
    }
    let mean = |features: &Var| features.mean_keep(&[0]);
    mean(&real.detach())?.sub(&mean(fake)?)?.square()?.sum()
}
