//! `[loss]` of a run.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    AcganConfig, Adversarial, ApaConfig, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, InstanceNoiseConfig,
    Pairing, PathLengthConfig, R1Config, ZcrConfig,
};

/// `[loss]`: the adversarial loss, the regularisers of D, and the tricks. What is an `Option` is off when absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// What D and G minimise. Default: `hinge`.
    pub name: LossName,
    /// One-sided label smoothing of `bce`: the target of reals is 1 minus this. In [0, 0.5), 0 for none (the default).
    /// Any other loss wants 0.
    pub label_smoothing: f64,
    /// `wasserstein` only: weight of the mean squared real logit. 0 for none (the default); the usual value is 0.001.
    /// Any other loss wants 0.
    pub drift: f64,
    /// Strength of orthogonal regularisation, for G and D. 0 for none (the default); BigGAN on ImageNet: 1e-4.
    pub ortho: f64,
    /// Probability that D is told the wrong side of a real and a fake, in [0, 0.5). Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_flip: Option<f64>,
    /// Consistency regularisation.
    pub cr: CrConfig,
    /// The LeCam regulariser.
    pub lecam: LecamConfig,
    /// R1. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r1: Option<R1Config>,
    /// Path length regularisation, of StyleGAN2 alone. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_length: Option<PathLengthConfig>,
    /// Balanced consistency regularisation. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bcr: Option<BcrConfig>,
    /// Latent consistency regularisation. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zcr: Option<ZcrConfig>,
    /// WGAN-GP's or DRAGAN's penalty. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_penalty: Option<GradientPenaltyConfig>,
    /// Adaptive pseudo augmentation. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apa: Option<ApaConfig>,
    /// Feature matching. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_matching: Option<FeatureMatchingConfig>,
    /// Instance noise. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_noise: Option<InstanceNoiseConfig>,
    /// The auxiliary classifier. Absent by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acgan: Option<AcganConfig>,
}

/// The adversarial losses by name; [`Adversarial`] has the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossName {
    /// [`Adversarial::Hinge`]
    #[default]
    Hinge,
    /// [`Adversarial::NonSaturating`]
    NonSaturating,
    /// [`Adversarial::Bce`]
    Bce,
    /// [`Adversarial::LeastSquares`]
    LeastSquares,
    /// [`Adversarial::LeastSquaresLecam`]
    LeastSquaresLecam,
    /// [`Adversarial::Wasserstein`]
    Wasserstein,
    /// [`Adversarial::RelativisticAverageHinge`]
    RelativisticAverageHinge,
}

/// `[loss.cr]`: consistency regularisation of D on reals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrConfig {
    /// Weight of the penalty in D's loss. 0 for none (the default); CR-BigGAN: 10.
    pub weight: f64,
    /// The augmentation A, such as the default `flip,translation`. Empty: the pair is (T(x), x); see [`Pairing`].
    pub augment: String,
}

/// `[loss.lecam]`: the LeCam regulariser.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LecamConfig {
    /// Weight of the penalty in D's loss. 0 for none (the default); LeCam's CIFAR scripts: 0.3.
    pub weight: f64,
    /// Decay of the running means of logits, a D step. In [0, 1). Default: 0.9, the code's; the paper says 0.99.
    pub decay: f64,
    /// The G iteration after which the penalty acts; before it the means are those of the batch. Default: 1000.
    pub start_itr: u64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            name: LossName::default(),
            label_smoothing: 0.0,
            drift: 0.0,
            ortho: 0.0,
            label_flip: None,
            cr: CrConfig::default(),
            lecam: LecamConfig::default(),
            r1: None,
            path_length: None,
            bcr: None,
            zcr: None,
            gradient_penalty: None,
            apa: None,
            feature_matching: None,
            instance_noise: None,
            acgan: None,
        }
    }
}

impl Default for CrConfig {
    fn default() -> Self {
        Self { weight: 0.0, augment: "flip,translation".into() }
    }
}

impl Default for LecamConfig {
    fn default() -> Self {
        Self { weight: 0.0, decay: 0.9, start_itr: 1000 }
    }
}

/// What is wrong with a `[loss]`.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ConfigError {
    /// A number outside its range.
    #[error("loss.{key} = {value}: want {range}")]
    OutOfRange {
        /// The key below `loss`.
        key: &'static str,
        /// What was given.
        value: f64,
        /// The range, in words.
        range: &'static str,
    },
    /// A number that the chosen loss would not read.
    #[error("loss.{key} = {value} has no effect on loss.name = \"{name}\": set it to 0, or loss.name to \"{wanted}\"")]
    NoEffect {
        /// The key below `loss`.
        key: &'static str,
        /// What was given.
        value: f64,
        /// The loss chosen.
        name: &'static str,
        /// The loss that reads the key.
        wanted: &'static str,
    },
    /// bCR without A: each pair would be an image and itself.
    #[error(
        "loss.bcr.augment is empty, so each image would be paired with itself: give an augmentation such as \
         \"flip,translation\""
    )]
    NoAugment,
    /// CR is the part of bCR on reals: together they would count it twice.
    #[error(
        "loss.bcr beside loss.cr.weight = {cr}: bCR holds CR on reals already; set loss.cr.weight to 0, or leave out loss.bcr"
    )]
    ConsistencyTwice {
        /// The weight of CR that was given.
        cr: f64,
    },
    /// Neither T nor A: the pair would be an image and itself.
    #[error(
        "loss.cr.weight = {weight}: with an empty loss.cr.augment and no augmentation of reals each image would be \
         paired with itself; give loss.cr.augment (\"flip,translation\"), or augment.policy with augment.on.d_real"
    )]
    NothingToPair {
        /// The weight that was given.
        weight: f64,
    },
}

