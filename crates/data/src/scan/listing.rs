//! Which images a place holds and which class each belongs to.

use super::report::Offender;
use std::path::{Path, PathBuf};

/// The endings of what is read.
const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];
/// Images by their name, but not of a kind that is read.
const OTHER_IMAGES: [&str; 10] = ["webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jp2", "tga", "ppm"];

/// Files, their classes, and what is wrong by name or place alone.
#[derive(Default)]
pub(crate) struct Listing {
    /// Sorted, as the user sees them: relative to the folder, or inside the archive.
    pub(crate) names: Vec<PathBuf>,
    /// A class for each file.
    pub(crate) labels: Vec<u32>,
    /// A name for each class.
    pub(crate) class_names: Vec<String>,
    /// What is wrong before any file is opened.
    pub(crate) offenders: Vec<Offender>,
}

impl Listing {
    /// All files in one class.
    pub(crate) fn label_all_alike(&mut self) {
        self.labels = vec![0; self.names.len()];
        self.class_names = vec!["all".to_owned()];
    }
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PNG or JPEG.
    Image,
    /// An image of a kind that is not read.
    OtherImage,
    /// No image, or hidden: a file manager's or an archiver's.
    Other,
}

impl Kind {
    pub(crate) fn of(path: &Path) -> Self {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        match ending.as_str() {
            _ if hidden => Self::Other,
            ending if IMAGES.contains(&ending) => Self::Image,
            ending if OTHER_IMAGES.contains(&ending) => Self::OtherImage,
            _ => Self::Other,
        }
    }
}
