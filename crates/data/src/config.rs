//! What a run says about its data: the `[data]` section.

use crate::error::{Error, Result};
use crate::sampling::{FakeLabels, Mirror, Sampler, Sampling};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Which data set.
///
/// ```
/// use frugan_data::DataName;
/// assert_eq!(DataName::Cifar10.to_string(), "cifar10");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataName {
    /// The embedded set: 10 classes of shaded shapes, drawn by the program ([`crate::synthetic`]).
    Synthetic,
    /// CIFAR-10, binary version: 50,000 + 10,000 images of 32x32 in 10 classes.
    Cifar10,
    /// CIFAR-100, binary version: 50,000 + 10,000 images of 32x32 in 100 (fine) classes.
    Cifar100,
    /// A folder of PNG and JPEG images under `data.root`.
    Folder,
    /// The zip file `data.root` in the format of StyleGAN's data sets ([`crate::archive`]).
    Zip,
}

impl std::fmt::Display for DataName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Synthetic => "synthetic",
            Self::Cifar10 => "cifar10",
            Self::Cifar100 => "cifar100",
            Self::Folder => "folder",
            Self::Zip => "zip",
        })
    }
}

/// The order in which a subset's images stand.
///
/// ```
/// use frugan_data::{SubsetOrder, subset_indices};
/// assert_eq!(subset_indices(100, 3, 0, SubsetOrder::Drawn), [26, 86, 2]);
/// assert_eq!(subset_indices(100, 3, 0, SubsetOrder::Sorted), [2, 26, 86]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubsetOrder {
    /// As drawn: DiffAugment's BigGAN code. A config may also call it `biggan`.
    #[default]
    #[serde(alias = "biggan")]
    Drawn,
    /// By index: ADA's code, which may call it `ada`. The same images as `Drawn`.
    #[serde(alias = "ada")]
    Sorted,
}

/// Where labels come from.
///
/// ```
/// use frugan_data::{DataConfig, Labels};
/// assert_eq!(DataConfig::default().labels, Labels::Folders);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// From the data set, so a config may also call it `own`. In a folder each sub-folder of the root is a class, in
    /// order of name, and a root that holds images itself is one class; a zip has them in `dataset.json`.
    #[default]
    #[serde(alias = "own")]
    Folders,
    /// One class for all images: unconditional training.
    None,
}

/// The `[data]` section of a run's configuration.
///
/// ```
/// use frugan_data::DataConfig;
/// let config: DataConfig = toml::from_str("name = 'cifar10'\nnum_images = 5000").unwrap();
/// assert_eq!(config.num_images, Some(5000));
/// assert!(toml::from_str::<DataConfig>("nmae = 'cifar10'").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataConfig {
    /// `synthetic` (default), `cifar10`, `cifar100`, `folder` or `zip`.
    pub name: DataName,
    /// The folder that holds the data, or the zip file. CIFAR without it: `$FRUGAN_DATA`, the user's cache, then a
    /// download. `folder` and `zip` need it, `synthetic` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<PathBuf>,
    /// Train on that many images of the training split, drawn by [`crate::subset_indices`]. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_images: Option<usize>,
    /// The same as a share of the training split, in (0, 1]: 0.1 of CIFAR-10 is 5,000 images. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Seed of the subset's draw and of a folder's or zip's held-out images. It is not the run's seed: runs with
    /// several seeds share a subset. Default 0, as published.
    pub subset_seed: u32,
    /// `drawn` (default, DiffAugment) or `sorted` (ADA).
    pub subset_order: SubsetOrder,
    /// `true` (default, also `"coin"`): each fetched training image is mirrored with probability 1/2, as in
    /// DiffAugment. `"double"`: the training set holds each image and its mirror image, as in ADA. `false`: never.
    pub mirror: Mirror,
    /// `multi_epoch` (default): every epoch a fresh order, as in DiffAugment's BigGAN code. `infinite_window`: ADA's
    /// drifting order.
    #[serde(skip_serializing_if = "Sampler::is_default")]
    pub sampler: Sampler,
    /// The classes of fakes in training: `uniform` (default, DiffAugment's BigGAN code) or `data`, those of random training
    /// images (StyleGAN2's code).
    #[serde(skip_serializing_if = "FakeLabels::is_default")]
    pub fake_labels: FakeLabels,
    /// Side of the images in pixels. `folder` and `zip`: images of another size are cropped to their central square
    /// and resized to it on reading; without it, all must have the side of most images. `synthetic`: 16 to 256,
    /// default 32. CIFAR: 32 or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution: Option<usize>,
    /// `folders` (default, the data set's own) or `none` (one class: unconditional training).
    pub labels: Labels,
    /// Share of a folder's or zip's images held out as the test split, in [0, 1), at least one image unless 0. With 0
    /// there is no test split: held-out monitors and test references are then not to be had. Default 0.1.
    pub test_fraction: f64,
    /// Compare CIFAR's files with the official checksums and sizes. `false` admits other content in CIFAR's
    /// format. Default true.
    pub verify: bool,
    /// Download CIFAR when it is found nowhere. Default true.
    pub download: bool,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: DataName::Synthetic,
            root: None,
            num_images: None,
            fraction: None,
            subset_seed: 0,
            subset_order: SubsetOrder::Drawn,
            mirror: Mirror::Coin,
            sampler: Sampler::MultiEpoch,
            fake_labels: FakeLabels::Uniform,
            resolution: None,
            labels: Labels::Folders,
            test_fraction: 0.1,
            verify: true,
            download: true,
        }
    }
}

