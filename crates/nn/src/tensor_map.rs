//! Named tensors as bytes and back.

use std::collections::{BTreeMap, HashMap};

use frugan_autograd::Tensor;
use safetensors::SafeTensors;

use crate::error::LoadError;

/// Tensors by name, in the order of names.
pub type TensorMap = BTreeMap<String, Tensor>;

/// The free text of a safetensors file, by key.
pub type Metadata = BTreeMap<String, String>;

/// The bytes of a safetensors file. The same tensors and metadata give the same bytes.
///
/// # Errors
/// If a tensor has a dtype that the format lacks.
pub fn to_safetensors(tensors: &TensorMap, metadata: &Metadata) -> Result<Vec<u8>, LoadError> {
    // The format's writer takes a hash map, whose order would change the bytes from run to run: with one entry it cannot.
    let text = serde_json::to_string(metadata).map_err(|e| LoadError::Format(e.to_string()))?;
    let metadata = (!metadata.is_empty()).then(|| HashMap::from([(METADATA_KEY.to_string(), text)]));
    safetensors::serialize(tensors, metadata).map_err(|e| LoadError::Format(e.to_string()))
}

/// Where the metadata lies in the header, as one JSON object.
const METADATA_KEY: &str = "frugan";

/// Tensors and metadata of a safetensors file's bytes. Metadata of other writers comes as it is.
///
/// # Errors
/// [`LoadError::Format`] if the bytes are not a whole safetensors file.
pub fn from_safetensors(bytes: &[u8]) -> Result<(TensorMap, Metadata), LoadError> {
    let format = |e: safetensors::SafeTensorError| LoadError::Format(e.to_string());
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let mut metadata: Metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    if let Some(own) = metadata.remove(METADATA_KEY) {
        metadata.extend(serde_json::from_str::<Metadata>(&own).map_err(|e| LoadError::Format(e.to_string()))?);
    }
    let tensors = candle_core::safetensors::load_buffer(bytes, &candle_core::Device::Cpu)
        .map_err(|e| LoadError::Format(e.to_string()))?;
    Ok((tensors.into_iter().collect(), metadata))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn bytes_come_back_as_the_same_tensors() {
        let tensors: TensorMap = [
            ("b".to_string(), Tensor::new(&[1f32, -2.5], &Device::Cpu).unwrap()),
            ("a".to_string(), Tensor::new(7i64, &Device::Cpu).unwrap()),
        ]
        .into();
        let metadata: Metadata = (0..9).map(|i| (format!("key{i}"), format!("value \"{i}\""))).collect();
        let bytes = to_safetensors(&tensors, &metadata).unwrap();
        assert_eq!(bytes, to_safetensors(&tensors, &metadata).unwrap());
        let (back, text) = from_safetensors(&bytes).unwrap();
        assert_eq!(text, metadata);
        assert_eq!(back["b"].to_vec1::<f32>().unwrap(), [1.0, -2.5]);
        assert_eq!(back["a"].to_scalar::<i64>().unwrap(), 7);
    }

    #[test]
    fn a_cut_file_is_an_error() {
        let tensors: TensorMap = [("w".to_string(), Tensor::new(&[1f32; 8], &Device::Cpu).unwrap())].into();
        let bytes = to_safetensors(&tensors, &Metadata::new()).unwrap();
        for end in [0, 5, bytes.len() / 2, bytes.len() - 1] {
            assert!(matches!(from_safetensors(&bytes[..end]), Err(LoadError::Format(_))), "{end}");
        }
    }
}
