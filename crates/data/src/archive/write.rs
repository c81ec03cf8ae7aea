//! Writes a data set as an archive: the same images and labels give the same bytes.

use super::DATASET_JSON;
use crate::dataset::Dataset;
use crate::download::sync_folder;
use crate::error::{Error, Result};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

/// Writes the images in their order, and their labels unless there is one class only.
///
/// Nothing in the file depends on the hour, the machine or the threads: all times are 1980-01-01, PNGs have one filter
/// and no compression, as the files of the archive. It appears under its name when it is whole and synced; until then
/// it is `PATH.part`, which is removed if anything fails.
///
/// # Errors
/// When the file cannot be written.
///
/// ```
/// use frugan_data::{archive, synthetic};
/// let folder = tempfile::tempdir().unwrap();
/// let paths = ["a.zip", "b.zip"].map(|name| folder.path().join(name));
/// for path in &paths {
///     archive::write(&synthetic::test(16), path)?;
/// }
/// assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn write(dataset: &Dataset, path: &Path) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = File::create(&part)
        .and_then(|file| pack(dataset, file)?.sync_all())
        .and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| {
        // The error that matters is the first one.
        drop(std::fs::remove_file(&part));
        Error::write(path)(source)
    })?;
    sync_folder(path.parent().unwrap_or(Path::new(".")));
    Ok(())
}

fn pack(dataset: &Dataset, file: File) -> io::Result<File> {
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(BufWriter::new(file));
    for index in 0..dataset.len() {
        zip.start_file(image_name(index), options)?;
        zip.write_all(&png(dataset, index)?)?;
    }
    zip.start_file(DATASET_JSON, options)?;
    zip.write_all(dataset_json(dataset).as_bytes())?;
    Ok(zip.finish()?.into_inner()?)
}

fn image_name(index: usize) -> String {
    let number = format!("{index:08}");
    format!("{}/img{number}.png", &number[..5])
}

/// Spaced as Python writes it.
fn dataset_json(dataset: &Dataset) -> String {
    if dataset.num_classes == 1 {
        return r#"{"labels": null}"#.to_owned();
    }
    let pair = |(index, label)| format!(r#"["{}", {label}]"#, image_name(index));
    let pairs: Vec<String> = dataset.labels.iter().enumerate().map(pair).collect();
    format!(r#"{{"labels": [{}]}}"#, pairs.join(", "))
}

fn png(dataset: &Dataset, index: usize) -> io::Result<Vec<u8>> {
    let [channels, height, width] = dataset.shape;
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let planes = dataset.image(index);
    let pixels: Vec<u8> =
        (0..height * width).flat_map(|at| planes.iter().skip(at).step_by(height * width)).copied().collect();
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Uncompressed, FilterType::NoFilter)
        .write_image(&pixels, width as u32, height as u32, colour)
        .map_err(io::Error::other)?;
    Ok(bytes)
}