impl DataConfig {
    /// Checks what can be checked without looking at any file.
    ///
    /// # Errors
    /// A sentence on the first value that is out of its range, or on two that contradict each other.
    ///
    /// ```
    /// use frugan_data::DataConfig;
    /// let config = DataConfig { fraction: Some(1.5), ..DataConfig::default() };
    /// assert!(config.check().unwrap_err().to_string().starts_with("data.fraction = 1.5"));
    /// ```
    pub fn check(&self) -> Result<()> {
        if let (Some(num_images), Some(fraction)) = (self.num_images, self.fraction) {
            return Err(Error::TwoSizes { num_images, fraction });
        }
        if let Some(fraction) = self.fraction.filter(|f| !(*f > 0.0 && *f <= 1.0)) {
            return Err(Error::Fraction { fraction });
        }
        if self.num_images == Some(0) {
            return Err(Error::NoImagesAsked);
        }
        if !(0.0..1.0).contains(&self.test_fraction) {
            return Err(Error::TestFraction { test_fraction: self.test_fraction });
        }
        match (self.name, self.resolution, &self.root) {
            (DataName::Synthetic, _, Some(root)) => Err(Error::RootOfNothing { root: root.clone() }),
            (DataName::Synthetic, Some(resolution), _) if !(16..=256).contains(&resolution) => {
                Err(Error::SyntheticResolution { resolution })
            }
            (DataName::Cifar10 | DataName::Cifar100, Some(resolution), _) if resolution != 32 => {
                Err(Error::CifarResolution { name: self.name, resolution })
            }
            (DataName::Folder | DataName::Zip, Some(0), _) => Err(Error::ZeroResolution),
            (DataName::Folder, _, None) => Err(Error::NoRoot),
            (DataName::Zip, _, None) => Err(Error::NoArchive),
            _ => Ok(()),
        }
    }

    /// How the loader walks through the training images.
    ///
    /// ```
    /// use frugan_data::{DataConfig, Sampling};
    /// assert_eq!(DataConfig::default().sampling(), Sampling::default());
    /// ```
    pub fn sampling(&self) -> Sampling {
        Sampling { mirror: self.mirror, sampler: self.sampler }
    }

    /// How many of `available` training images the run asks for; none when it asks for all.
    ///
    /// # Errors
    /// When more are asked for than there are, or when the fraction rounds to none.
    ///
    /// ```
    /// use frugan_data::DataConfig;
    /// let config = DataConfig { fraction: Some(0.1), ..DataConfig::default() };
    /// assert_eq!(config.subset_size(50_000)?, Some(5_000));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn subset_size(&self, available: usize) -> Result<Option<usize>> {
        let of_fraction = self.fraction.map(|fraction| (fraction * available as f64).round() as usize);
        match (self.num_images, of_fraction) {
            (Some(asked), _) if asked > available => {
                Err(Error::TooManyImages { asked, available, name: self.name.to_string() })
            }
            (None, Some(0)) => Err(Error::EmptyFraction { fraction: self.fraction.unwrap_or_default(), available }),
            (num_images, of_fraction) => Ok(num_images.or(of_fraction)),
        }
    }
}
