//! Which files a folder holds and which class each belongs to.

use super::relative;
use super::report::{Fault, Offender};
use crate::config::Labels;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// Folders nested deeper than this are a loop of links.
const MAX_DEPTH: usize = 32;
const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];
/// Images by their name, but not of a kind that is read.
const OTHER_IMAGES: [&str; 10] = ["webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jp2", "tga", "ppm"];

pub(super) struct Listing {
    /// Sorted.
    pub(super) files: Vec<PathBuf>,
    pub(super) labels: Vec<u32>,
    pub(super) class_names: Vec<String>,
    /// What is wrong by name or place alone.
    pub(super) offenders: Vec<Offender>,
}

impl Listing {
    pub(super) fn of(root: &Path, labels: Labels) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::NotAFolder { path: root.to_owned() });
        }
        let mut found = Found::default();
        found.walk(root, 0)?;
        found.files.sort_unstable();
        found.others.sort_unstable();
        if found.files.is_empty() && found.others.is_empty() {
            return Err(Error::EmptyFolder { path: root.to_owned() });
        }
        let others = found.others.iter().map(|path| Offender::new(Fault::Format, relative(path, root), String::new()));
        let mut listing =
            Self { labels: Vec::new(), class_names: Vec::new(), offenders: others.collect(), files: found.files };
        match labels {
            Labels::Folders => listing.label_by_folder(root),
            Labels::None => listing.label_all_alike(),
        }
        Ok(listing)
    }

    fn label_by_folder(&mut self, root: &Path) {
        let class = |path: &PathBuf| {
            let inside = relative(path, root);
            (inside.components().count() > 1).then(|| inside.iter().next().unwrap_or_default().to_os_string())
        };
        let classes: Vec<_> = self.files.iter().map(class).collect();
        let mut names: Vec<_> = classes.iter().flatten().cloned().collect();
        // Sorted here, not by the order of paths, in which "a-b/" stands before "a/".
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return self.label_all_alike();
        }
        for (class, path) in classes.into_iter().zip(&self.files) {
            let label = class.and_then(|class| names.binary_search(&class).ok());
            if label.is_none() {
                self.offenders.push(Offender::new(Fault::Unlabelled, relative(path, root), String::new()));
            }
            self.labels.push(label.unwrap_or_default() as u32);
        }
        self.class_names = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    }

    fn label_all_alike(&mut self) {
        self.labels = vec![0; self.files.len()];
        self.class_names = vec!["all".to_owned()];
    }
}

#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Found {
    fn walk(&mut self, folder: &Path, depth: usize) -> Result<()> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder).map_err(Error::read(folder))? {
            let entry = entry.map_err(Error::read(folder))?;
            // Hidden files are a file manager's or an archiver's.
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
            if path.is_dir() {
                self.walk(&path, depth + 1)?;
            } else if IMAGES.contains(&ending.as_str()) {
                self.files.push(path);
            } else if OTHER_IMAGES.contains(&ending.as_str()) {
                self.others.push(path);
            }
        }
        Ok(())
    }
}
