//! How p follows D's overfitting (section 3.1 of the ADA paper).

use super::state::{ControllerState, Tally};
use super::{AdaConfig, AdaConfigError, ControllerKind, PMax};

/// The p above which a run should be warned: as the paper finds, augmentations may then leak into what G makes
/// (section 2.2).
pub const SATURATED_P: f64 = 0.8;

/// Whose outputs of D a controller hears of.
///
/// ```
/// use frugan_augment::ada::Source;
/// assert_ne!(Source::Real, Source::HeldOut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Training images, augmented: of the main loss and of the R1 penalty.
    Real,
    /// Fakes, augmented.
    Fake,
    /// Real images that are not trained on, augmented.
    HeldOut,
}

/// What an update found and set.
///
/// ```
/// use frugan_augment::ada::Update;
/// let update = Update { statistic: Some(0.7), p: 0.000512 };
/// assert!(update.p > 0.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// r_t or r_v since the last update; `None` if D's outputs were missing, and p then stays.
    pub statistic: Option<f64>,
    /// The overall strength from now on.
    pub p: f64,
}

/// Sets p while a run goes on: eq. 1 of the paper.
///
/// Every `interval` iterations p moves by the images since the last time, over `kimg` thousands, towards more
/// augmentation if the statistic is above its target and towards less if it is below:
///
/// - r_t, the mean sign of D on training images: near 0 without overfitting, 1 at its end.
/// - r_v, `(E[D_train] - E[D_held_out]) / (E[D_train] - E[D_fake])`: where between training images and fakes D puts
///   images that it has not seen.
///
/// p is counted in images and exact: with every sign positive it is 1 at the first update at or after `kimg` thousand
/// images.
///
/// ```
/// use frugan_augment::ada::{AdaConfig, Controller, Source};
/// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
/// let mut controller = Controller::new(&AdaConfig::default())?;
/// let updates: Vec<_> = (0..8).filter_map(|_| {
///     controller.observe(Source::Real, &[1.0; 64]);
///     controller.end_iteration(64)
/// }).collect();
/// assert_eq!(updates.len(), 2);
/// assert_eq!((updates[0].statistic, updates[1].p), (Some(1.0), 2.0 * 0.000512));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Controller {
    kind: ControllerKind,
    fixed: f64,
    target: f64,
    /// Images over which p rises from 0 to 1.
    images_to_one: u64,
    interval: u64,
    /// Of the level.
    most: Option<u64>,
    level: u64,
    iterations: u64,
    images: u64,
    tallies: [Tally; 3],
}

impl Controller {
    /// At the start of a run.
    ///
    /// # Errors
    /// As [`AdaConfig::check`].
    pub fn new(config: &AdaConfig) -> Result<Self, AdaConfigError> {
        config.check()?;
        let images_to_one = (config.kimg * 1000.0).round() as u64;
        let level = |p: f64| (p * images_to_one as f64).round() as u64;
        Ok(Self {
            kind: config.controller,
            fixed: config.p,
            target: config.target(),
            images_to_one,
            interval: config.interval,
            most: if let PMax::At(p) = config.p_max { Some(level(p)) } else { None },
            level: level(config.p),
            iterations: 0,
            images: 0,
            tallies: [Tally::default(); 3],
        })
    }

    /// The overall strength now.
    ///
    /// ```
    /// use frugan_augment::ada::{AdaConfig, Controller, ControllerKind};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// assert_eq!(Controller::new(&AdaConfig::default())?.p(), 0.0);
    /// let fixed = AdaConfig { controller: ControllerKind::Fixed, p: 0.3, ..AdaConfig::default() };
    /// assert_eq!(Controller::new(&fixed)?.p(), 0.3);
    /// # Ok(()) }
    /// ```
    pub fn p(&self) -> f64 {
        match self.kind {
            ControllerKind::Fixed => self.fixed,
            ControllerKind::Rt | ControllerKind::Rv => self.level as f64 / self.images_to_one as f64,
        }
    }

    /// Hears D's outputs: their signs for r_t, themselves for r_v.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller, Source};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig::default())?;
    /// controller.observe(Source::Real, &[-0.1, 0.4]); // the main loss
    /// controller.observe(Source::Real, &[0.1, 2.4]); // R1
    /// assert_eq!(controller.statistic(), Some(0.5));
    /// # Ok(()) }
    /// ```
    pub fn observe(&mut self, source: Source, logits: &[f32]) {
        match self.kind {
            ControllerKind::Rt => self.add(source, Tally::of_signs(logits)),
            ControllerKind::Rv => self.add(source, Tally::of_values(logits)),
            ControllerKind::Fixed => {}
        }
    }

