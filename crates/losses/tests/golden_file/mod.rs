//! Golden vectors: tensors made with the reference implementations, with their tolerances.
//! The tests of the crate augment read this file too.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use frugan_autograd::{DType, Result, Tensor, Var};

/// One golden file. Floats are read as f64, the type in which the references were computed.
pub(crate) struct Golden {
    name: String,
    /// How the file was made.
    pub(crate) config: serde_json::Value,
    tensors: BTreeMap<String, Tensor>,
    rtol: f64,
    atol: f64,
    loose: BTreeMap<String, f64>,
    compared: RefCell<BTreeSet<String>>,
}

/// The file `<name>.safetensors` of the folder `FRUGAN_GOLDEN`; `None` where the variable is not set.
pub(crate) fn golden(name: &str) -> Option<Golden> {
    let Some(folder) = std::env::var_os("FRUGAN_GOLDEN") else {
        println!("skipped: FRUGAN_GOLDEN is not set");
        return None;
    };
    let path = Path::new(&folder).join(format!("{name}.safetensors"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let about: HashMap<String, String> = header.metadata().clone().unwrap();
    assert_eq!(about["tol_mode"], "maxabs");
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
    Some(Golden {
        name: name.into(),
        config: serde_json::from_str(&about["config"]).unwrap(),
        tensors: tensors.into_iter().collect(),
        rtol: about["rtol"].parse().unwrap(),
        atol: about["atol"].parse().unwrap(),
        loose: about.get("loose").map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default(),
        compared: RefCell::default(),
    })
}

impl Golden {
    pub(crate) fn has(&self, tensor: &str) -> bool {
        self.tensors.contains_key(tensor)
    }

    pub(crate) fn leaf(&self, tensor: &str) -> Result<Var> {
        Ok(Var::leaf(self.tensors[tensor].to_dtype(DType::F64)?))
    }

    /// The names that start with `prefix`, in order.
    pub(crate) fn names(&self, prefix: &str) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).filter(|name| name.starts_with(prefix)).collect()
    }

    /// A tensor's values in row-major order.
    pub(crate) fn values(&self, tensor: &str) -> Vec<f64> {
        self.tensors[tensor].to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
    }

    /// max |got - want| <= atol + rtol max |want|, or the tensor's own absolute tolerance.
    pub(crate) fn compare(&self, tensor: &str, got: &Var) -> Result<()> {
        let want = &self.tensors[tensor];
        assert_eq!(want.dims(), got.dims(), "{} {tensor}: shape", self.name);
        let want = want.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let got = got.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let largest = want.iter().fold(0f64, |largest, v| largest.max(v.abs()));
        let tolerance = self.loose.get(tensor).copied().unwrap_or(self.atol + self.rtol * largest);
        let error = want.iter().zip(&got).map(|(want, got)| (want - got).abs()).fold(0f64, f64::max);
        assert!(
            got.iter().all(|v| v.is_finite()) && error <= tolerance,
            "{} {tensor}: error {error:.3e}, tolerance {tolerance:.3e}",
            self.name
        );
        self.compared.borrow_mut().insert(tensor.into());
        Ok(())
    }

    /// As [`Golden::compare`], for gradients that the file may leave out.
    pub(crate) fn compare_if_present(&self, tensor: &str, got: &Var) -> Result<()> {
        if self.has(tensor) { self.compare(tensor, got) } else { Ok(()) }
    }

    /// Nothing that the file holds to compare with was left out.
    pub(crate) fn assert_complete(&self) {
        let wanted = self.tensors.keys().filter(|name| name.starts_with("out.") || name.starts_with("grad."));
        let missed: Vec<_> = wanted.filter(|name| !self.compared.borrow().contains(*name)).collect();
        assert!(missed.is_empty(), "{}: never compared: {missed:?}", self.name);
    }
}
