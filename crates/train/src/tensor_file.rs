//! Named tensors and a JSON description in one safetensors file, with a checksum.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use frugan_autograd::{DType, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::atomic;
use crate::error::{Error, Result};

/// The one metadata key: a map of several would be written in a hasher's order, and equal states would differ in bytes.
const DESCRIPTION: &str = "frugan";

/// What a file of tensors says about itself.
#[derive(serde::Serialize, serde::Deserialize)]
struct Envelope<T> {
    sha256: String,
    description: T,
}

/// Writes f32 tensors with their description, whole or not at all.
///
/// # Errors
/// If a tensor is not f32 or the file cannot be written.
pub(crate) fn write<T: Serialize>(path: &Path, tensors: &BTreeMap<String, Tensor>, description: &T) -> Result<()> {
    let mut blobs = Vec::with_capacity(tensors.len());
    let mut digest = Sha256::new();
    for (name, tensor) in tensors {
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        digest.update(name.as_bytes());
        digest.update(&bytes);
        blobs.push((name, tensor.dims().to_vec(), bytes));
    }
    let envelope = Envelope { sha256: hex(digest), description };
    let text = serde_json::to_string(&envelope).map_err(|e| Error::state(path, format!("cannot be described: {e}")))?;
    let views = blobs
        .iter()
        .map(|(name, dims, bytes)| TensorView::new(Dtype::F32, dims.clone(), bytes).map(|view| (name.as_str(), view)))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|e| Error::state(path, e.to_string()))?;
    let bytes = safetensors::serialize(views, Some(HashMap::from([(DESCRIPTION.to_string(), text)])))
        .map_err(|e| Error::state(path, e.to_string()))?;
    atomic::write(path, &bytes)?;
    verify(path, &bytes)
}

/// Reads back what was written: an older file may go only when the newer one is known to be good.
fn verify(path: &Path, bytes: &[u8]) -> Result<()> {
    let back = fs::read(path).map_err(Error::file("read", path))?;
    if back != bytes {
        return Err(Error::state(path, "reads back other bytes than were written: the disk is faulty or full"));
    }
    Ok(())
}

/// Reads a file that [`write`] made.
///
/// # Errors
/// If it is absent, damaged, or something else.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<(BTreeMap<String, Tensor>, T)> {
    let bytes = fs::read(path).map_err(Error::file("read", path))?;
    let damaged = |detail: String| Error::state(path, format!("not a whole {what} file ({detail}); use another one"));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(e.to_string()))?;
    let text = header.metadata().as_ref().and_then(|m| m.get(DESCRIPTION)).ok_or_else(|| {
        Error::state(path, format!("not a {what} of Frugan: it has no description; expected a file that `frugan train` wrote"))
    })?;
    let envelope: Envelope<T> = serde_json::from_str(text)
        .map_err(|e| Error::state(path, format!("its description is not that of a {what} ({e})")))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let mut digest = Sha256::new();
    let mut tensors = BTreeMap::new();
    let mut names: Vec<&str> = file.names().into_iter().collect();
    names.sort_unstable();
    for name in names {
        let view = file.tensor(name).map_err(|e| damaged(e.to_string()))?;
        digest.update(name.as_bytes());
        digest.update(view.data());
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        tensors.insert(name.to_string(), Tensor::from_vec(values, view.shape(), &candle_core::Device::Cpu)?);
    }
    if hex(digest) != envelope.sha256 {
        return Err(damaged("its checksum differs".into()));
    }
    Ok((tensors, envelope.description))
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tensors() -> BTreeMap<String, Tensor> {
        let tensor = Tensor::new(&[[1.0f32, f32::MIN_POSITIVE], [-0.0, 3.5]], &candle_core::Device::Cpu).unwrap();
        BTreeMap::from([("a.weight".to_string(), tensor.clone()), ("b".to_string(), tensor)])
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
    }
}
