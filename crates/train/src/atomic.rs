//! Files that are whole or absent: written under another name, synced, renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `path` so that a reader sees the old content or the new, never a part.
///
/// # Errors
/// If the folder cannot be written or the disk is full; the unfinished file is removed.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    let part = part_of(path);
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| sync_folder(path));
    written.map_err(|source| {
        // The error that matters is the first one.
        let _ = fs::remove_file(&part);
        Error::file("write", path)(source)
    })
}

/// Adds a line and hands it to the system. A line torn by a crash is cut off on resume.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<()> {
    fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
        .map_err(Error::file("write", path))
}

/// Waits until a file's content is on the disk.
pub(crate) fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(Error::file("write", path))
}

fn part_of(path: &Path) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".part");
    path.with_file_name(name)
}

/// Without this a rename may be lost with the power.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("/no/such/folder/a.txt"), b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot write /no/such/folder/a.txt"), "{error}");
    }
}
