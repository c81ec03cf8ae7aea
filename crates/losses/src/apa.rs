//! Adaptive pseudo augmentation (Jiang et al. 2021, "Deceive D: Adaptive Pseudo Augmentation for GAN Training with
//! Limited Data", section 3).

use frugan_autograd::{DType, Error, Ints, Result, Var};
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, in_range};
use crate::exchange::exchange;

/// `[loss.apa]`: shows D fakes as reals, the more often the surer it is of reals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApaConfig {
    /// The mean sign of D's logits on reals that is aimed at, in (-1, 1). Default: 0.6, the paper's and ADA's.
    pub target: f64,
    /// Thousands of reals over which p could go from 0 to 1, above 0. Default: 500, the paper's.
    pub kimg: f64,
    /// D steps between two changes of p, from 1 up. Default: 4, the code's.
    pub interval_steps: u64,
}

impl Default for ApaConfig {
    fn default() -> Self {
        Self { target: 0.6, kimg: 500.0, interval_steps: 4 }
    }
}

impl ApaConfig {
    /// Checks every value on its own.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn check(&self) -> std::result::Result<(), ConfigError> {
        // At -1 or 1 p would only ever go one way.
        in_range("apa.target", self.target, (-1f64).next_up()..1.0, "a number in (-1, 1)")?;
        in_range("apa.kimg", self.kimg, f64::MIN_POSITIVE..f64::INFINITY, "a finite number above 0")?;
        in_range("apa.interval_steps", self.interval_steps as f64, 1.0..f64::INFINITY, "1 or more")
    }
}

/// What a checkpoint holds of an [`Apa`], in whole numbers, so that a text gives back the very same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApaState {
    /// p, in images: p times the images over which it rises from 0 to 1.
    pub level: u64,
    /// Sum of the signs of D's logits on reals since p last changed.
    pub sign_sum: i64,
    /// How many they are.
    pub sign_count: u64,
    /// D steps done.
    pub steps: u64,
}

/// The controller of APA. A D step asks [`Apa::deceived`] which reals give way, shows D what [`Apa::mix`] gives, then
/// calls [`Apa::step`].
///
/// p starts at 0 and changes every [`ApaConfig::interval_steps`] D steps by as much as it would take to reach 1 in
/// [`ApaConfig::kimg`]: up where the mean sign is above the target, down where it is below. Like ADA's it has no upper
/// bound, and 0 is the lower one; it is counted in images and exact.
#[derive(Clone, Debug)]
pub struct Apa {
    config: ApaConfig,
    /// Images over which p rises from 0 to 1.
    images_to_one: u64,
    state: ApaState,
}

impl Apa {
    /// At p = 0.
    pub fn new(config: ApaConfig) -> Self {
        let images_to_one = ((config.kimg * 1000.0).round() as u64).max(1);
        Self { config, images_to_one, state: ApaState::default() }
    }

    /// The probability that a real gives way to a fake.
    pub fn p(&self) -> f64 {
        self.state.level as f64 / self.images_to_one as f64
    }

    /// Which reals give way: those whose draw from U[0, 1) is below p.
    pub fn deceived(&self, uniforms: &[f32]) -> Vec<bool> {
        uniforms.iter().map(|u| f64::from(*u) < self.p()).collect()
    }

    /// The images and labels that D is shown as reals, of the shapes of the reals': fakes, each with its own label, in the
    /// places of the deceived. `fake` are as many images of G, without gradient, that D does not see as fakes in the same
    /// step.
    ///
    /// # Errors
    /// If shapes differ, or the flags are not one an image.
    pub fn mix(
        (real, real_labels): (&Var, &Ints),
        (fake, fake_labels): (&Var, &Ints),
        deceived: &[bool],
    ) -> Result<(Var, Ints)> {
        let (images, _) = exchange("apa", real, &fake.detach(), deceived)?;
        let (kept, made) = (real_labels.to_vec()?, fake_labels.to_vec()?);
        if kept.len() != deceived.len() || made.len() != deceived.len() {
            let (kept, made, n) = (kept.len(), made.len(), deceived.len());
            return Err(Error::Msg(format!("apa: {kept} and {made} labels for {n} images: want one an image")));
        }
        let labels = deceived.iter().zip(kept.iter().zip(&made));
        let labels: Ints = labels.map(|(deceived, (kept, made))| if *deceived { *made } else { *kept }).collect();
        Ok((images, labels.to_device(&real.device())?))
    }

    /// The end of a D step: `logits` are D's outputs on what it was shown as reals, one an image; the sign of 0 is 0.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, logits: &Var) -> Result<()> {
        let logits: Vec<f64> = logits.detach().to_dtype(DType::F64)?.to_vec()?;
        let images = logits.len() as u64 * self.config.interval_steps;
        let state = &mut self.state;
        state.sign_sum += logits.iter().map(|logit| i64::from(*logit > 0.0) - i64::from(*logit < 0.0)).sum::<i64>();
        state.sign_count += logits.len() as u64;
        state.steps += 1;
        if state.steps.is_multiple_of(self.config.interval_steps) && state.sign_count > 0 {
            let mean = state.sign_sum as f64 / state.sign_count as f64;
            if mean > self.config.target {
                state.level += images;
            } else if mean < self.config.target {
                state.level = state.level.saturating_sub(images);
            }
            (state.sign_sum, state.sign_count) = (0, 0);
        }
        Ok(())
    }

    /// For a checkpoint.
    pub fn state(&self) -> ApaState {
        self.state
    }

    /// Goes on from a checkpoint.
    pub fn load_state(&mut self, state: ApaState) {
        self.state = state;
    }
}
