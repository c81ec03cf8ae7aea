//! Named tensors and a JSON description in one safetensors file, with a checksum.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use frugan_nn::{Metadata, TensorMap, from_safetensors, to_safetensors};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::{Error, Result};

const DESCRIPTION: &str = "description";
const CHECKSUM: &str = "sha256";

/// Writes tensors with their description, whole or not at all, and reads them back: an older file may go only when the
/// newer one is known to be good.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write<T: Serialize>(path: &Path, tensors: &TensorMap, description: &T) -> Result<()> {
    let broken = |e: String| Error::state(path, format!("cannot be written: {e}"));
    let text = serde_json::to_string(description).map_err(|e| broken(e.to_string()))?;
    let metadata = Metadata::from([(DESCRIPTION.into(), text), (CHECKSUM.into(), checksum(tensors).map_err(broken)?)]);
    let bytes = to_safetensors(tensors, &metadata).map_err(|e| broken(e.to_string()))?;
    atomic::write(path, &bytes)?;
    if fs::read(path).map_err(Error::file("read", path))? != bytes {
        return Err(Error::state(path, "reads back other bytes than were written: the disk is faulty or full"));
    }
    Ok(())
}

/// Reads a file that [`write`] made.
///
/// # Errors
/// If it is absent, damaged, or something else than a `what`.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<(TensorMap, T)> {
    let bytes = fs::read(path).map_err(Error::file("read", path))?;
    let damaged = |detail: String| Error::state(path, format!("not a whole {what} file ({detail}); use another one"));
    let (tensors, metadata) = from_safetensors(&bytes).map_err(|e| damaged(e.to_string()))?;
    let (Some(text), Some(sum)) = (metadata.get(DESCRIPTION), metadata.get(CHECKSUM)) else {
        return Err(Error::state(path, format!("not a {what} of Frugan: expected a file that `frugan train` wrote")));
    };
    if checksum(&tensors).map_err(damaged)? != *sum {
        return Err(damaged("its checksum differs".into()));
    }
    let description = serde_json::from_str(text).map_err(|e| {
        Error::state(path, format!("not a {what} of this version of Frugan ({e}); use one that it wrote"))
    })?;
    Ok((tensors, description))
}

/// The description alone, from the head of a file that may be large; `None` where there is none of this kind, about which
/// [`read`] has a sentence.
pub(crate) fn describe<T: DeserializeOwned>(path: &Path) -> Option<T> {
    /// What a safetensors file begins with, behind its length; where a writer of ours keeps its texts.
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "__metadata__")]
        texts: BTreeMap<String, String>,
    }
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let mut head = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut head).ok()?;
    let Head { texts } = serde_json::from_slice(&head).ok()?;
    let own: Metadata = serde_json::from_str(texts.get("frugan")?).ok()?;
    serde_json::from_str(own.get(DESCRIPTION)?).ok()
}

/// Of the tensors alone: names, shapes, types and values.
fn checksum(tensors: &TensorMap) -> std::result::Result<String, String> {
    let bytes = to_safetensors(tensors, &Metadata::new()).map_err(|e| e.to_string())?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use frugan_autograd::Tensor;

    fn tensors() -> TensorMap {
        let tensor = Tensor::new(&[[1.0f32, f32::MIN_POSITIVE], [-0.0, 3.5]], &candle_core::Device::Cpu).unwrap();
        TensorMap::from([("a.weight".to_string(), tensor.clone()), ("b".to_string(), tensor)])
    }

    #[test]
    fn equal_content_gives_equal_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let paths = [dir.path().join("1"), dir.path().join("2")];
        for path in &paths {
            write(path, &tensors(), &("text", 3)).unwrap();
        }
        assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
        let (back, description): (_, (String, i32)) = read(&paths[0], "state").unwrap();
        assert_eq!(description, ("text".to_string(), 3));
        assert_eq!(describe(&paths[0]), Some(description));
        assert_eq!(back["b"].to_vec2::<f32>().unwrap(), tensors()["b"].to_vec2::<f32>().unwrap());
    }

    #[test]
    fn a_flipped_bit_and_a_cut_file_are_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        write(&path, &tensors(), &0).unwrap();
        let good = fs::read(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&path, flipped).unwrap();
        assert!(read::<i32>(&path, "state").unwrap_err().to_string().contains("checksum"));
        fs::write(&path, &good[..good.len() - 3]).unwrap();
        assert!(read::<i32>(&path, "state").unwrap_err().to_string().contains("not a whole state file"));
        fs::write(&path, &good[..20]).unwrap();
        assert_eq!(describe::<i32>(&path), None);
    }
}
