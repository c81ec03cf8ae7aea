//! Policy strings: which transforms, in which order.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::extras::ExtraTransform;

/// One transform of DiffAugment, with the draws of one sample. `u` is uniform on [0, 1); the paper's code calls
/// the row axis x and the column axis y.
///
/// ```
/// use frugan_augment::{Policy, Transform};
/// # fn main() -> Result<(), frugan_augment::PolicyError> {
/// use Transform::{Brightness, Contrast, Saturation, Translation};
/// assert_eq!(Policy::parse("translation,color")?.transforms(), [Translation, Brightness, Saturation, Contrast]);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transform {
    /// `x + (u - 0.5)`
    Brightness,
    /// `(x - m) 2u + m`, m the mean over the channels of each pixel.
    Saturation,
    /// `(x - m) (u + 0.5) + m`, m the mean over the whole image.
    Contrast,
    /// `out[i, j] = x[i + tx, j + ty]`, zero outside; tx and ty uniform on {-s, .., s}, s an eighth of the side, rounded.
    Translation,
    /// Zeroes a rectangle of half the sides (rounded), cut off at the borders; its centre is uniform over the image.
    Cutout,
    /// A transform that is not the paper's.
    Extra(ExtraTransform),
}

/// An augmentation policy: transforms in the order in which they act.
///
/// ```
/// use frugan_augment::Policy;
/// # fn main() -> Result<(), frugan_augment::PolicyError> {
/// assert!(Policy::parse("")?.is_identity());
/// assert_eq!(Policy::parse("translation,cutout")?.to_string(), "translation,cutout");
/// let error = Policy::parse("translation,cutuot").expect_err("a misspelt name");
/// assert!(error.to_string().contains("did you mean \"cutout\"?"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    text: String,
    transforms: Vec<Transform>,
}

/// What is wrong with a policy string.
///
/// ```
/// use frugan_augment::{Policy, PolicyError};
/// assert_eq!(Policy::parse("color,,cutout"), Err(PolicyError::EmptyName { policy: "color,,cutout".into() }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A name that is no transform.
    #[error("policy \"{policy}\": there is no transform \"{name}\"{}; the names are {}", hint(name), names())]
    UnknownName {
        /// The whole policy.
        policy: String,
        /// The name in it.
        name: String,
    },
    /// Two commas in a row, or one at an end.
    #[error("policy \"{policy}\": a name between two commas is empty; write names such as \"color,translation\"")]
    EmptyName {
        /// The whole policy.
        policy: String,
    },
}

/// The names that a policy string may hold. `color` is the paper's name for the first three transforms together.
const NAMES: [(&str, &[Transform]); 6] = [
    ("color", &[Transform::Brightness, Transform::Saturation, Transform::Contrast]),
    ("translation", &[Transform::Translation]),
    ("cutout", &[Transform::Cutout]),
    ("brightness", &[Transform::Brightness]),
    ("saturation", &[Transform::Saturation]),
    ("contrast", &[Transform::Contrast]),
];

impl Policy {
    /// Reads a comma-separated list of `color` (brightness, saturation, contrast), `translation`, `cutout`, one of the
    /// three parts of `color` by its own name, or a transform beyond the paper's. They act in the order given; a name may come twice. An empty string
    /// is the identity.
    ///
    /// ```
    /// use frugan_augment::Policy;
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// assert_eq!(Policy::parse("color, translation, translation")?.transforms().len(), 5);
    /// # Ok(()) }
    /// ```
    pub fn parse(policy: &str) -> Result<Self, PolicyError> {
        let text = policy.trim();
        let mut parsed = Self::default();
        for name in text.split(',').map(str::trim).filter(|_| !text.is_empty()) {
            if name.is_empty() {
                return Err(PolicyError::EmptyName { policy: policy.into() });
            }
            let extra = ExtraTransform::all().find(|extra| extra.name() == name).map(Transform::Extra);
            match (NAMES.iter().find(|(known, _)| *known == name), extra) {
                (Some((_, transforms)), _) => parsed.transforms.extend_from_slice(transforms),
                (None, Some(extra)) => parsed.transforms.push(extra),
                (None, None) => return Err(PolicyError::UnknownName { policy: policy.into(), name: name.into() }),
            }
            if !parsed.text.is_empty() {
                parsed.text.push(',');
            }
            parsed.text.push_str(name);
        }
        Ok(parsed)
    }

    /// The transforms in order, with `color` taken apart.
    ///
    /// ```
    /// use frugan_augment::{Policy, Transform};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// assert_eq!(Policy::parse("cutout")?.transforms(), [Transform::Cutout]);
    /// # Ok(()) }
    /// ```
    pub fn transforms(&self) -> &[Transform] {
        &self.transforms
    }

    /// Whether the policy leaves every image as it is.
    ///
    /// ```
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// assert!(!frugan_augment::Policy::parse("color")?.is_identity());
    /// # Ok(()) }
    /// ```
    pub fn is_identity(&self) -> bool {
        self.transforms.is_empty()
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(policy: &str) -> Result<Self, PolicyError> {
        Self::parse(policy)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Transform {
    /// The name that draws and errors carry.
    ///
    /// ```
    /// assert_eq!(frugan_augment::Transform::Cutout.name(), "cutout");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Brightness => "brightness",
            Self::Saturation => "saturation",
            Self::Contrast => "contrast",
            Self::Translation => "translation",
            Self::Cutout => "cutout",
            Self::Extra(extra) => extra.name(),
        }
    }

    /// Whether it is a part of `color`.
    pub(crate) fn is_color(self) -> bool {
        matches!(self, Self::Brightness | Self::Saturation | Self::Contrast)
    }
}

/// All names, the paper's first.
fn known_names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name).chain(ExtraTransform::all().map(ExtraTransform::name))
}

fn names() -> String {
    known_names().collect::<Vec<_>>().join(", ")
}

/// `; did you mean "cutout"?` where a known name is near enough.
fn hint(name: &str) -> String {
    let near = known_names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known));
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, known)) if distance <= 3 => format!("; did you mean \"{known}\"?"),
        _ => String::new(),
    }
}
