//! Makes sure that a data set's files are on this machine.

use crate::cifar::{CIFAR10, CIFAR100, Format};
use crate::config::{DataConfig, DataName};
use crate::download::{Download, Progress, sync_folder};
use crate::error::{Error, Result};
use crate::locate::Places;
use flate2::read::GzDecoder;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

#[cfg(test)]
mod tests;

/// The folder that holds the files of the set that `config` names; CIFAR is downloaded from its official host into
/// the user's cache when it is found nowhere, unless `data.root` is set or `data.download` is false (with feature `hub`,
/// CIFAR-10 comes from the Hugging Face hub when the official host is out of reach). [`crate::open`]
/// does the same without telling about its progress.
///
/// # Errors
/// When the set is not there and cannot be had.
///
/// ```
/// use frugan_data::{DataConfig, DataName, fetch};
/// let config = DataConfig { name: DataName::Cifar10, root: Some("/nowhere".into()), ..DataConfig::default() };
/// let error = fetch(&config, &mut |_, _| {}).unwrap_err().to_string();
/// assert!(error.starts_with("cifar10 was not found: looked for data_batch_1.bin in /nowhere"));
/// ```
pub fn fetch(config: &DataConfig, progress: &mut Progress) -> Result<PathBuf> {
    match config.name {
        DataName::Synthetic => Ok(PathBuf::new()),
        DataName::Folder => config.root.clone().ok_or(Error::NoRoot),
        DataName::Zip => config.root.clone().ok_or(Error::NoArchive),
        DataName::Cifar10 => fetch_cifar(&CIFAR10, &Places::of(config), config.download, progress),
        DataName::Cifar100 => fetch_cifar(&CIFAR100, &Places::of(config), config.download, progress),
    }
}

fn fetch_cifar(format: &Format, places: &Places, download: bool, progress: &mut Progress) -> Result<PathBuf> {
    if let Some(folder) = places.find(format) {
        return Ok(folder);
    }
    let cache = places.cache.as_deref().filter(|_| download && places.root.is_none());
    let cache = cache.ok_or_else(|| Error::NotFound {
        name: format.name,
        file: format.train[0].name.to_owned(),
        looked: places.folders().map(Into::into).collect(),
    })?;
    let archive = format.archive;
    let to = cache.join(archive.url.rsplit('/').next().unwrap_or_default());
    Download { url: archive.url, to: &to, bytes: Some(archive.bytes), sha256: Some(archive.sha256) }.fetch(progress)?;
    let folder = unpack(format, &to, cache)?;
    // The unpacked files are what is read; an archive that cannot be deleted does no harm.
    drop(std::fs::remove_file(&to));
    Ok(folder)
}

/// Unpacks the files that `format` knows into a temporary folder and renames it, so that the folder is there whole or
/// not at all. Nothing else of the archive is written, whatever paths it holds.
fn unpack(format: &Format, archive: &Path, into: &Path) -> Result<PathBuf> {
    let folder = into.join(format.folder);
    let unpacked = TempDir::new_in(into).map_err(Error::write(into))?;
    let mut missing: Vec<&str> = format.files().map(|file| file.name).collect();
    let content = BufReader::new(File::open(archive).map_err(Error::read(archive))?);
    let mut content = tar::Archive::new(GzDecoder::new(content));
    for entry in content.entries().map_err(Error::read(archive))? {
        let mut entry = entry.map_err(Error::read(archive))?;
        let path = entry.path().map_err(Error::read(archive))?.into_owned();
        let Some(place) = missing.iter().position(|name| path == Path::new(format.folder).join(name)) else { continue };
        let to = unpacked.path().join(missing.swap_remove(place));
        let mut file = File::create(&to).map_err(Error::write(&to))?;
        std::io::copy(&mut entry, &mut file).map_err(Error::write(&to))?;
        file.sync_all().map_err(Error::write(&to))?;
    }
    if let Some(file) = missing.first() {
        return Err(Error::Archive { path: archive.to_owned(), file: (*file).to_owned() });
    }
    match std::fs::rename(unpacked.path(), &folder) {
        // Another process was faster: its files are as good.
        Err(_) if folder.join(format.train[0].name).is_file() => {}
        renamed => renamed.map_err(Error::write(&folder))?,
    }
    sync_folder(into);
    Ok(folder)
}
