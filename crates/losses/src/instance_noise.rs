//! Instance noise (Arjovsky and Bottou 2017, section 3; Sonderby et al. 2017, section 3): everything that D sees is
//! blurred by noise that fades, so that reals and fakes overlap while G is far off.

use frugan_autograd::{Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};

/// `[loss.instance_noise]`: normal noise on all images before D, with a linear decay to none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceNoiseConfig {
    /// Standard deviation at the start, for images in [-1, 1]; finite and above 0. Default: 0.1.
    pub std0: f64,
    /// Thousands of reals after which there is no noise, finite and above 0. Default: 1000.
    pub until_kimg: f64,
}

impl Default for InstanceNoiseConfig {
    fn default() -> Self {
        Self { std0: 0.1, until_kimg: 1000.0 }
    }
}

impl InstanceNoiseConfig {
    /// The standard deviation after `kimg` thousands of reals: `std0 * max(1 - kimg / until_kimg, 0)`.
    pub fn std_at(&self, kimg: f64) -> f64 {
        self.std0 * (1.0 - kimg / self.until_kimg).max(0.0)
    }

    /// `images + std * noise`, for reals and fakes alike, in D's step and in G's. `noise` are draws from N(0, 1), of the
    /// images' shape, fresh for every pass; none are read where the noise has faded.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn add(&self, images: &Var, kimg: f64, noise: impl FnOnce() -> Result<Var>) -> Result<Var> {
        match self.std_at(kimg) {
            0.0 => Ok(images.clone()),
            std => images.add(&noise()?.scale(std)?),
        }
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        let above_0 = f64::MIN_POSITIVE..f64::INFINITY;
        in_range("instance_noise.std0", self.std0, above_0.clone(), "a finite number above 0")?;
        in_range("instance_noise.until_kimg", self.until_kimg, above_0, "a finite number above 0")
    }
}
