//! Which transforms a pipe has, and how strong each is.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::{Step, Transform};

/// ADA's augmentation pipe: which transforms, each with a strength m. A transform acts on an image with probability
/// m p, where p is the pipe's overall strength at the time.
///
/// ```
/// use frugan_augment::ada::{Pipe, Transform};
/// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
/// let pipe = Pipe::parse("bgc,rotate:0.5,hue:0")?;
/// assert_eq!(pipe.strength(Transform::XFlip), 1.0);
/// assert_eq!(pipe.strength(Transform::Rotate), 0.5);
/// assert_eq!(pipe.strength(Transform::Hue), 0.0);
/// let error = Pipe::parse("bgc,rotat").expect_err("a misspelt name");
/// assert!(error.to_string().contains("did you mean \"rotate\"?"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pipe {
    text: String,
    strengths: [f64; Transform::ALL.len()],
    pub(super) exact_blit: bool,
    pub(super) percentile: Option<f64>,
}

/// What is wrong with a pipe's text.
///
/// ```
/// use frugan_augment::ada::{Pipe, PipeError};
/// assert_eq!(Pipe::parse("bg,,color"), Err(PipeError::EmptyName { pipe: "bg,,color".into() }));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PipeError {
    /// A name that is no transform and no set of them.
    #[error("pipe \"{pipe}\": there is no transform \"{name}\"{}; the names are {}", hint(name), names())]
    UnknownName {
        /// The whole text.
        pipe: String,
        /// The name in it.
        name: String,
    },
    /// No name at all, or none between two commas.
    #[error("pipe \"{pipe}\": a name is empty; write names such as \"bgc\" or \"xflip,color\"")]
    EmptyName {
        /// The whole text.
        pipe: String,
    },
    /// A strength that is no finite number from 0 up.
    #[error("pipe \"{pipe}\": the strength of {name} is \"{strength}\": want a number from 0 up, such as {name}:0.5")]
    Strength {
        /// The whole text.
        pipe: String,
        /// The name that it follows.
        name: &'static str,
        /// What was given.
        strength: String,
    },
    /// A percentile outside (0, 1).
    #[error("debug_percentile = {percentile}: want a number between 0 and 1, both excluded")]
    Percentile {
        /// What was given.
        percentile: f64,
    },
}

use Transform as T;

const BLIT: [T; 3] = [T::XFlip, T::Rotate90, T::XInt];
const GEOM: [T; 4] = [T::Scale, T::Rotate, T::Aniso, T::XFrac];
const COLOR: [T; 5] = [T::Brightness, T::Contrast, T::LumaFlip, T::Hue, T::Saturation];

/// The sets of transforms with names: the first three of the paper's six categories, and the sums of categories.
const SETS: [(&str, &[&[T]]); 9] = [
    ("blit", &[&BLIT]),
    ("geom", &[&GEOM]),
    ("color", &[&COLOR]),
    ("filter", &[&[T::ImgFilter]]),
    ("bg", &[&BLIT, &GEOM]),
    ("bgc", &[&BLIT, &GEOM, &COLOR]),
    ("bgcf", &[&BLIT, &GEOM, &COLOR, &[T::ImgFilter]]),
    ("bgcfn", &[&BLIT, &GEOM, &COLOR, &[T::ImgFilter, T::Noise]]),
    ("bgcfnc", &[&BLIT, &GEOM, &COLOR, &[T::ImgFilter, T::Noise, T::Cutout]]),
];

impl Pipe {
    /// Reads a comma-separated list of sets (`blit`, `geom`, `color`, `filter`, `bg`, `bgc`, `bgcf`, `bgcfn`,
    /// `bgcfnc`) and transforms ([`Transform::name`]), each with a strength after a colon if not 1. What comes later
    /// counts: `bgc,hue:0` is `bgc` without `hue`. The order in which they act is the pipe's own.
    ///
    /// ```
    /// use frugan_augment::ada::Pipe;
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// assert_eq!(Pipe::parse("filter")?.steps(3).count(), 4);
    /// assert_eq!(Pipe::parse("bgcfnc")?.steps(3).count(), 19);
    /// assert_eq!(Pipe::parse("bgcfnc")?.steps(1).count(), 17); // grey images have no hue and no saturation
    /// # Ok(()) }
    /// ```
    pub fn parse(pipe: &str) -> Result<Self, PipeError> {
        let mut strengths = [0.0; Transform::ALL.len()];
        let mut parts = Vec::new();
        for part in pipe.split(',').map(str::trim) {
            let (name, strength) = part.split_once(':').map_or((part, None), |(name, m)| (name.trim(), Some(m.trim())));
            if name.is_empty() {
                return Err(PipeError::EmptyName { pipe: pipe.into() });
            }
            let Some((known, transforms)) = known(name) else {
                return Err(PipeError::UnknownName { pipe: pipe.into(), name: name.into() });
            };
            let m = strength.map_or(Some(1.0), |m| m.parse().ok().filter(|m| (0.0..f64::INFINITY).contains(m)));
            let Some(m) = m else {
                let strength = strength.unwrap_or_default().into();
                return Err(PipeError::Strength { pipe: pipe.into(), name: known, strength });
            };
            parts.push(if m == 1.0 { known.to_owned() } else { format!("{known}:{m}") });
            for transform in transforms {
                strengths[transform as usize] = m;
            }
        }
        Ok(Self { text: parts.join(","), strengths, exact_blit: false, percentile: None })
    }

