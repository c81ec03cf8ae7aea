//! A folder of PNG and JPEG images.

mod listing;

use crate::config::DataConfig;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use crate::holdout::hold_out;
use crate::scan::{self, Header, Source};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Reads the images under `config.root`, in order of path, and holds out `config.test_fraction` of them.
///
/// Each sub-folder of the root is a class (deeper folders belong to it) unless `config.labels` is `none`. Grey images
/// give one channel when all are grey. With `config.resolution`, images of another size are cropped to their central
/// square and resized to it; without, the side is that of most images, and others do not fit.
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
    let listing = listing::list(root, config.labels)?;
    let images = scan::read(root, &listing, &Files { root, names: &listing.names }, config.resolution)?;
    let name = images.name_of(root);
    let all = Dataset::new(name, images.shape, images.pixels, listing.labels, listing.class_names)?;
    hold_out(&all, config)
}

/// The files below a folder.
struct Files<'a> {
    root: &'a Path,
    names: &'a [PathBuf],
}

impl Source for Files<'_> {
    fn header(&self, index: usize) -> Option<Header> {
        Header::read(BufReader::new(File::open(self.root.join(&self.names[index])).ok()?))
    }

    fn bytes(&self, index: usize) -> std::io::Result<Vec<u8>> {
        std::fs::read(self.root.join(&self.names[index]))
    }
}
