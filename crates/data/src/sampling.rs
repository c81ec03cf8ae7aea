//! How the loader walks through the training images: order and mirror images.

use crate::dataset::Dataset;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The classes of the fakes that a run trains on.
///
/// ```
/// use frugan_data::{FakeLabels, synthetic};
/// let set = synthetic::test(32);
/// assert_eq!(FakeLabels::Uniform.of(&set), None);
/// assert_eq!(FakeLabels::Data.of(&set).map(|labels| labels.len()), Some(1000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FakeLabels {
    /// Uniform over the classes, whatever the images' are: DiffAugment's BigGAN code.
    #[default]
    Uniform,
    /// Those of random training images: StyleGAN2's code.
    Data,
}

impl FakeLabels {
    /// Whether it is the default, which published configs leave out.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The labels to draw from; `None` for uniform ones.
    ///
    /// ```
    /// use frugan_data::{FakeLabels, synthetic};
    /// assert!(FakeLabels::Data.of(&synthetic::test(32)).is_some_and(|labels| labels.iter().all(|label| *label < 10)));
    /// ```
    pub fn of(self, train: &Dataset) -> Option<Vec<i32>> {
        (self == Self::Data).then(|| train.labels.iter().map(|label| *label as i32).collect())
    }
}

/// Which training images are mirrored along their width.
///
/// ```
/// use frugan_data::{DataConfig, Mirror};
/// let mirror = |text: &str| toml::from_str::<DataConfig>(text).unwrap().mirror;
/// assert_eq!([mirror("mirror = true"), mirror("mirror = 'coin'")], [Mirror::Coin; 2]);
/// assert_eq!([mirror("mirror = 'double'"), mirror("mirror = false")], [Mirror::Double, Mirror::Off]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// Each image with probability 1/2 each time it is fetched: DiffAugment's code. In a config `true` or `"coin"`.
    #[default]
    Coin,
    /// The set holds every image and its mirror image: ADA's code. In a config `"double"`.
    Double,
    /// None. In a config `false`.
    Off,
}

const NAMES: [&str; 2] = ["coin", "double"];

impl Serialize for Mirror {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // As configs were written when there was nothing else to choose.
            Self::Coin => serializer.serialize_bool(true),
            Self::Off => serializer.serialize_bool(false),
            Self::Double => serializer.serialize_str("double"),
        }
    }
}

impl<'de> Deserialize<'de> for Mirror {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl Visitor<'_> for Choice {
            type Value = Mirror;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, \"coin\" or \"double\"")
            }

            fn visit_bool<E: Error>(self, coin: bool) -> Result<Mirror, E> {
                Ok(if coin { Mirror::Coin } else { Mirror::Off })
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Mirror, E> {
                match name {
                    "coin" => Ok(Mirror::Coin),
                    "double" => Ok(Mirror::Double),
                    _ => Err(E::unknown_variant(name, &NAMES)),
                }
            }
        }
        deserializer.deserialize_any(Choice)
    }
}

/// In which order training images come.
///
/// ```
/// use frugan_data::{DataConfig, Sampler};
/// let config: DataConfig = toml::from_str("sampler = 'infinite_window'").unwrap();
/// assert_eq!(config.sampler, Sampler::InfiniteWindow);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampler {
    /// Every epoch is a fresh permutation, and epochs follow each other without a gap: DiffAugment's BigGAN code.
    #[default]
    #[serde(alias = "multi-epoch")]
    MultiEpoch,
    /// One permutation, cycled and slowly reshuffled ([`crate::InfiniteSampler`]): ADA's code.
    #[serde(alias = "infinite-window")]
    InfiniteWindow,
}

impl Sampler {
    /// Whether it is the one that a config need not name.
    ///
    /// ```
    /// assert!(frugan_data::Sampler::MultiEpoch.is_default());
    /// ```
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Order and mirror images of a [`crate::Loader`]. The default is DiffAugment's.
///
/// ```
/// use frugan_data::{Mirror, Sampler, Sampling};
/// let ada = Sampling { mirror: Mirror::Double, sampler: Sampler::InfiniteWindow };
/// assert_ne!(ada, Sampling::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sampling {
    /// Which images are mirrored.
    pub mirror: Mirror,
    /// The order.
    pub sampler: Sampler,
}
