use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use sha2::{Digest, Sha256};

use crate::inception::legacy;
use crate::{Error, Result};

/// The tensors of a weights file, f32, by the names of pytorch-fid (`Mixed_5b.branch1x1.conv.weight`, `.bn.running_var`).
///
/// ```
/// use frugan_metrics::inception::Weights;
/// let error = Weights::read("absent.safetensors".as_ref()).unwrap_err();
/// assert!(error.to_string().starts_with("absent.safetensors: "));
/// ```
#[derive(Clone, Debug)]
pub struct Weights {
    tensors: BTreeMap<String, Tensor>,
    path: PathBuf,
    sha256: String,
}

impl Weights {
    /// Reads a `.pth` (zip, or the older format that pytorch-fid's file has) or a safetensors file; the first bytes tell
    /// which.
    ///
    /// # Errors
    /// If the file cannot be read or is none of these.
    ///
    /// ```
    /// use frugan_metrics::inception::Weights;
    /// let file = tempfile::NamedTempFile::new().unwrap();
    /// std::fs::write(file.path(), "<html>not found</html>").unwrap();
    /// assert!(Weights::read(file.path()).unwrap_err().to_string().contains("neither"));
    /// ```
    pub fn read(path: &Path) -> Result<Self> {
        let sha256 = sha256_of(path)?;
        let mut start = Vec::new();
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        file.take(64).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
        let bad = |error: candle_core::Error| Error::weights(path, format!("cannot be read as weights: {error}"));
        let tensors: Vec<(String, Tensor)> = if start.starts_with(b"PK\x03\x04") {
            candle_core::pickle::read_all(path).map_err(bad)?
        } else if start.starts_with(legacy::MAGIC) {
            legacy::read(path)?
        } else if start.get(8) == Some(&b'{') {
            candle_core::safetensors::load(path, &Device::Cpu).map_err(bad)?.into_iter().collect()
        } else {
            let got = String::from_utf8_lossy(&start[..start.len().min(12)]).into_owned();
            return Err(Error::weights(path, format!("starts with {got:?}: neither a .pth nor a .safetensors file")));
        };
        // Batch counters are integers and no weights.
        let floats = tensors.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
        let tensors = floats.map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?.contiguous()?)));
        Ok(Self { tensors: tensors.collect::<Result<_>>()?, path: path.to_path_buf(), sha256 })
    }

    /// Weights that are in memory already; their hash is over names, shapes and values.
    ///
    /// ```
    /// use frugan_metrics::inception::Weights;
    /// assert_eq!(Weights::from_tensors(Default::default()).sha256().len(), 64);
    /// ```
    pub fn from_tensors(tensors: BTreeMap<String, Tensor>) -> Self {
        let mut hash = Sha256::new();
        for (name, tensor) in &tensors {
            hash.update(format!("{name}{:?}", tensor.dims()));
            let values = tensor.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).unwrap_or_default();
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        Self { tensors, path: PathBuf::from("given weights"), sha256: format!("{:x}", hash.finalize()) }
    }

    /// sha256 of the file, in hex.
    ///
    /// ```
    /// # use frugan_metrics::inception::Weights;
    /// let weights = Weights::from_tensors(Default::default());
    /// assert!(weights.sha256().chars().all(|c| c.is_ascii_hexdigit()));
    /// ```
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// A tensor of exactly this shape.
    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<&Tensor> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(self.error(format!(
                "has no tensor {name} (it holds {} tensors); expected the 2015 Inception network with pytorch-fid's names",
                self.tensors.len()
            )));
        };
        if tensor.dims() != shape {
            let got = tensor.dims();
            return Err(self.error(format!("{name} is {got:?}, expected {shape:?}: the weights of another network")));
        }
        Ok(tensor)
    }

    /// Whether a tensor's name starts with `prefix`.
    pub(crate) fn has_any(&self, prefix: &str) -> bool {
        self.tensors.range(prefix.to_string()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Names that the network does not have are those of another one.
    pub(crate) fn refuse_other_networks(&self) -> Result<()> {
        let known =
            |name: &str| ["Conv2d_", "Mixed_5", "Mixed_6", "Mixed_7", "fc."].iter().any(|p| name.starts_with(p));
        match self.tensors.keys().find(|name| !known(name)) {
            Some(name) if name.starts_with("AuxLogits") => Err(self.error(format!(
                "holds {name}: torchvision's Inception-v3, trained on other data than the 2015 network; expected \
                 pt_inception-2015-12-05-6726825d.pth of pytorch-fid"
            ))),
            Some(name) => Err(self.error(format!(
                "holds {name}, which is no tensor of the 2015 Inception network; expected names as \
                 Conv2d_1a_3x3.conv.weight: the weights of another network"
            ))),
            None => Ok(()),
        }
    }

    fn error(&self, reason: String) -> Error {
        Error::weights(&self.path, reason)
    }
}

/// sha256 of a file's content, in hex.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let (mut reader, mut hash) = (BufReader::with_capacity(1 << 20, file), Sha256::new());
    std::io::copy(&mut reader, &mut hash).map_err(|e| Error::io(path, e))?;
    Ok(format!("{:x}", hash.finalize()))
}
