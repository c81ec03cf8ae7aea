//! Latent consistency regularisation (Zhao et al. 2021, "Improved Consistency Regularization for GANs", section 2.2).

use frugan_autograd::{Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};
use crate::consistency::consistency;

/// `[loss.zcr]`: D is not to see small moves of z, and G is to show them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZcrConfig {
    /// Weight of D's part, finite and from 0 up. Default: 0.2, as in ADA's comparison.
    pub d_weight: f64,
    /// Weight of G's part, finite and from 0 up. Default: 0.02, as in ADA's comparison, for the mean over pixels.
    pub g_weight: f64,
    /// Standard deviation of the noise that moves z, above 0. Default: 0.1, as in ADA's comparison.
    pub noise_std: f64,
}

impl Default for ZcrConfig {
    fn default() -> Self {
        Self { d_weight: 0.2, g_weight: 0.02, noise_std: 0.1 }
    }
}

impl ZcrConfig {
    /// T(z) of the paper: `z + noise_std * noise`. `noise` are draws from N(0, 1), of z's shape `[N, latent_dim]`.
    pub fn moved(&self, z: &Var, noise: &Var) -> Result<Var> {
        z.add(&noise.scale(self.noise_std)?)
    }

    /// `d_weight * L_dis`, for D's loss: the mean squared difference of D's logits on G(z) and on G(T(z)).
    pub fn discriminator(&self, logits: &Var, moved_logits: &Var) -> Result<Var> {
        consistency(logits, moved_logits)?.scale(self.d_weight)
    }

    /// `g_weight * L_gen`, for G's loss: minus the mean squared difference of the images G(z) and G(T(z)), over all
    /// pixels. It has no lower bound of its own: images in [-1, 1] give at least `-4 g_weight`.
    pub fn generator(&self, images: &Var, moved_images: &Var) -> Result<Var> {
        consistency(images, moved_images)?.scale(-self.g_weight)
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        for (key, value) in [("zcr.d_weight", self.d_weight), ("zcr.g_weight", self.g_weight)] {
            in_range(key, value, 0.0..f64::INFINITY, "a finite number from 0 up")?;
        }
        in_range("zcr.noise_std", self.noise_std, f64::MIN_POSITIVE..f64::INFINITY, "a finite number above 0")
    }
}
