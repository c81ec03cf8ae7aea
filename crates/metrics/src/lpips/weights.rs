//! The weights file of LPIPS: names, shapes and signs are checked before anything is computed.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use frugan_autograd::Var;
use sha2::{Digest, Sha256};

use super::{Lpips, LpipsNet};
use crate::{Error, Result};

/// Mean and deviation of the trunks' training images, in the range [-1, 1].
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

impl Lpips {
    /// The network of a safetensors file with the tensors of [`LpipsNet::tensors`].
    ///
    /// # Errors
    /// If the file cannot be read, or a tensor is missing, of another shape, or of no such name.
    ///
    /// ```
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let error = Lpips::read(LpipsNet::AlexNet, "absent.safetensors".as_ref()).unwrap_err();
    /// assert!(error.to_string().starts_with("absent.safetensors: "));
    /// ```
    pub fn read(net: LpipsNet, path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|e| Error::weights(path, format!("cannot be read as safetensors: {e}")))?;
        let tensors: BTreeMap<_, _> = tensors.into_iter().collect();
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        Self::of(net, &tensors, path.display().to_string(), sha256).map_err(|error| match error {
            Error::Input { reason, .. } => Error::weights(path, reason),
            other => other,
        })
    }

    /// The network of tensors in memory, by the names of [`LpipsNet::tensors`].
    ///
    /// # Errors
    /// As [`Lpips::read`].
    ///
    /// ```
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let error = Lpips::from_tensors(LpipsNet::AlexNet, &Default::default()).unwrap_err();
    /// assert!(error.to_string().starts_with("lpips: has no tensor conv0.weight"));
    /// ```
    pub fn from_tensors(net: LpipsNet, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        let mut hash = Sha256::new();
        for (name, tensor) in tensors {
            hash.update(format!("{name}{:?}", tensor.dims()));
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        Self::of(net, tensors, "given weights".into(), format!("{:x}", hash.finalize()))
    }

    fn of(net: LpipsNet, tensors: &BTreeMap<String, Tensor>, source: String, sha256: String) -> Result<Self> {
        let mut vars = checked(net, tensors)?;
        let heads = vars.split_off(2 * net.layers().len());
        for (i, head) in heads.iter().enumerate() {
            // A value that is no number is not at least 0 either.
            if let Some(value) = head.to_vec::<f32>()?.into_iter().find(|value| !value.ge(&0.0)) {
                return Err(bad(format!(
                    "lin{i}.weight holds {value}; expected no value below 0, or it is no distance"
                )));
            }
        }
        let convs = vars.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        Ok(Self { net, convs, heads, shift: channels(SHIFT)?, scale: channels(SCALE)?, sha256, source })
    }
}

fn bad(reason: String) -> Error {
    Error::input("lpips", reason)
}

/// A number a colour channel, `[1, 3, 1, 1]`.
fn channels(values: [f32; 3]) -> Result<Var> {
    Ok(Var::constant(Tensor::new(&values, &Device::Cpu)?.reshape((1, 3, 1, 1))?))
}

/// All tensors in the network's order, f32.
fn checked(net: LpipsNet, tensors: &BTreeMap<String, Tensor>) -> Result<Vec<Var>> {
    let expected = net.tensors();
    let what = format!("LPIPS v0.1 on {} (names as conv0.weight, lin0.weight)", net.name());
    if let Some(name) = tensors.keys().find(|name| expected.iter().all(|(known, _)| known != *name)) {
        return Err(bad(format!("holds {name}, which is no tensor of {what}")));
    }
    let tensor = |(name, shape): &(String, Vec<usize>)| -> Result<Var> {
        let Some(tensor) = tensors.get(name) else {
            return Err(bad(format!("has no tensor {name}; expected {what}, made by `cargo xtask assets lpips`")));
        };
        if tensor.dims() != shape.as_slice() {
            let got = tensor.dims();
            return Err(bad(format!("{name} is {got:?}, expected {shape:?}: the weights of another network")));
        }
        Ok(Var::constant(tensor.to_dtype(DType::F32)?.contiguous()?))
    };
    expected.iter().map(tensor).collect()
}
