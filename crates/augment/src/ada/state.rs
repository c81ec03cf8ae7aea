//! What a controller remembers, as plain numbers.

use serde::{Deserialize, Serialize};

/// A sum of D's outputs, or of their signs, and how many there were.
///
/// ```
/// use frugan_augment::ada::Tally;
/// let mut signs = Tally::of_signs(&[2.5, -0.1, 0.0, 7.0]);
/// assert_eq!(signs.mean(), Some(0.25));
/// signs.add(Tally::of_signs(&[1.0; 4]));
/// assert_eq!(signs.mean(), Some(0.625));
/// assert_eq!(Tally::default().mean(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// The sum. Of signs it is a whole number, and exact.
    pub sum: f64,
    /// How many numbers were added up.
    pub count: u64,
}

/// The state of a [`Controller`](super::Controller): whole numbers only, sums of D's outputs as their bits, so that a run
/// resumed from any text or file goes on bit for bit.
///
/// ```
/// use frugan_augment::ada::{AdaConfig, Controller, ControllerState, Source};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut controller = Controller::new(&AdaConfig::default())?;
/// controller.observe(Source::Real, &[0.1, 0.2, -0.3]);
/// controller.end_iteration(64);
/// let text = serde_json::to_string(&controller.state())?;
/// let mut resumed = Controller::new(&AdaConfig::default())?;
/// resumed.load_state(serde_json::from_str(&text)?);
/// assert_eq!(resumed, controller);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerState {
    /// p, in images: p times the images over which it rises from 0 to 1.
    pub level: u64,
    /// Iterations since the last update of p.
    pub iterations: u64,
    /// Training images since the last update of p.
    pub images: u64,
    /// Sum (its bits) and count since the last update, of reals, fakes and held-out images.
    pub tallies: [[u64; 2]; 3],
}

impl Tally {
    /// Of the signs of D's outputs: 1, -1, or 0 for exactly 0.
    ///
    /// ```
    /// assert_eq!(frugan_augment::ada::Tally::of_signs(&[-0.0, -3.0]).sum, -1.0);
    /// ```
    pub fn of_signs(logits: &[f32]) -> Self {
        let sign = |logit: &f32| f64::from(i8::from(*logit > 0.0) - i8::from(*logit < 0.0));
        Self { sum: logits.iter().map(sign).sum(), count: logits.len() as u64 }
    }

    /// Of D's outputs.
    ///
    /// ```
    /// assert_eq!(frugan_augment::ada::Tally::of_values(&[0.5, 1.0]).mean(), Some(0.75));
    /// ```
    pub fn of_values(logits: &[f32]) -> Self {
        Self { sum: logits.iter().map(|logit| f64::from(*logit)).sum(), count: logits.len() as u64 }
    }

    /// Adds another tally.
    ///
    /// ```
    /// use frugan_augment::ada::Tally;
    /// let mut tally = Tally::default();
    /// tally.add(Tally { sum: 3.0, count: 2 });
    /// assert_eq!(tally.mean(), Some(1.5));
    /// ```
    pub fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// The mean; `None` of nothing.
    ///
    /// ```
    /// use frugan_augment::ada::Tally;
    /// assert_eq!(Tally { sum: 1.0, count: 4 }.mean(), Some(0.25));
    /// ```
    pub fn mean(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    pub(super) fn to_bits(self) -> [u64; 2] {
        [self.sum.to_bits(), self.count]
    }

    pub(super) fn from_bits([sum, count]: [u64; 2]) -> Self {
        Self { sum: f64::from_bits(sum), count }
    }
}
