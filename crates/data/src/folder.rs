//! A folder of PNG and JPEG images.
//!
//! Everything is looked at before anything is trained on: every image is decoded, and all that do not fit are
//! reported together, with what to do about each kind.

mod jpeg;
mod listing;
mod report;
mod scan;

pub use report::{Fault, Offender, Report};

use crate::config::DataConfig;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use frugan_nn::{Purpose, Stream};
use listing::Listing;
use std::path::Path;

const HOLDOUT: Purpose = Purpose::new("data.holdout");

/// Reads the images under `config.root`, in order of path, and holds out `config.test_fraction` of them.
///
/// Each sub-folder of the root is a class (deeper folders belong to it) unless `config.labels` is `none`. Grey images
/// give one channel when all are grey. The side is `config.resolution`, else that of most images.
///
/// # Errors
/// [`Error::Folder`] names all images that do not fit; else what is wrong with the folder.
///
/// ```
/// use frugan_data::{DataConfig, DataName, folder};
/// let root = tempfile::tempdir().unwrap();
/// for (name, side) in [("a.png", 8), ("b.png", 8), ("c.png", 9)] {
///     image::RgbImage::new(side, side).save(root.path().join(name)).unwrap();
/// }
/// let config = DataConfig { name: DataName::Folder, root: Some(root.path().into()), ..DataConfig::default() };
/// let error = folder::read(&config).unwrap_err().to_string();
/// assert!(error.contains("1 not 8x8 (c.png 9x9)"));
///
/// std::fs::remove_file(root.path().join("c.png")).unwrap();
/// let splits = folder::read(&config)?;
/// assert_eq!((splits.train.len(), splits.test.len(), splits.train.shape), (1, 1, [3, 8, 8]));
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn read(config: &DataConfig) -> Result<Splits> {
    let root = config.root.as_deref().ok_or(Error::NoRoot)?;
    let listing = Listing::of(root, config.labels)?;
    let images = scan::read(root, &listing, config.resolution)?;
    let name = root.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy());
    let all = Dataset::new(name, images.shape, images.pixels, listing.labels, listing.class_names)?;
    hold_out(&all, config)
}

fn hold_out(all: &Dataset, config: &DataConfig) -> Result<Splits> {
    let total = all.len();
    let share = config.test_fraction;
    let held_out = if share == 0.0 { 0 } else { ((share * total as f64).round() as usize).max(1) };
    if held_out >= total {
        return Err(Error::NothingToTrainOn { test_fraction: share, images: total });
    }
    let mut order = Stream::new(config.subset_seed.into(), HOLDOUT, 0).permutation(total as u32);
    let mut train = order.split_off(held_out);
    order.sort_unstable();
    train.sort_unstable();
    let select = |split, indices: &[u32]| all.select(format!("{} {split}", all.name), indices);
    Ok(Splits { train: select("train", &train), test: select("test", &order) })
}

/// A path as the user sees it: relative to the root.
fn relative<'a>(path: &'a Path, root: &Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}
