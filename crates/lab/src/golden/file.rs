//! One golden file: metadata, tolerances and named arrays.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use frugan_autograd::{DType, Ints, Tensor, Var};
use safetensors::{Dtype, SafeTensors};
use serde::de::DeserializeOwned;

/// An array of a golden file; every value of the file's types (F32, F64, I64 below 2^53) is exact in f64.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Array {
    pub(super) fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|&value| value as f32).collect()
    }

    pub(super) fn to_i32(&self) -> Vec<i32> {
        self.values.iter().map(|&value| value as i32).collect()
    }

    /// `count` rows of the first axis, from row `start` on.
    pub(super) fn rows(&self, start: usize, count: usize) -> Array {
        let len = self.values.len() / self.shape[0];
        let mut shape = self.shape.clone();
        shape[0] = count;
        Array { shape, values: self.values[start * len..(start + count) * len].to_vec() }
    }

    /// As a tensor on the CPU.
    pub(super) fn to_tensor(&self, dtype: DType) -> Result<Tensor> {
        let exact = Tensor::from_slice(&self.values, self.shape.as_slice(), &candle_core::Device::Cpu)?;
        Ok(exact.to_dtype(dtype)?)
    }
}

/// A case: what goes in, what the reference made of it, and how near to that one has to come.
#[derive(Debug)]
pub(super) struct GoldenFile {
    pub(super) kind: String,
    pub(super) case: String,
    pub(super) arrays: BTreeMap<String, Array>,
    rtol: f64,
    atol: f64,
    loose: BTreeMap<String, f64>,
    config: String,
}

impl GoldenFile {
    pub(super) fn read(path: &Path) -> Result<GoldenFile> {
        let bytes = std::fs::read(path).context("cannot be read")?;
        let (_, header) = SafeTensors::read_metadata(&bytes).context("not a safetensors file")?;
        let metadata = header.metadata().as_ref().context("has no metadata")?;
        let text = |key: &str| metadata.get(key).with_context(|| format!("metadata `{key}` is missing"));
        let number = |key: &str| -> Result<f64> { text(key)?.parse().with_context(|| format!("metadata `{key}`")) };
        ensure!(text("tol_mode")? == "maxabs", "tol_mode is {:?}, only maxabs is known", text("tol_mode")?);
        let loose = match metadata.get("loose") {
            Some(loose) => serde_json::from_str(loose).context("metadata `loose`")?,
            None => BTreeMap::new(),
        };
        Ok(GoldenFile {
            kind: text("kind")?.clone(),
            case: text("case")?.clone(),
            arrays: arrays(&bytes)?,
            rtol: number("rtol")?,
            atol: number("atol")?,
            loose,
            config: text("config")?.clone(),
        })
    }

    /// The case's settings, as the fields that a check needs of them.
    pub(super) fn config<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.config).with_context(|| format!("config {}", self.config))
    }

    pub(super) fn array(&self, name: &str) -> Result<&Array> {
        self.arrays.get(name).with_context(|| format!("{name} is missing"))
    }

    /// A leaf of the tape, f32.
    pub(super) fn leaf(&self, name: &str) -> Result<Var> {
        Ok(Var::leaf(self.array(name)?.to_tensor(DType::F32)?))
    }

    /// A constant of the tape, f32.
    pub(super) fn constant(&self, name: &str) -> Result<Var> {
        Ok(Var::constant(self.array(name)?.to_tensor(DType::F32)?))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Ints> {
        Ok(Ints::from(self.array(name)?.to_i32()))
    }

    /// The arrays below a prefix, by the rest of their names.
    pub(super) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Array)> {
        self.arrays.iter().filter_map(move |(name, array)| Some((name.strip_prefix(prefix)?, array)))
    }

    /// The weights and buffers below a prefix, as a state that parameters load.
    pub(super) fn state(&self, prefix: &str, dtype: DType) -> Result<BTreeMap<String, Tensor>> {
        self.below(prefix).map(|(name, array)| Ok((name.to_owned(), array.to_tensor(dtype)?))).collect()
    }

    /// Random draws in the order in which the reference made them: `draw.NN.name`.
    pub(super) fn draws(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.below("draw.").map(|(name, array)| (name.split_once('.').map_or(name, |(_, rest)| rest), array))
    }

    /// How far a result may be from the reference's.
    pub(super) fn tolerance(&self, name: &str, expected: &Array) -> f64 {
        let scale = expected.values.iter().fold(0.0_f64, |max, value| max.max(value.abs()));
        self.loose.get(name).copied().unwrap_or(self.atol + self.rtol * scale)
    }
}

fn arrays(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let tensors = SafeTensors::deserialize(bytes).context("not a safetensors file")?;
    let mut arrays = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => little_endian(data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => little_endian(data, f64::from_le_bytes),
            Dtype::I64 => little_endian(data, |b| i64::from_le_bytes(b) as f64),
            other => bail!("{name} has the type {other:?}; F32, F64 and I64 are known"),
        };
        arrays.insert(name, Array { shape: view.shape().to_vec(), values });
    }
    Ok(arrays)
}

fn little_endian<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}
