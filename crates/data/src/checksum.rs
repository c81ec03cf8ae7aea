//! SHA-256 of files.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes as lower-case hex.
///
/// ```
/// assert_eq!(frugan_data::checksum::hex(&[0x0f, 0xa0]), "0fa0");
/// ```
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of bytes, in hex.
///
/// ```
/// let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// assert_eq!(frugan_data::checksum::sha256(b""), empty);
/// ```
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file's content, in hex, read in pieces.
///
/// # Errors
/// When the file cannot be read.
///
/// ```
/// let file = tempfile::NamedTempFile::new().unwrap();
/// assert_eq!(frugan_data::checksum::sha256_of_file(file.path())?, frugan_data::checksum::sha256(b""));
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::read(path))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).map_err(Error::read(path))? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&piece[..n]),
        }
    }
}

/// Compares a file's content with a known SHA-256.
///
/// # Errors
/// When the file cannot be read or has other content.
///
/// ```
/// use frugan_data::checksum::{check_file, sha256};
/// let file = tempfile::NamedTempFile::new().unwrap();
/// check_file(file.path(), &sha256(b""))?;
/// assert!(check_file(file.path(), &sha256(b"other")).is_err());
/// # Ok::<(), frugan_data::Error>(())
/// ```
pub fn check_file(path: &Path, expected: &str) -> Result<()> {
    check(path, sha256_of_file(path)?, expected)
}

pub(crate) fn check(path: &Path, got: String, expected: &str) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Checksum { path: path.to_owned(), got, expected: expected.to_owned() })
}
