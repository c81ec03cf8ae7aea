//! What can be wrong with data, each as one sentence with the value, what was expected, and the fix.

use crate::config::DataName;
use std::path::PathBuf;

/// The crate's result.
///
/// ```
/// fn count() -> frugan_data::Result<usize> {
///     Ok(frugan_data::open(&Default::default())?.train.len())
/// }
/// assert_eq!(count().unwrap(), 5000);
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why data could not be had.
///
/// ```
/// use frugan_data::{DataConfig, Error, open};
/// let config = DataConfig { num_images: Some(9_999), ..DataConfig::default() };
/// assert!(matches!(open(&config), Err(Error::TooManyImages { asked: 9_999, available: 5_000, .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's message says what its fields are")]
pub enum Error {
    #[error(
        "data.num_images = {num_images} and data.fraction = {fraction} both say how many images to train on: set one \
         of them"
    )]
    TwoSizes { num_images: usize, fraction: f64 },
    #[error("data.fraction = {fraction} is not in (0, 1]: 0.1 means a tenth of the training images")]
    Fraction { fraction: f64 },
    #[error("data.fraction = {fraction} of {available} training images is none: raise it, or set data.num_images")]
    EmptyFraction { fraction: f64, available: usize },
    #[error("data.num_images = 0 leaves nothing to train on: set at least 1, or leave it out to train on all")]
    NoImagesAsked,
    #[error(
        "data.num_images = {asked} is more than the {available} training images of {name}: set at most {available}, \
         or leave it out to train on all"
    )]
    TooManyImages { asked: usize, available: usize, name: String },
    #[error(
        "data.test_fraction = {test_fraction} is not in [0, 1): 0.1 holds out a tenth of the images, 0 holds out none"
    )]
    TestFraction { test_fraction: f64 },
    #[error(
        "data.resolution = {resolution} is not in 16 to 256, the sides that the synthetic set is drawn in: leave it \
         out for 32"
    )]
    SyntheticResolution { resolution: usize },
    #[error(
        "data.resolution = {resolution}, but the images of {name} are 32x32: leave it out, or set 32 (for other sizes \
         take data.name = \"folder\" or \"zip\")"
    )]
    CifarResolution { name: DataName, resolution: usize },
    #[error("data.resolution = 0 is no size: set the side of the images in pixels, or leave it out")]
    ZeroResolution,
    #[error(
        "data.root = {} has no effect with data.name = \"synthetic\", which the program draws: set data=folder (or zip, \
         cifar10, cifar100) to read it, or leave it out",
        root.display()
    )]
    RootOfNothing { root: PathBuf },
    #[error("data.name = \"folder\" needs data.root: set it to the folder that holds the images")]
    NoRoot,
    #[error("data.name = \"zip\" needs data.root: set it to the zip file that holds the images")]
    NoArchive,
    #[error(
        "{} is not a folder: set data.root to the folder that holds the images (data.name = \"zip\" reads a zip file)",
        path.display()
    )]
    NotAFolder { path: PathBuf },
    #[error(
        "{} is not a whole zip file ({reason}): set data.root to one, or data.name = \"folder\" for a folder of images",
        path.display()
    )]
    NotAnArchive { path: PathBuf, reason: String },
    #[error("{} holds no PNG or JPEG file: set data.root to a zip file of images", path.display())]
    EmptyArchive { path: PathBuf },
    #[error(
        "dataset.json in {} cannot be used ({reason}): it holds {{\"labels\": [[\"00000/img00000000.png\", 6], ..]}} \
         or {{\"labels\": null}}; mend it, or set data.labels = \"none\"",
        path.display()
    )]
    DatasetJson { path: PathBuf, reason: String },
    #[error("{} holds no PNG or JPEG file, in no sub-folder either: set data.root to the folder of images", path.display())]
    EmptyFolder { path: PathBuf },
    #[error(
        "data.test_fraction = {test_fraction} leaves nothing of {images} images to train on: lower it, or set 0 to \
         train on all"
    )]
    NothingToTrainOn { test_fraction: f64, images: usize },
    #[error(
        "{name} was not found: looked for {file} in {}; set data.root or FRUGAN_DATA to the folder that holds it, set \
         data.download = true, or take data.name = \"synthetic\"",
        paths(looked)
    )]
    NotFound { name: DataName, file: String, looked: Vec<PathBuf> },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error(
        "{} has {got} bytes, expected {expected}{}: fetch it again, or set data.verify = false if it holds other images \
         in CIFAR's format",
        path.display(), if got < expected { " (truncated)" } else { "" }
    )]
    FileSize { path: PathBuf, got: u64, expected: u64 },
    #[error(
        "{} has {got} bytes, which is not a whole number of records of {record} bytes: {} bytes of the last one are \
         there, so it is truncated or not CIFAR's binary version; fetch it again",
        path.display(), got % record
    )]
    Records { path: PathBuf, got: u64, record: u64 },
    #[error(
        "{} has sha256 {got}, expected {expected}: it is damaged or not the official file; fetch it again, or set \
         data.verify = false if it is meant to differ",
        path.display()
    )]
    Checksum { path: PathBuf, got: String, expected: String },
    #[error(
        "{}: record {record} has label {label}, expected 0 to {}: the file is damaged or of another data set",
        path.display(), classes - 1
    )]
    Label { path: PathBuf, record: usize, label: u8, classes: usize },
    #[error(
        "cannot download {url}: {reason}; run again to go on where it stopped, or fetch it by other means and set \
         data.root or FRUGAN_DATA to the folder that holds it unpacked"
    )]
    Download { url: String, reason: String },
    #[error(
        "the download of {url} has {got} bytes, expected {expected}: it is not the official file, or was replaced there"
    )]
    DownloadSize { url: String, got: u64, expected: u64 },
    #[cfg(feature = "hub")]
    #[error(
        "the hub's copy of CIFAR-10 cannot be had: {reason}; set data.root or FRUGAN_DATA to a folder that holds it"
    )]
    Hub { reason: String },
    #[error("{} does not hold {file}: it is not the official archive; delete it and fetch it again", path.display())]
    Archive { path: PathBuf, file: String },
    #[error("{}: {reason}; make it again with `frugan data keep`", path.display())]
    Kept { path: PathBuf, reason: String },
    #[error(
        "{} holds {kept} of {total} training images, and {missing} of the {wanted} that this run wants are not among \
         them: train on a subset of what was kept, or set data.root to the whole set",
        path.display()
    )]
    NotKept { path: PathBuf, kept: usize, total: usize, wanted: usize, missing: usize },
    #[error(
        "{images} images of {side}x{side} want {:.1} GB of memory while they are read, and {}: lower data.resolution, or \
         read fewer images",
        wanted / 1e9, gigabytes(*free)
    )]
    Memory { images: usize, side: usize, wanted: f64, free: Option<f64> },
    #[error("{0}")]
    Folder(Box<crate::scan::Report>),
    #[error("{what}: {got} given, expected {expected}")]
    Shape { what: String, got: String, expected: String },
    #[error(
        "seed = {seed}: data.sampler = \"infinite_window\" draws by numpy's generator, which wants a seed below 2^32; \
         set a smaller seed, or data.sampler = \"multi_epoch\""
    )]
    SamplerSeed { seed: u64 },
    #[error("optim.batch = 0 gives nothing to train on: set at least 1")]
    EmptyBatch,
    #[error(
        "optim.batch = {batch} is larger than the {images} images of {name}: lower optim.batch to at most {images}, or \
         train on more images"
    )]
    BatchTooLarge { batch: usize, images: usize, name: String },
}

fn paths(looked: &[PathBuf]) -> String {
    if looked.is_empty() {
        return "no folder (data.root, FRUGAN_DATA and the user's cache are all unknown)".to_owned();
    }
    looked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn gigabytes(free: Option<f64>) -> String {
    free.map_or_else(|| "the system gives less".to_owned(), |bytes| format!("{:.1} GB are free", bytes / 1e9))
}

impl Error {
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Read { path, source }
    }

    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Write { path, source }
    }
}
