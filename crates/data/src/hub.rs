//! CIFAR-10 from the Hugging Face hub, by candle-datasets: the other source when the official host is out of reach.

use crate::checksum::{check, sha256};
use crate::cifar::{BatchFile, CIFAR10};
use crate::download::sync_folder;
use crate::error::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// Side of an image.
const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// Downloads the hub's copy of CIFAR-10 and writes it as the official binary files into `into/cifar-10-batches-bin`,
/// whole or not at all. Every file must have the official checksum, so it does not matter which source served.
///
/// # Errors
/// When the hub cannot be reached, its copy is not the official data, or the disk cannot take it.
///
/// ```no_run
/// let folder = frugan_data::hub::fetch_cifar10("data".as_ref())?;
/// let splits = frugan_data::cifar::CIFAR10.read(&folder, true)?;
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn fetch_cifar10(into: &Path) -> Result<PathBuf> {
    let hub = candle_datasets::vision::cifar::load().map_err(refused)?;
    std::fs::create_dir_all(into).map_err(Error::write(into))?;
    let unpacked = TempDir::new_in(into).map_err(Error::write(into))?;
    let train = (CIFAR10.train, hub.train_images, hub.train_labels);
    let test = (CIFAR10.test, hub.test_images, hub.test_labels);
    for (files, images, labels) in [train, test] {
        let images = images.flatten_all().and_then(|images| images.to_vec1::<f32>()).map_err(refused)?;
        let labels = labels.to_vec1::<u8>().map_err(refused)?;
        write_files(unpacked.path(), files, &records(&images, &labels))?;
    }
    let folder = into.join(CIFAR10.folder);
    std::fs::rename(unpacked.path(), &folder).map_err(Error::write(&folder))?;
    sync_folder(into);
    Ok(folder)
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::Hub { reason: error.to_string() }
}

/// CIFAR-10's records. candle-datasets gives `[N, C, W, H]` in [0, 1], width before height: that is undone here.
fn records(images: &[f32], labels: &[u8]) -> Vec<u8> {
    let mut records = Vec::with_capacity(labels.len() * CIFAR10.record_bytes());
    for (label, image) in labels.iter().zip(images.chunks_exact(PIXELS)) {
        records.push(*label);
        for plane in image.chunks_exact(SIDE * SIDE) {
            let transposed = (0..SIDE * SIDE).map(|place| plane[place % SIDE * SIDE + place / SIDE]);
            records.extend(transposed.map(|value| (value * 255.0).round() as u8));
        }
    }
    records
}

fn write_files(folder: &Path, files: &[BatchFile], records: &[u8]) -> Result<()> {
    let mut rest = records;
    for file in files {
        let path = folder.join(file.name);
        let (bytes, after) = rest.split_at((file.records * CIFAR10.record_bytes()).min(rest.len()));
        check(&path, sha256(bytes), file.sha256)?;
        let mut whole = NamedTempFile::new_in(folder).map_err(Error::write(folder))?;
        let written = whole.write_all(bytes).and_then(|()| whole.as_file().sync_all());
        written.map_err(Error::write(&path))?;
        whole.persist(&path).map_err(|error| Error::Write { path, source: error.error })?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transposition_is_undone() {
        // Pixel (row y, column x) of every plane holds y; the hub's copy has it at [x][y].
        let plane: Vec<f32> = (0..SIDE * SIDE).map(|place| (place % SIDE) as f32 / 255.0).collect();
        let records = records(&plane.repeat(3), &[7]);
        assert_eq!((records.len(), records[0]), (3073, 7));
        assert!(records[1..].iter().enumerate().all(|(place, value)| place % 1024 / SIDE == usize::from(*value)));
    }

    #[test]
    fn every_byte_survives_the_floats() {
        assert!((0..=255_u8).all(|value| (f32::from(value) / 255.0 * 255.0).round() as u8 == value));
    }

    #[test]
    fn other_data_are_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = write_files(folder.path(), CIFAR10.test, &[0; 3073]).expect_err("not the official test batch");
        assert!(matches!(error, Error::Checksum { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
    }
}
