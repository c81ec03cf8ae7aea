//! Adaptive pseudo augmentation (Jiang et al. 2021, "Deceive D: Adaptive Pseudo Augmentation for GAN Training with
//! Limited Data", section 3).

use frugan_autograd::{DType, Result, Var};
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
    pub fn check(&self) -> Result<(), ConfigError> {
        // At -1 or 1 p would only ever go one way.
        in_range("apa.target", self.target, (-1f64).next_up()..1.0, "a number in (-1, 1)")?;
        in_range("apa.kimg", self.kimg, f64::MIN_POSITIVE..f64::INFINITY, "a finite number above 0")?;
        in_range("apa.interval_steps", self.interval_steps as f64, 1.0..f64::INFINITY, "1 or more")
    }
}

/// What a checkpoint holds of an [`Apa`], as plain numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApaState {
    /// The probability that a real gives way to a fake.
    pub p: f64,
    /// Sum of the signs of D's logits on reals since p last changed.
    pub sign_sum: f64,
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
/// bound, and 0 is the lower one.
#[derive(Clone, Debug)]
pub struct Apa {
    config: ApaConfig,
    state: ApaState,
}

impl Apa {
    /// At p = 0.
    pub fn new(config: ApaConfig) -> Self {
        Self { config, state: ApaState::default() }
    }

    /// The probability that a real gives way to a fake.
    pub fn p(&self) -> f64 {
        self.state.p
    }

    /// Which reals give way: those whose draw from U[0, 1) is below p.
    pub fn deceived(&self, uniforms: &[f32]) -> Vec<bool> {
        uniforms.iter().map(|u| f64::from(*u) < self.state.p).collect()
    }

    /// The images that D is shown as reals, of the shape of `real`: fakes in the places of the deceived. `fake` are as
    /// many images of G, without gradient (the code takes those of the last G step). A place keeps its real's label.
    ///
    /// # Errors
    /// If shapes differ, or the flags are not one an image.
    pub fn mix(real: &Var, fake: &Var, deceived: &[bool]) -> Result<Var> {
        if !deceived.contains(&true) {
            return Ok(real.clone());
        }
        Ok(exchange("apa", real, &fake.detach(), deceived)?.0)
    }

    /// The end of a D step: `logits` are D's outputs on what it was shown as reals, one an image; the sign of 0 is 0.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, logits: &Var) -> Result<()> {
        let logits: Vec<f64> = logits.detach().to_dtype(DType::F64)?.to_vec()?;
        let batch = logits.len();
        let state = &mut self.state;
        state.sign_sum += logits.into_iter().map(sign).sum::<f64>();
        state.sign_count += batch as u64;
        state.steps += 1;
        if state.steps.is_multiple_of(self.config.interval_steps) && state.sign_count > 0 {
            let mean = state.sign_sum / state.sign_count as f64;
            let images = batch as f64 * self.config.interval_steps as f64;
            state.p = (state.p + sign(mean - self.config.target) * images / (self.config.kimg * 1000.0)).max(0.0);
            (state.sign_sum, state.sign_count) = (0.0, 0);
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

/// -1, 0 or 1; of 0 it is 0, unlike `signum`.
fn sign(x: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x.signum() }
}
