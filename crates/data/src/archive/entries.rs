//! The files inside a zip, read from several threads.

use crate::error::{Error, Result};
use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use zip::{CompressionMethod, ZipArchive};

/// An open archive. Bytes are fetched one thread at a time; what they hold is decoded in parallel.
pub(super) struct Entries {
    names: Vec<String>,
    zip: Mutex<ZipArchive<BufReader<File>>>,
}

impl Entries {
    /// Reads the table of contents.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::NotAnArchive { path: path.to_owned(), reason: "it is a folder".to_owned() });
        }
        let file = File::open(path).map_err(Error::read(path))?;
        let not_a_zip = |reason: String| Error::NotAnArchive { path: path.to_owned(), reason };
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|error| not_a_zip(error.to_string()))?;
        let names = zip.file_names().map(|name| name.map(|name| name.into_owned())).collect::<Result<_, _>>();
        Ok(Self { names: names.map_err(|error| not_a_zip(error.to_string()))?, zip: Mutex::new(zip) })
    }

    /// In the archive's own order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The whole content of the file at `place`, its checksum compared.
    pub(super) fn bytes(&self, place: usize) -> io::Result<Vec<u8>> {
        let mut zip = self.zip.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entry = zip.by_index_raw(place)?;
        let (method, size, crc32) = (entry.compression(), entry.size(), entry.crc32());
        if entry.encrypted() {
            return Err(io::Error::other("it is encrypted: pack it without a password"));
        }
        let mut raw = Vec::new();
        entry.read_to_end(&mut raw)?;
        drop(entry);
        drop(zip);
        let content = match method {
            CompressionMethod::Stored => raw,
            // Inflated here and not by the crate `zip`, in which this is a feature that candle would be built with too.
            CompressionMethod::DEFLATE => {
                let mut content = Vec::new();
                // One byte beyond the promised size is enough to see that it is wrong.
                DeflateDecoder::new(&raw[..]).take(size + 1).read_to_end(&mut content)?;
                content
            }
            other => return Err(io::Error::other(format!("it is packed as {other}: store it, or deflate it"))),
        };
        let mut check = Crc::new();
        check.update(&content);
        if content.len() as u64 != size || check.sum() != crc32 {
            return Err(io::Error::other("it is not what was packed: size or checksum differ"));
        }
        Ok(content)
    }
}
