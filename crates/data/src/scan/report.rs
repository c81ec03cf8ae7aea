//! What is wrong with a folder or an archive of images, all at once.

use std::fmt;
use std::path::{Path, PathBuf};

/// Files named for each fault; the report itself holds all.
const SHOWN: usize = 8;

/// What can be wrong with an image, in the order of the report.
///
/// ```
/// use frugan_data::scan::Fault;
/// assert_eq!(Fault::Grey.what(8), "grey among RGB");
/// assert!(Fault::Truncated.fix(8).contains("again"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// An image file of a kind that is not read.
    Format,
    /// Not readable as an image.
    Unreadable,
    /// Ends before the image does.
    Truncated,
    /// Beside the folders of the classes.
    Unlabelled,
    /// In the archive, but not among the labels of its `dataset.json`.
    NoLabel,
    /// With a label that is no class number, or with two.
    Label,
    /// Among the labels of `dataset.json`, but not in the archive.
    Missing,
    /// Has transparency.
    Alpha,
    /// More than 8 bits a channel.
    Depth,
    /// Grey, where others have colour.
    Grey,
    /// Width and height differ.
    NonSquare,
    /// A square of another size.
    Size,
}

impl Fault {
    /// The fault in a few words; `side` is the side that images should have.
    ///
    /// ```
    /// assert_eq!(frugan_data::scan::Fault::Size.what(64), "not 64x64");
    /// ```
    pub fn what(self, side: usize) -> String {
        match self {
            Self::Format => "neither PNG nor JPEG".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
            Self::Truncated => "truncated".to_owned(),
            Self::Unlabelled => "outside the class folders".to_owned(),
            Self::NoLabel => "without a label in dataset.json".to_owned(),
            Self::Label => "with a label that is not one class number".to_owned(),
            Self::Missing => "named in dataset.json but not there".to_owned(),
            Self::Alpha => "with an alpha channel".to_owned(),
            Self::Depth => "with 16 bits a channel".to_owned(),
            Self::Grey => "grey among RGB".to_owned(),
            Self::NonSquare => "not square".to_owned(),
            Self::Size => format!("not {side}x{side}"),
        }
    }

    /// What to do about it.
    ///
    /// ```
    /// assert!(frugan_data::scan::Fault::Alpha.fix(64).contains("-alpha remove"));
    /// ```
    pub fn fix(self, side: usize) -> String {
        match self {
            Self::Format => "convert them to PNG".to_owned(),
            Self::Unreadable | Self::Truncated => "fetch or export them again, or remove them".to_owned(),
            Self::Unlabelled => "move each into the sub-folder of its class, or set data.labels = \"none\"".to_owned(),
            Self::NoLabel => "label them there, or set data.labels = \"none\"".to_owned(),
            Self::Label => {
                "give each one number in dataset.json, counting classes from 0, or set data.labels = \"none\""
                    .to_owned()
            }
            Self::Missing => "pack the archive again, or set data.labels = \"none\"".to_owned(),
            Self::Alpha => "flatten them: magick mogrify -background white -alpha remove -alpha off FILES".to_owned(),
            Self::Depth => "convert them to 8 bits: magick mogrify -depth 8 FILES".to_owned(),
            Self::Grey => "convert them to RGB (magick FILE -type TrueColor png24:FILE), or remove them".to_owned(),
            Self::NonSquare | Self::Size => {
                format!(
                    "set data.resolution = {side} (frugan data pack: --resolution {side}) or another side: they are \
                     then cropped to their central square and resized on reading"
                )
            }
        }
    }
}

/// One image with one fault.
///
/// ```
/// use frugan_data::scan::{Fault, Offender};
/// let offender = Offender::new(Fault::Size, "cats/1.png".as_ref(), "33x33".to_owned());
/// assert_eq!(offender.to_string(), "cats/1.png 33x33");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offender {
    /// What is wrong.
    pub fault: Fault,
    /// Where it is, relative to the root.
    pub path: PathBuf,
    /// More about it, such as its size; may be empty.
    pub detail: String,
}

impl Offender {
    /// `path` is relative to the root.
    ///
    /// ```
    /// use frugan_data::scan::{Fault, Offender};
    /// assert_eq!(Offender::new(Fault::Grey, "a.png".as_ref(), String::new()).to_string(), "a.png");
    /// ```
    pub fn new(fault: Fault, path: &Path, detail: String) -> Self {
        Self { fault, path: path.to_owned(), detail }
    }
}

impl fmt::Display for Offender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.detail.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}", self.path.display(), self.detail)
    }
}

/// All images of a folder or archive that do not fit, as one message of a line a fault.
///
/// ```
/// use frugan_data::scan::{Fault, Offender, Report};
/// let grey = Offender::new(Fault::Grey, "b.png".as_ref(), String::new());
/// let report = Report::new("/pictures".as_ref(), 200, 64, vec![grey]);
/// assert!(report.to_string().starts_with("1 of 200 images under /pictures cannot be used:\n  1 grey among RGB (b.png): "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The folder or archive.
    pub root: PathBuf,
    /// Images in it.
    pub images: usize,
    /// The side that images should have, in pixels.
    pub side: usize,
    /// By fault, then path. A file can appear under more than one fault.
    pub offenders: Vec<Offender>,
}

impl Report {
    /// Sorts the offenders.
    ///
    /// ```
    /// use frugan_data::scan::Report;
    /// assert!(Report::new("/pictures".as_ref(), 200, 64, Vec::new()).offenders.is_empty());
    /// ```
    pub fn new(root: &Path, images: usize, side: usize, mut offenders: Vec<Offender>) -> Self {
        offenders.sort_unstable();
        Self { root: root.to_owned(), images, side, offenders }
    }

    fn files(&self) -> usize {
        let mut paths: Vec<&Path> = self.offenders.iter().map(|offender| offender.path.as_path()).collect();
        paths.sort_unstable();
        paths.dedup();
        paths.len()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (files, images, root) = (self.files(), self.images, self.root.display());
        write!(f, "{files} of {images} images under {root} cannot be used:")?;
        for group in self.offenders.chunk_by(|a, b| a.fault == b.fault) {
            let fault = group[0].fault;
            let shown: Vec<String> = group.iter().take(SHOWN).map(Offender::to_string).collect();
            let rest = match group.len().saturating_sub(SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let (count, what, fix) = (group.len(), fault.what(self.side), fault.fix(self.side));
            write!(f, "\n  {count} {what} ({}{rest}): {fix}", shown.join(", "))?;
        }
        Ok(())
    }
}
