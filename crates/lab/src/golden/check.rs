//! Results against the reference's, tensor by tensor.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use frugan_autograd::{DType, Var};

use super::file::GoldenFile;

/// Collects comparisons; every `out.*`, `grad.*`, `grad2.*` and `check.*` tensor of the file must come up.
pub(super) struct Check<'a> {
    file: &'a GoldenFile,
    missing: BTreeSet<&'a str>,
    failures: Vec<String>,
}

impl<'a> Check<'a> {
    pub(super) fn new(file: &'a GoldenFile) -> Self {
        let expected =
            |name: &&str| ["out.", "grad.", "grad2.", "check."].iter().any(|prefix| name.starts_with(prefix));
        let missing = file.arrays.keys().map(String::as_str).filter(expected).collect();
        Self { file, missing, failures: Vec::new() }
    }

    /// max |got - expected| <= atol + rtol * max |expected|, or the tensor's loose tolerance.
    pub(super) fn values(&mut self, name: &str, got: impl IntoIterator<Item = f64>) -> Result<()> {
        let expected = self.file.array(name)?;
        let got: Vec<f64> = got.into_iter().collect();
        let (len, wanted) = (got.len(), expected.values.len());
        ensure!(len == wanted, "{name}: {len} values, the reference has {wanted}");
        self.missing.remove(name);
        let tolerance = self.file.tolerance(name, expected);
        let error = got.iter().zip(&expected.values).map(|(got, expected)| (got - expected).abs());
        // A NaN anywhere makes the error NaN, which is within no tolerance.
        let error = error.fold(0.0_f64, |max, error| if error > max || error.is_nan() { error } else { max });
        if error.is_nan() || error > tolerance {
            self.failures.push(format!("{name}: error {error:.3e}, tolerance {tolerance:.3e}"));
        }
        Ok(())
    }

    pub(super) fn value(&mut self, name: &str, got: f64) -> Result<()> {
        self.values(name, [got])
    }

    pub(super) fn f32s(&mut self, name: &str, got: &[f32]) -> Result<()> {
        self.values(name, got.iter().copied().map(f64::from))
    }

    /// A tensor of the tape: its shape counts too.
    pub(super) fn var(&mut self, name: &str, got: &Var) -> Result<()> {
        let expected = &self.file.array(name)?.shape;
        ensure!(got.dims() == expected.as_slice(), "{name}: shape {:?}, the reference has {expected:?}", got.dims());
        match got.dtype() {
            DType::F64 => self.values(name, got.to_vec::<f64>()?),
            _ => self.f32s(name, &got.to_vec::<f32>()?),
        }
    }

    /// The lines of all that is wrong; a tensor that no comparison named is wrong too.
    pub(super) fn finish(mut self) -> Vec<String> {
        self.failures.extend(self.missing.iter().map(|name| format!("{name}: not computed")));
        self.failures
    }
}
