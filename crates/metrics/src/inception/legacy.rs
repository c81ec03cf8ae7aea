//! The format of `torch.save` before PyTorch 1.6: pickles one behind the other, then the storages' raw bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use candle_core::pickle::{Object, Stack, TensorInfo};
use candle_core::{Device, Tensor};

use crate::{Error, Result};

/// The first pickle of such a file: the magic number 0x1950a86a20f9469cfc6c.
pub(crate) const MAGIC: &[u8] =
    &[0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/// All tensors of a state dictionary.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, Tensor)>> {
    let bad = |reason: String| Error::weights(path, format!("cannot be read as a .pth file: {reason}"));
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).map_err(|e| Error::io(path, e))?;
    let mut next = || pickle(&mut reader).map_err(|e| bad(e.to_string()));
    let (_protocol, _system, state, keys) = (next()?, next()?, next()?, next()?);
    let infos = tensor_infos(state).map_err(|e| bad(e.to_string()))?;
    let storages = storages(&mut reader, keys, &infos).map_err(bad)?;
    let tensor = |info: TensorInfo| -> Result<(String, Tensor)> {
        let bytes = storages.get(&info.path).ok_or_else(|| bad(format!("{} has no storage", info.name)))?;
        let (start, size) = (info.layout.start_offset(), info.layout.shape().elem_count() * info.dtype.size_in_bytes());
        let fits = info.layout.is_contiguous() && start + size <= bytes.len();
        let bytes = fits.then(|| &bytes[start..start + size]);
        let bytes = bytes.ok_or_else(|| bad(format!("{} is not stored in order", info.name)))?;
        Ok((info.name, Tensor::from_raw_buffer(bytes, info.dtype, info.layout.dims(), &Device::Cpu)?))
    };
    infos.into_iter().map(tensor).collect()
}

fn pickle(reader: &mut impl BufRead) -> candle_core::Result<Object> {
    let mut stack = Stack::empty();
    stack.read_loop(reader)?;
    stack.finalize()
}

fn tensor_infos(state: Object) -> candle_core::Result<Vec<TensorInfo>> {
    // An OrderedDict with attributes is a Build around the dictionary.
    let state = match state {
        Object::Build { callable, .. } => *callable,
        state => state,
    };
    let entries = state.dict()?;
    let info = |(name, value): (Object, Object)| value.into_tensor_info(name, Path::new("")).transpose();
    entries.into_iter().filter_map(info).collect()
}

/// Each storage: its number of elements (8 bytes, little endian), then its data. candle names a storage "/key".
fn storages(
    reader: &mut impl Read,
    keys: Object,
    infos: &[TensorInfo],
) -> std::result::Result<BTreeMap<String, Vec<u8>>, String> {
    let Object::List(keys) = keys else { return Err("its list of storages is missing".into()) };
    let mut storages = BTreeMap::new();
    for key in keys {
        let key = key.unicode().map_err(|other| format!("a storage's key is {other:?}"))?;
        let path = format!("/{key}");
        let info = infos.iter().find(|info| info.path == path);
        let info = info.ok_or_else(|| format!("storage {key} belongs to no tensor"))?;
        let mut count = [0; 8];
        reader.read_exact(&mut count).map_err(|e| format!("storage {key}: {e}"))?;
        let count = u64::from_le_bytes(count);
        if count != info.storage_size as u64 {
            return Err(format!("storage {key} holds {count} values, {} expected", info.storage_size));
        }
        let size = info.storage_size as u64 * info.dtype.size_in_bytes() as u64;
        let mut bytes = Vec::new();
        // A size that the file only claims reserves no memory.
        reader.by_ref().take(size).read_to_end(&mut bytes).map_err(|e| format!("storage {key}: {e}"))?;
        if bytes.len() as u64 != size {
            return Err(format!("storage {key} ends after {} of {size} bytes", bytes.len()));
        }
        storages.insert(path, bytes);
    }
    Ok(storages)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inception::Weights;

    fn text(value: &str) -> Vec<u8> {
        [b"X", &(value.len() as u32).to_le_bytes()[..], value.as_bytes()].concat()
    }

    /// A state dictionary `{name: float tensor [2]}` as `torch.save` of PyTorch 1.5 writes it.
    fn file(claimed: u8) -> Vec<u8> {
        let dictionary = b"ccollections\nOrderedDict\n)R";
        let storage =
            [&b"((X\x07\0\0\0storagectorch\nFloatStorage\n"[..], &text("123"), &text("cpu"), b"K", &[claimed], b"NtQ"]
                .concat();
        let tensor =
            [&b"ctorch._utils\n_rebuild_tensor_v2\n"[..], &storage, b"K\0K\x02\x85K\x01\x85\x89", dictionary, b"tR"]
                .concat();
        let state = [&b"\x80\x02"[..], dictionary, b"(", &text("conv.weight"), &tensor, b"u."].concat();
        let keys = [&b"\x80\x02]("[..], &text("123"), b"e."].concat();
        let data = [2_u64.to_le_bytes(), [[0, 0, 128, 63], [0, 0, 0, 192]].concat().try_into().unwrap()].concat();
        [MAGIC, b"\x80\x02M\xe9\x03.", b"\x80\x02}.", &state, &keys, &data].concat()
    }

    fn read_bytes(bytes: &[u8]) -> Result<Weights> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Weights::read(file.path())
    }

    #[test]
    fn a_state_dictionary_is_read() {
        let weights = read_bytes(&file(2)).unwrap();
        assert_eq!(weights.get("conv.weight", &[2]).unwrap().to_vec1::<f32>().unwrap(), [1.0, -2.0]);
    }

    #[test]
    fn truncated_and_lying_files_are_errors() {
        let whole = file(2);
        for end in MAGIC.len()..whole.len() {
            assert!(read_bytes(&whole[..end]).is_err(), "{end} bytes");
        }
        assert!(read_bytes(&file(9)).unwrap_err().to_string().contains("storage 123 holds 2 values, 9 expected"));
    }
}
