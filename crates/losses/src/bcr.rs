//! Balanced consistency regularisation (Zhao et al. 2021, "Improved Consistency Regularization for GANs", section 2.1).

use frugan_autograd::{Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};
use crate::consistency::consistency;

/// `[loss.bcr]`: balanced consistency regularisation of D, on reals and on fakes. Not beside `loss.cr`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BcrConfig {
    /// Weight of the penalty on reals in D's loss, finite and from 0 up. Default: 10, as in ADA's comparison.
    pub real: f64,
    /// Weight of the penalty on fakes in D's loss, finite and from 0 up. Default: 10, as in ADA's comparison.
    pub fake: f64,
    /// The augmentation A of the second half of each pair, as for `loss.cr`. Not empty. Default: `flip,translation`, the
    /// paper's flips and shifts (ADA's comparison: shifts by 1/32 of the side only).
    pub augment: String,
}

impl Default for BcrConfig {
    fn default() -> Self {
        Self { real: 10.0, fake: 10.0, augment: "flip,translation".into() }
    }
}

impl BcrConfig {
    /// `real * L_real + fake * L_fake` of the paper's algorithm 1, for D's loss: each L is the mean squared difference
    /// of D's logits on images and on the same images under A. Where T acts, images are what T made of them (ADA's
    /// comparison). All four logits receive gradient; fakes come from G without gradient, as ever in D's step.
    ///
    /// Each pair is (logits of the images, logits of the images under A), of one shape.
    pub fn penalty(&self, real: (&Var, &Var), fake: (&Var, &Var)) -> Result<Var> {
        let on_real = consistency(real.0, real.1)?.scale(self.real)?;
        on_real.add(&consistency(fake.0, fake.1)?.scale(self.fake)?)
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        for (key, value) in [("bcr.real", self.real), ("bcr.fake", self.fake)] {
            in_range(key, value, 0.0..f64::INFINITY, "a finite number from 0 up")?;
        }
        if self.augment.trim().is_empty() {
            return Err(ConfigError::NoAugment);
        }
        Ok(())
    }
}
