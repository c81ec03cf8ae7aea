//! Which files a folder holds and which class each belongs to.

use crate::config::Labels;
use crate::error::{Error, Result};
use crate::scan::{Fault, Kind, Listing, Offender};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(super) fn list(root: &Path, labels: Labels) -> Result<Listing> {
    if !root.is_dir() {
        return Err(Error::NotAFolder { path: root.to_owned() });
    }
    let mut found = Found::default();
    found.walk(root, &mut Vec::new())?;
    if found.images.is_empty() && found.others.is_empty() {
        return Err(Error::EmptyFolder { path: root.to_owned() });
    }
    let relative = |mut paths: Vec<PathBuf>| -> Vec<PathBuf> {
        paths.sort_unstable();
        paths.iter().map(|path| path.strip_prefix(root).unwrap_or(path).to_owned()).collect()
    };
    let others = relative(found.others);
    let mut listing = Listing {
        names: relative(found.images),
        offenders: others.iter().map(|name| Offender::new(Fault::Format, name, String::new())).collect(),
        ..Listing::default()
    };
    match labels {
        Labels::Folders => label_by_folder(&mut listing),
        Labels::None => listing.label_all_alike(),
    }
    Ok(listing)
}

fn label_by_folder(listing: &mut Listing) {
    let class = |name: &PathBuf| -> Option<OsString> {
        (name.components().count() > 1).then(|| name.iter().next().unwrap_or_default().to_os_string())
    };
    let classes: Vec<_> = listing.names.iter().map(class).collect();
    let mut names: Vec<_> = classes.iter().flatten().cloned().collect();
    // Sorted here, not by the order of paths, in which "a-b/" stands before "a/".
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return listing.label_all_alike();
    }
    for (class, name) in classes.into_iter().zip(&listing.names) {
        let label = class.and_then(|class| names.binary_search(&class).ok());
        if label.is_none() {
            listing.offenders.push(Offender::new(Fault::Unlabelled, name, String::new()));
        }
        listing.labels.push(label.unwrap_or_default() as u32);
    }
    listing.class_names = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
}

#[derive(Default)]
struct Found {
    images: Vec<PathBuf>,
    others: Vec<PathBuf>,
}

impl Found {
    /// `above` are the folders that this one lies in, by their real paths.
    fn walk(&mut self, folder: &Path, above: &mut Vec<PathBuf>) -> Result<()> {
        let real = folder.canonicalize().map_err(Error::read(folder))?;
        // A link to where it lies: its images are being listed.
        if above.contains(&real) {
            return Ok(());
        }
        above.push(real);
        for entry in std::fs::read_dir(folder).map_err(Error::read(folder))? {
            let entry = entry.map_err(Error::read(folder))?;
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() && !name.as_encoded_bytes().starts_with(b".") {
                self.walk(&path, above)?;
                continue;
            }
            match Kind::of(&path) {
                Kind::Image => self.images.push(path),
                Kind::OtherImage => self.others.push(path),
                Kind::Other => {}
            }
        }
        above.pop();
        Ok(())
    }
}
