//! The auxiliary classifier (Odena et al. 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", section 3).

use frugan_autograd::{Error, Ints, Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};

/// `[loss.acgan]`: D also names the class of each image, and G is to make it right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcganConfig {
    /// Weight of the cross-entropy of classes in D's loss, finite and from 0 up. Default: 1, the paper's.
    pub d_weight: f64,
    /// Weight of the cross-entropy of classes in G's loss, finite and from 0 up. Default: 1, the paper's.
    pub g_weight: f64,
    /// Whether D learns classes from fakes too. Default: true, the paper's; with `false` bad fakes do not teach it.
    pub d_fake: bool,
}

impl Default for AcganConfig {
    fn default() -> Self {
        Self { d_weight: 1.0, g_weight: 1.0, d_fake: true }
    }
}

impl AcganConfig {
    /// `-L_C` of eq. 3, weighted, for D's loss; of rank 0. Each pair is (class logits `[N, K]`, labels `[N]`).
    ///
    /// # Errors
    /// Where [`class_loss`] fails.
    pub fn discriminator(&self, real: (&Var, &Ints), fake: (&Var, &Ints)) -> Result<Var> {
        let on_real = class_loss(real.0, real.1)?;
        let total = if self.d_fake { on_real.add(&class_loss(fake.0, fake.1)?)? } else { on_real };
        total.scale(self.d_weight)
    }

    /// The fakes' part of `-L_C`, weighted, for G's loss; of rank 0.
    ///
    /// # Errors
    /// Where [`class_loss`] fails.
    pub fn generator(&self, fake: (&Var, &Ints)) -> Result<Var> {
        class_loss(fake.0, fake.1)?.scale(self.g_weight)
    }

    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        for (key, value) in [("acgan.d_weight", self.d_weight), ("acgan.g_weight", self.g_weight)] {
            in_range(key, value, 0.0..f64::INFINITY, "a finite number from 0 up")?;
        }
        Ok(())
    }
}

/// The mean cross-entropy of class logits `[N, K]` and labels: `log(sum exp(logits)) - logits[label]`, of rank 0.
/// Finite for any finite logits.
///
/// # Errors
/// If there are not N labels, or one is not below K.
pub fn class_loss(logits: &Var, labels: &Ints) -> Result<Var> {
    let &[n, classes] = logits.dims() else {
        return Err(Error::Msg(format!("class_loss: logits have shape {:?}, expected [N, K]", logits.dims())));
    };
    if labels.len() != n {
        return Err(Error::Msg(format!("class_loss: {} labels for {n} images", labels.len())));
    }
    // The mean under the softmax lies at most log K below the logarithm of the sum, so nothing overflows from there.
    let shift = logits.detach().softmax(1)?.mul(&logits.detach())?.sum_keep(&[1])?;
    let log_sum = logits.sub(&shift)?.exp()?.sum_keep(&[1])?.log()?.add(&shift)?;
    let own = logits.reshape(&[n * classes, 1])?.gather(&places(labels, classes)?.to_device(&logits.device())?)?;
    log_sum.sub(&own)?.mean()
}

/// Where each image's own logit stands among all `N K`.
fn places(labels: &Ints, classes: usize) -> Result<Ints> {
    let place = |(image, label): (usize, i32)| match usize::try_from(label) {
        Ok(class) if class < classes => Ok((image * classes + class) as i32),
        _ => Err(Error::Msg(format!("class_loss: label {label}, expected 0 to {}", classes.saturating_sub(1)))),
    };
    labels.to_vec()?.into_iter().enumerate().map(place).collect()
}
