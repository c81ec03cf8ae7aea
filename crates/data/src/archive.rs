//! StyleGAN's data set format: a zip of PNGs with the labels in `dataset.json`.
//!
//! Images are called `00000/img00000000.png` and so on (the folder is the number's first five of eight digits) and are
//! stored without compression; `dataset.json` holds `{"labels": [["00000/img00000000.png", 6], ...]}`, or
//! `{"labels": null}` for a set without classes. This is what the data set tools of StyleGAN2-ADA and its successors
//! write and read, so archives go both ways. JPEG images, other names and deflated files are read too.

mod entries;
mod labels;
mod write;

pub use write::write;

use crate::config::{DataConfig, Labels};
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use crate::holdout::hold_out;
use crate::scan::{self, Fault, Header, Kind, Listing, Offender, Source};
use entries::Entries;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The file that holds the labels.
const DATASET_JSON: &str = "dataset.json";

/// Reads the images of the zip file `config.root` in order of name, and holds out `config.test_fraction` of them.
///
/// Classes are the numbers in `dataset.json`, and there are as many as the largest of them says; without that file,
/// with null labels, or with `config.labels = "none"`, all images are one class. Sizes are as in
/// [`crate::folder::read`].
///
/// # Errors
/// [`Error::Folder`] names all images that do not fit; else what is wrong with the file.
///
/// ```
/// use frugan_data::{DataConfig, DataName, archive, synthetic};
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("shapes.zip");
/// archive::write(&synthetic::test(16), &path)?;
/// let config = DataConfig { name: DataName::Zip, root: Some(path), test_fraction: 0.0, ..DataConfig::default() };
/// let train = archive::read(&config)?.train;
/// assert_eq!(train.fingerprint, synthetic::test(16).fingerprint);
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn read(config: &DataConfig) -> Result<Splits> {
    let path = config.root.as_deref().ok_or(Error::NoArchive)?;
    let entries = Entries::open(path)?;
    let (listing, places) = list(path, &entries, config.labels)?;
    let images = scan::read(path, &listing, &Stored { entries: &entries, places: &places }, config.resolution)?;
    let name = images.name_of(path);
    let all = Dataset::new(name, images.shape, images.pixels, listing.labels, listing.class_names)?;
    hold_out(&all, config)
}

/// The images of an archive, and the place of each among its entries.
fn list(path: &Path, entries: &Entries, labels: Labels) -> Result<(Listing, Vec<usize>)> {
    let mut listing = Listing::default();
    let mut images = Vec::new();
    let mut others = Vec::new();
    for (place, name) in entries.names().iter().enumerate() {
        match Kind::of(Path::new(name)) {
            // A folder that macOS' archiver adds: its files have images' names, and are none.
            _ if name.starts_with("__MACOSX/") => {}
            Kind::Image => images.push((name, place)),
            Kind::OtherImage => others.push(name),
            Kind::Other => {}
        }
    }
    if images.is_empty() && others.is_empty() {
        return Err(Error::EmptyArchive { path: path.to_owned() });
    }
    // By the bytes of the whole name, as StyleGAN's reader sorts.
    images.sort_unstable();
    listing.names = images.iter().map(|(name, _)| PathBuf::from(name)).collect();
    listing.offenders = others.iter().map(|name| Offender::new(Fault::Format, name.as_ref(), String::new())).collect();
    match labels {
        Labels::Folders => labels::label(&mut listing, path, entries)?,
        Labels::None => listing.label_all_alike(),
    }
    Ok((listing, images.into_iter().map(|(_, place)| place).collect()))
}

/// The images of an archive by their place in a listing.
struct Stored<'a> {
    entries: &'a Entries,
    places: &'a [usize],
}

impl Source for Stored<'_> {
    fn header(&self, index: usize) -> Option<Header> {
        Header::read(Cursor::new(self.bytes(index).ok()?))
    }

    fn bytes(&self, index: usize) -> std::io::Result<Vec<u8>> {
        self.entries.bytes(self.places[index])
    }
}