    /// [`Controller::observe`] of outputs that the caller has added up: signs for r_t, values for r_v.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller, Source, Tally};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig::default())?;
    /// controller.add(Source::Real, Tally { sum: 48.0, count: 64 });
    /// assert_eq!(controller.statistic(), Some(0.75));
    /// # Ok(()) }
    /// ```
    pub fn add(&mut self, source: Source, tally: Tally) {
        self.tallies[source as usize].add(tally);
    }

    /// r_t or r_v since the last update; `None` while an output of D that it needs is missing, and for a fixed p.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller, ControllerKind, Source};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig { controller: ControllerKind::Rv, ..AdaConfig::default() })?;
    /// controller.observe(Source::Real, &[2.0]);
    /// controller.observe(Source::Fake, &[-2.0]);
    /// assert_eq!(controller.statistic(), None);
    /// controller.observe(Source::HeldOut, &[-1.0]);
    /// assert_eq!(controller.statistic(), Some(0.75));
    /// # Ok(()) }
    /// ```
    pub fn statistic(&self) -> Option<f64> {
        let mean = |source: Source| self.tallies[source as usize].mean();
        match self.kind {
            ControllerKind::Rt => mean(Source::Real),
            ControllerKind::Rv => {
                let (real, fake, held_out) = (mean(Source::Real)?, mean(Source::Fake)?, mean(Source::HeldOut)?);
                // As ADA's code: fakes above the reals would turn the sign around.
                Some((real - held_out) / (real - fake).max(1e-8))
            }
            ControllerKind::Fixed => None,
        }
    }

    /// Whether the next [`Controller::end_iteration`] moves p, and so must have heard of all that D said.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig { interval: 2, ..AdaConfig::default() })?;
    /// assert!(!controller.moves_next());
    /// controller.end_iteration(64);
    /// assert!(controller.moves_next());
    /// # Ok(()) }
    /// ```
    pub fn moves_next(&self) -> bool {
        self.kind != ControllerKind::Fixed && self.iterations + 1 >= self.interval
    }

    /// Counts an iteration of `batch` training images; moves p if it was the last one of an interval.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig { interval: 2, ..AdaConfig::default() })?;
    /// assert_eq!(controller.end_iteration(64), None);
    /// assert_eq!(controller.end_iteration(64).map(|update| update.p), Some(0.0));
    /// # Ok(()) }
    /// ```
    pub fn end_iteration(&mut self, batch: usize) -> Option<Update> {
        if self.kind == ControllerKind::Fixed {
            return None;
        }
        self.iterations += 1;
        self.images += batch as u64;
        if self.iterations < self.interval {
            return None;
        }
        let statistic = self.statistic();
        match statistic {
            Some(statistic) if statistic > self.target => self.level += self.images,
            Some(statistic) if statistic < self.target => self.level = self.level.saturating_sub(self.images),
            // On target, or unknown.
            _ => {}
        }
        self.level = self.level.min(self.most.unwrap_or(u64::MAX));
        (self.iterations, self.images, self.tallies) = (0, 0, [Tally::default(); 3]);
        Some(Update { statistic, p: self.p() })
    }

    /// What a resumed run needs.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let controller = Controller::new(&AdaConfig { p: 0.5, ..AdaConfig::default() })?;
    /// assert_eq!(controller.state().level, 250_000);
    /// # Ok(()) }
    /// ```
    pub fn state(&self) -> ControllerState {
        let Self { level, iterations, images, tallies, .. } = *self;
        ControllerState { level, iterations, images, tallies: tallies.map(Tally::to_bits) }
    }

    /// Goes on from a state of the same configuration.
    ///
    /// ```
    /// # use frugan_augment::ada::{AdaConfig, Controller};
    /// # fn main() -> Result<(), frugan_augment::ada::AdaConfigError> {
    /// let mut controller = Controller::new(&AdaConfig::default())?;
    /// let later = Controller::new(&AdaConfig { p: 0.5, ..AdaConfig::default() })?;
    /// controller.load_state(later.state());
    /// assert_eq!(controller.p(), 0.5);
    /// # Ok(()) }
    /// ```
    pub fn load_state(&mut self, state: ControllerState) {
        let ControllerState { level, iterations, images, tallies } = state;
        (self.level, self.iterations, self.images) = (level, iterations, images);
        self.tallies = tallies.map(Tally::from_bits);
    }
}

/// What to tell a run whose p is above [`SATURATED_P`].
///
/// ```
/// use frugan_augment::ada::saturation;
/// assert_eq!(saturation(0.8), None);
/// assert!(saturation(0.85).is_some_and(|text| text.starts_with("p = 0.85 (above 0.8)")));
/// ```
pub fn saturation(p: f64) -> Option<String> {
    (p > SATURATED_P).then(|| {
        format!(
            "p = {p:.2} (above {SATURATED_P}): augmentations may leak into the fakes; compare sample grids, and try more \
             data, a smaller augment.ada.pipe such as bg, or augment.ada.p_max={SATURATED_P}"
        )
    })
}