impl LossName {
    /// The name as it stands in a config.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hinge => "hinge",
            Self::NonSaturating => "non_saturating",
            Self::Bce => "bce",
            Self::LeastSquares => "least_squares",
            Self::LeastSquaresLecam => "least_squares_lecam",
            Self::Wasserstein => "wasserstein",
            Self::RelativisticAverageHinge => "relativistic_average_hinge",
        }
    }
}

impl LossConfig {
    /// The adversarial loss with its settings.
    pub fn adversarial(&self) -> Adversarial {
        match self.name {
            LossName::Hinge => Adversarial::Hinge,
            LossName::NonSaturating => Adversarial::NonSaturating,
            LossName::Bce => Adversarial::Bce { label_smoothing: self.label_smoothing },
            LossName::LeastSquares => Adversarial::LeastSquares,
            LossName::LeastSquaresLecam => Adversarial::LeastSquaresLecam,
            LossName::Wasserstein => Adversarial::Wasserstein { drift: self.drift },
            LossName::RelativisticAverageHinge => Adversarial::RelativisticAverageHinge,
        }
    }

    /// Checks every value that can be checked without the rest of the run's config.
    pub fn check(&self) -> Result<(), ConfigError> {
        in_range("label_smoothing", self.label_smoothing, 0.0..0.5, "a number in [0, 0.5)")?;
        in_range("lecam.decay", self.lecam.decay, 0.0..1.0, "a number in [0, 1)")?;
        let weights = [
            ("drift", self.drift),
            ("ortho", self.ortho),
            ("cr.weight", self.cr.weight),
            ("lecam.weight", self.lecam.weight),
            ("r1.gamma", self.r1.map_or(0.0, |r1| r1.gamma)),
            ("path_length.weight", self.path_length.map_or(0.0, |pl| pl.weight)),
        ];
        for (key, value) in weights {
            in_range(key, value, 0.0..f64::INFINITY, "a finite number from 0 up")?;
        }
        if let Some(pl) = &self.path_length {
            in_range("path_length.decay", pl.decay, f64::MIN_POSITIVE..1.0 + f64::EPSILON, "a number in (0, 1]")?;
            in_range("path_length.batch_shrink", pl.batch_shrink as f64, 1.0..f64::INFINITY, "1 or more")?;
        }
        self.has_effect("label_smoothing", self.label_smoothing, LossName::Bce)?;
        self.has_effect("drift", self.drift, LossName::Wasserstein)?;
        self.check_optional()
    }

    fn check_optional(&self) -> Result<(), ConfigError> {
        in_range("label_flip", self.label_flip.unwrap_or(0.0), 0.0..0.5, "a probability in [0, 0.5)")?;
        if let (Some(_), true) = (&self.bcr, self.cr.weight != 0.0) {
            return Err(ConfigError::ConsistencyTwice { cr: self.cr.weight });
        }
        self.bcr.as_ref().map_or(Ok(()), BcrConfig::check)?;
        self.zcr.as_ref().map_or(Ok(()), ZcrConfig::check)?;
        self.gradient_penalty.as_ref().map_or(Ok(()), GradientPenaltyConfig::check)?;
        self.apa.as_ref().map_or(Ok(()), ApaConfig::check)?;
        self.feature_matching.as_ref().map_or(Ok(()), FeatureMatchingConfig::check)?;
        self.instance_noise.as_ref().map_or(Ok(()), InstanceNoiseConfig::check)?;
        self.acgan.as_ref().map_or(Ok(()), AcganConfig::check)
    }

    fn has_effect(&self, key: &'static str, value: f64, reader: LossName) -> Result<(), ConfigError> {
        if value == 0.0 || self.name == reader {
            return Ok(());
        }
        Err(ConfigError::NoEffect { key, value, name: self.name.as_str(), wanted: reader.as_str() })
    }
}

impl CrConfig {
    /// Which images make a pair; `None` at weight 0. `t_on_real` says whether T acts on D's reals: a policy
    /// that is not empty, with `augment.on.d_real`.
    pub fn pairing(&self, t_on_real: bool) -> Result<Option<Pairing>, ConfigError> {
        if self.weight == 0.0 {
            return Ok(None);
        }
        match (self.augment.trim().is_empty(), t_on_real) {
            (false, false) => Ok(Some(Pairing::Augmented)),
            (false, true) => Ok(Some(Pairing::AugmentedAfterT)),
            (true, true) => Ok(Some(Pairing::Raw)),
            (true, false) => Err(ConfigError::NothingToPair { weight: self.weight }),
        }
    }
}

/// An error that names the key below `loss`, unless the value lies in the bounds.
pub(crate) fn in_range(
    key: &'static str,
    value: f64,
    bounds: Range<f64>,
    range: &'static str,
) -> Result<(), ConfigError> {
    if bounds.contains(&value) { Ok(()) } else { Err(ConfigError::OutOfRange { key, value, range }) }
}
