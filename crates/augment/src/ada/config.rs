//! `[augment.ada]` of a run.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::{Pipe, PipeError};

/// `[augment.ada]`: ADA's pipe and the control of its overall strength p.
///
/// ```
/// use frugan_augment::ada::AdaConfig;
/// let config = AdaConfig::default();
/// assert_eq!((config.pipe.as_str(), config.target()), ("bgc", 0.6));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdaConfig {
    /// The transforms: a comma-separated list of blit, geom, color, filter, bg, bgc, bgcf, bgcfn, bgcfnc, and of single
    /// transforms (xflip, rotate90, xint, scale, rotate, aniso, xfrac, brightness, contrast, lumaflip, hue, saturation,
    /// imgfilter, noise, cutout), each with a strength after a colon if not 1: `bgc,rotate:0.5`. Default: `bgc`.
    #[serde(deserialize_with = "known_pipe")]
    pub pipe: String,
    /// What p follows: `rt` (the sign of D on reals), `rv` (D on held-out images, which the data must have), or nothing:
    /// `fixed`. Default: `rt`.
    pub controller: ControllerKind,
    /// The overall strength: where p starts, or with `fixed` what it is. 0 or more. Default: 0.
    pub p: f64,
    /// The r_t or r_v that p steers to. Default: 0.6 with `rt`, 0.5 with `rv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Thousands of images over which p rises from 0 to 1. Default: 500; ADA's code has 100 when it goes on from another
    /// run's networks.
    pub kimg: f64,
    /// Iterations between two updates of p. Default: 4.
    pub interval: u64,
    /// What p does not pass: a number, or `none`. Default: 1. ADA's code has none: above 1 nothing gets stronger, but p
    /// needs the longer to come back.
    pub p_max: PMax,
    /// Whether images that are only flipped, turned by quarters and shifted by whole pixels are copied instead of
    /// resampled. Default: false, as in ADA's code.
    pub exact_blit: bool,
}

/// What p follows.
///
/// ```
/// use frugan_augment::ada::ControllerKind;
/// assert_eq!(ControllerKind::default(), ControllerKind::Rt);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ControllerKind {
    /// r_t, the mean sign of D on training images.
    #[default]
    Rt,
    /// r_v, where D puts held-out images between training images and fakes.
    Rv,
    /// Nothing: p stays.
    Fixed,
}

/// The bound of p: a number, or `none`.
///
/// ```
/// use frugan_augment::ada::PMax;
/// assert_eq!(PMax::default(), PMax::At(1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PMax {
    /// p stays at or below it.
    At(f64),
    /// p may rise for ever, as in ADA's code.
    None,
}

/// What is wrong with an `[augment.ada]`.
///
/// ```
/// use frugan_augment::ada::AdaConfig;
/// let error = AdaConfig { kimg: 0.0, ..AdaConfig::default() }.check().expect_err("no images");
/// assert_eq!(error.to_string(), "augment.ada.kimg = 0: want a finite number from 0.001 up");
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AdaConfigError {
    /// A text that is no pipe.
    #[error("augment.ada.pipe: {0}")]
    Pipe(#[from] PipeError),
    /// A number outside its range.
    #[error("augment.ada.{key} = {value}: want {range}")]
    OutOfRange {
        /// The key below `augment.ada`.
        key: &'static str,
        /// What was given.
        value: f64,
        /// The range, in words.
        range: &'static str,
    },
    /// A start above the bound.
    #[error("augment.ada.p = {p} is above augment.ada.p_max = {p_max}: lower p, or raise p_max")]
    AboveMax {
        /// The start.
        p: f64,
        /// The bound.
        p_max: f64,
    },
    /// A target that nothing reads.
    #[error(
        "augment.ada.target = {target} has no effect on controller = \"fixed\": remove it, or choose \"rt\" or \"rv\""
    )]
    TargetOfFixed {
        /// What was given.
        target: f64,
    },
}

impl Default for AdaConfig {
    fn default() -> Self {
        Self {
            pipe: "bgc".into(),
            controller: ControllerKind::Rt,
            p: 0.0,
            target: None,
            kimg: 500.0,
            interval: 4,
            p_max: PMax::default(),
            exact_blit: false,
        }
    }
}

