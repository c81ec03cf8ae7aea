//! Reads golden vectors and compares with them.

use std::path::Path;

use frugan_autograd::{DType, Ints, Tensor, Var};
use frugan_nn::{TensorMap, from_safetensors};

/// One golden file: tensors, config, tolerances.
pub(crate) struct GoldenFile {
    name: String,
    pub(crate) tensors: TensorMap,
    pub(crate) config: serde_json::Value,
    loose: serde_json::Value,
    rtol: f64,
    atol: f64,
}

/// The file of this name under `FRUGAN_GOLDEN`, or `None` with a line about it.
#[allow(clippy::print_stderr)]
pub(crate) fn open(name: &str) -> Option<GoldenFile> {
    let Some(folder) = std::env::var_os("FRUGAN_GOLDEN") else {
        eprintln!("{name} skipped: FRUGAN_GOLDEN is not set");
        return None;
    };
    let path = Path::new(&folder).join(format!("{name}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (tensors, metadata) = from_safetensors(&bytes).unwrap();
    let number = |key: &str| metadata[key].parse().unwrap();
    let json =
        |key: &str| metadata.get(key).map_or(serde_json::Value::Null, |text| serde_json::from_str(text).unwrap());
    let (rtol, atol) = (number("rtol"), number("atol"));
    Some(GoldenFile { name: name.to_string(), tensors, config: json("config"), loose: json("loose"), rtol, atol })
}

#[allow(dead_code)]
impl GoldenFile {
    /// A tensor in f64.
    pub(crate) fn tensor(&self, name: &str) -> Tensor {
        let found = self.tensors.get(name).unwrap_or_else(|| panic!("{} lacks {name}", self.name));
        found.to_dtype(DType::F64).unwrap()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.tensor(name).flatten_all().unwrap().to_vec1().unwrap()
    }

    pub(crate) fn leaf(&self, name: &str) -> Var {
        Var::leaf(self.tensor(name))
    }

    pub(crate) fn ints(&self, name: &str) -> Ints {
        let values: Vec<i64> = self.tensors[name].flatten_all().unwrap().to_vec1().unwrap();
        values.into_iter().map(|v| v as i32).collect()
    }

    /// The tensors whose names start with `prefix`, without it.
    pub(crate) fn under(&self, prefix: &str) -> TensorMap {
        let rest = |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone()));
        self.tensors.iter().filter_map(rest).collect()
    }

    pub(crate) fn usize(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap_or_else(|| panic!("{} has no {key}", self.name)) as usize
    }

    pub(crate) fn f64(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap_or_else(|| panic!("{} has no {key}", self.name))
    }

    /// Fails if `got` is farther from the tensor `name` than the file allows.
    pub(crate) fn check(&self, name: &str, got: &[f64]) {
        let want = self.values(name);
        assert_eq!(want.len(), got.len(), "{}: {name} has another size", self.name);
        let error = want.iter().zip(got).map(|(w, g)| (w - g).abs()).fold(0.0, f64::max);
        let largest = want.iter().fold(0f64, |m, w| m.max(w.abs()));
        let allowed = self.loose[name].as_f64().unwrap_or(self.atol + self.rtol * largest);
        assert!(error <= allowed, "{}: {name} is off by {error:e}, allowed {allowed:e}", self.name);
    }

    /// [`GoldenFile::check`] of a Var in f64.
    pub(crate) fn check_var(&self, name: &str, got: &Var) {
        assert_eq!(self.tensors[name].dims(), got.dims(), "{}: {name}", self.name);
        self.check(name, &got.to_vec::<f64>().unwrap());
    }
}