    /// Whether images that are only flipped, turned by quarters and shifted by whole pixels are copied pixel by pixel.
    /// Off by default: ADA's code resamples them too, and its filter is not quite symmetric, so that a flip changes an
    /// image's finest detail by some percent (a shift only by rounding).
    ///
    /// ```
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// let pipe = frugan_augment::ada::Pipe::parse("bgc")?.exact_blit(true);
    /// # assert_ne!(pipe, frugan_augment::ada::Pipe::parse("bgc")?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn exact_blit(self, exact_blit: bool) -> Self {
        Self { exact_blit, ..self }
    }

    /// The pipe with the draws of all images replaced by their value at a percentile, whatever p is: for looking at
    /// what each transform does. As in ADA's code, normal ones are `erfinv(2 d - 1)`, without the factor sqrt(2).
    ///
    /// ```
    /// use frugan_augment::ada::Pipe;
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// assert!(Pipe::parse("bgc")?.at_percentile(0.9).is_ok());
    /// assert!(Pipe::parse("bgc")?.at_percentile(1.0).is_err());
    /// # Ok(()) }
    /// ```
    pub fn at_percentile(self, percentile: f64) -> Result<Self, PipeError> {
        if !(percentile > 0.0 && percentile < 1.0) {
            return Err(PipeError::Percentile { percentile });
        }
        Ok(Self { percentile: Some(percentile), ..self })
    }

    /// The strength m of a transform; 0 if the pipe does not have it.
    ///
    /// ```
    /// use frugan_augment::ada::{Pipe, Transform};
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// assert_eq!(Pipe::parse("bg")?.strength(Transform::Cutout), 0.0);
    /// # Ok(()) }
    /// ```
    pub fn strength(&self, transform: Transform) -> f64 {
        self.strengths[transform as usize]
    }

    /// The steps of the pipe for images of so many channels, in order.
    ///
    /// ```
    /// use frugan_augment::ada::{Pipe, Step};
    /// # fn main() -> Result<(), frugan_augment::ada::PipeError> {
    /// let steps: Vec<Step> = Pipe::parse("aniso,rotate")?.steps(3).collect();
    /// assert_eq!(steps, [Step::PreRotate, Step::Aniso, Step::PostRotate]);
    /// # Ok(()) }
    /// ```
    pub fn steps(&self, channels: usize) -> impl Iterator<Item = Step> {
        let acts = move |step: &Step| self.strength(step.transform()) > 0.0 && (channels > 1 || !step.needs_color());
        Step::ALL.into_iter().filter(acts)
    }
}

impl FromStr for Pipe {
    type Err = PipeError;

    fn from_str(pipe: &str) -> Result<Self, PipeError> {
        Self::parse(pipe)
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The transforms of a name.
fn known(name: &str) -> Option<(&'static str, Vec<Transform>)> {
    let set = SETS.iter().find(|(set, _)| *set == name).map(|(set, parts)| (*set, parts.concat()));
    set.or_else(|| Transform::ALL.iter().find(|t| t.name() == name).map(|t| (t.name(), vec![*t])))
}

fn all_names() -> impl Iterator<Item = &'static str> {
    SETS.iter().map(|(name, _)| *name).chain(Transform::ALL.map(Transform::name))
}

fn names() -> String {
    all_names().collect::<Vec<_>>().join(", ")
}

/// `; did you mean "rotate"?` where a known name is near enough.
fn hint(name: &str) -> String {
    let near = all_names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known));
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, known)) if distance <= 3.min(name.len() / 2) => format!("; did you mean \"{known}\"?"),
        _ => String::new(),
    }
}