impl Default for PMax {
    fn default() -> Self {
        Self::At(1.0)
    }
}

impl AdaConfig {
    /// The pipe, read.
    ///
    /// ```
    /// use frugan_augment::ada::{AdaConfig, Transform};
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// assert_eq!(AdaConfig::default().pipe()?.strength(Transform::Hue), 1.0);
    /// # Ok(()) }
    /// ```
    pub fn pipe(&self) -> Result<Pipe, PipeError> {
        Ok(Pipe::parse(&self.pipe)?.exact_blit(self.exact_blit))
    }

    /// The target, or the default of the controller.
    ///
    /// ```
    /// use frugan_augment::ada::{AdaConfig, ControllerKind};
    /// assert_eq!(AdaConfig { controller: ControllerKind::Rv, ..AdaConfig::default() }.target(), 0.5);
    /// ```
    pub fn target(&self) -> f64 {
        self.target.unwrap_or(if self.controller == ControllerKind::Rv { 0.5 } else { 0.6 })
    }

    /// Whether the pipe can act at some time of a run: not with a fixed p of 0.
    ///
    /// ```
    /// use frugan_augment::ada::{AdaConfig, ControllerKind};
    /// assert!(AdaConfig::default().acts());
    /// assert!(!AdaConfig { controller: ControllerKind::Fixed, ..AdaConfig::default() }.acts());
    /// ```
    pub fn acts(&self) -> bool {
        self.controller != ControllerKind::Fixed || self.p > 0.0
    }

    /// Checks every value.
    ///
    /// ```
    /// assert!(frugan_augment::ada::AdaConfig::default().check().is_ok());
    /// ```
    pub fn check(&self) -> Result<(), AdaConfigError> {
        self.pipe()?;
        let target = self.target();
        let numbers = [
            ("p", self.p, 0.0..=f64::MAX, "a finite number from 0 up"),
            ("target", target, -1.0..=1.0, "a number in [-1, 1]"),
            ("kimg", self.kimg, 0.001..=1e12, "a finite number from 0.001 up"),
            ("interval", self.interval as f64, 1.0..=f64::MAX, "1 or more"),
        ];
        if let Some((key, value, _, range)) = numbers.into_iter().find(|(_, value, range, _)| !range.contains(value)) {
            return Err(AdaConfigError::OutOfRange { key, value, range });
        }
        if let (ControllerKind::Fixed, Some(target)) = (self.controller, self.target) {
            return Err(AdaConfigError::TargetOfFixed { target });
        }
        match self.p_max {
            PMax::At(p_max) if !(p_max.is_finite() && p_max > 0.0) => Err(AdaConfigError::OutOfRange {
                key: "p_max",
                value: p_max,
                range: "a finite number above 0, or none",
            }),
            PMax::At(p_max) if self.p > p_max => Err(AdaConfigError::AboveMax { p: self.p, p_max }),
            _ => Ok(()),
        }
    }
}

impl Serialize for PMax {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(p) => serializer.serialize_f64(*p),
            Self::None => serializer.serialize_str("none"),
        }
    }
}

impl<'de> Deserialize<'de> for PMax {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrNone)
    }
}

struct NumberOrNone;

impl Visitor<'_> for NumberOrNone {
    type Value = PMax;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or \"none\"")
    }

    fn visit_f64<E: Error>(self, p: f64) -> Result<PMax, E> {
        Ok(PMax::At(p))
    }

    fn visit_i64<E: Error>(self, p: i64) -> Result<PMax, E> {
        Ok(PMax::At(p as f64))
    }

    fn visit_u64<E: Error>(self, p: u64) -> Result<PMax, E> {
        Ok(PMax::At(p as f64))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<PMax, E> {
        if text == "none" { Ok(PMax::None) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
    }
}

/// An unknown name in a config is an error of the key that holds it, with its place in the file.
fn known_pipe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    Pipe::parse(&text).map_err(D::Error::custom)?;
    Ok(text)
}
