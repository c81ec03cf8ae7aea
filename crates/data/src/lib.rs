//! Data sets for GANs: CIFAR, image folders, StyleGAN's zips, an embedded synthetic set; subsets and the loader.
//!
//! [`open`] turns a [`DataConfig`] into [`Splits`]: images as bytes `[N, C, H, W]`, labels, and a fingerprint that
//! names the content. A [`Loader`] gives a step's batch as floats in [-1, 1]; which images it fetches and which it
//! mirrors is a function of the step alone, so a resumed run sees what an unbroken one would have seen.
//!
//! ```
//! use frugan_data::{DataConfig, Loader, open};
//! let config = DataConfig::default(); // the embedded synthetic set: no file, no network
//! let splits = open(&config)?;
//! let loader = Loader::new(&splits.train, 50, 0, config.sampling())?;
//! let batch = loader.batch(17);
//! assert_eq!(batch.images.len(), 50 * 3 * 32 * 32);
//! assert_eq!(batch.labels.len(), 50);
//! # Ok::<(), frugan_data::Error>(())
//! ```

pub mod archive;
pub mod checksum;
pub mod cifar;
mod config;
mod dataset;
mod download;
mod error;
mod fetch;
pub mod folder;
mod holdout;
#[cfg(feature = "hub")]
pub mod hub;
pub mod kept;
mod loader;
pub mod locate;
mod memory;
mod mt19937;
mod open;
mod resize;
mod sampling;
pub mod scan;
mod subset;
pub mod synthetic;

pub use config::{DataConfig, DataName, Labels, SubsetOrder};
pub use dataset::{Dataset, Splits, images_to_float};
pub use download::{Download, Progress};
pub use error::{Error, Result};
pub use fetch::fetch;
pub use loader::{Batch, Fetch, Loader};
pub use mt19937::Mt19937;
pub use open::open;
pub use resize::to_square;
pub use sampling::{FakeLabels, Mirror, Sampler, Sampling};
pub use subset::{InfiniteSampler, subset_indices};
