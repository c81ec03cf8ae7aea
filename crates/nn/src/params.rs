//! The named tensors of a network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use frugan_autograd::{DType, Result, Tensor, Var, update};

use crate::error::LoadError;
use crate::tensor_map::TensorMap;

/// What a tensor of a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trained: a leaf of the tape.
    Weight,
    /// Kept up by the forward pass: running statistics, vectors of spectral norm.
    Buffer,
}

#[derive(Debug)]
struct Entry {
    name: String,
    kind: Kind,
    var: Var,
    /// A weight that stays as it is.
    is_frozen: AtomicBool,
}

impl Entry {
    fn is_trained(&self) -> bool {
        self.kind == Kind::Weight && !self.is_frozen.load(Ordering::Relaxed)
    }
}

/// The weights and buffers of a network, named, in module order. They are shared with the layers and change in place.
#[derive(Debug, Default)]
pub struct Params {
    entries: Vec<Entry>,
    places: BTreeMap<String, usize>,
}

impl Params {
    /// # Panics
    /// If the name was given before: two modules of a network would share a tensor by mistake.
    pub(crate) fn insert(&mut self, name: String, kind: Kind, var: Var) {
        let earlier = self.places.insert(name.clone(), self.entries.len());
        assert!(earlier.is_none(), "two tensors are named {name}");
        self.entries.push(Entry { name, kind, var, is_frozen: AtomicBool::new(false) });
    }

    /// Name, kind and value of each tensor, in module order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Kind, &Var)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.kind, &entry.var))
    }

    /// Names and values of the weights that are not frozen, in module order.
    pub fn named_weights(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.entries.iter().filter(|entry| entry.is_trained()).map(|entry| (entry.name.as_str(), &entry.var))
    }

    /// Leaves the weights of these names out of [`Params::weights`] from now on: no gradient is asked for, and no optimiser
    /// made afterwards knows them. Gives how many there are. Buffers go on as before.
    pub fn freeze(&self, is_frozen: impl Fn(&str) -> bool) -> usize {
        let frozen = self.entries.iter().filter(|entry| entry.kind == Kind::Weight && is_frozen(&entry.name));
        frozen.map(|entry| entry.is_frozen.store(true, Ordering::Relaxed)).count()
    }

    /// The weights that are not frozen, in module order: what to differentiate with respect to.
    pub fn weights(&self) -> Vec<&Var> {
        self.named_weights().map(|(_, var)| var).collect()
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Var> {
        self.places.get(name).map(|place| &self.entries[*place].var)
    }

    /// How many tensors there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many numbers the weights hold, frozen ones too: a network's "number of parameters".
    pub fn count_weights(&self) -> usize {
        self.iter().filter(|(_, kind, _)| *kind == Kind::Weight).map(|(.., var)| var.elem_count()).sum()
    }

    /// Copies of all tensors, by name, on the host.
    ///
    /// # Errors
    /// If a copy fails.
    pub fn to_tensors(&self) -> Result<TensorMap> {
        self.iter().map(|(name, _, var)| Ok((name.to_string(), var.to_tensor()?.copy()?))).collect()
    }

    /// Sets every tensor from the set, which must hold the same names and shapes; nothing changes if it does not.
    /// Numbers of another float type are converted.
    ///
    /// # Errors
    /// [`LoadError`] names what is missing, unexpected or of the wrong shape.
    pub fn load(&self, tensors: &TensorMap) -> std::result::Result<(), LoadError> {
        let missing: Vec<String> =
            self.iter().map(|(name, ..)| name).filter(|n| !tensors.contains_key(*n)).map(String::from).collect();
        if !missing.is_empty() {
            return Err(LoadError::Missing(missing));
        }
        let unexpected: Vec<String> = tensors.keys().filter(|n| !self.places.contains_key(*n)).cloned().collect();
        if !unexpected.is_empty() {
            return Err(LoadError::Unexpected(unexpected));
        }
        let converted = self
            .iter()
            .map(|(name, _, var)| fitting(name, var, &tensors[name]))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        for (entry, tensor) in self.entries.iter().zip(converted) {
            update::assign(&entry.var, &Var::constant(tensor))?;
        }
        Ok(())
    }

    /// Sets every tensor from a network of the same build.
    ///
    /// # Errors
    /// [`LoadError`] if the names or shapes differ.
    pub fn copy_from(&self, source: &Params) -> std::result::Result<(), LoadError> {
        self.load(&source.iter().map(|(name, _, var)| Ok((name.to_string(), var.to_tensor()?))).collect::<Result<_>>()?)
    }
}

/// `tensor` in the dtype of `var`, if it has its shape.
pub(crate) fn fitting(name: &str, var: &Var, tensor: &Tensor) -> std::result::Result<Tensor, LoadError> {
    if tensor.dims() != var.dims() {
        let (want, got) = (var.dims().to_vec(), tensor.dims().to_vec());
        return Err(LoadError::Shape { name: name.to_string(), want, got });
    }
    match tensor.dtype() {
        DType::F64 | DType::F32 | DType::F16 | DType::BF16 => Ok(tensor.to_dtype(var.dtype())?.contiguous()?),
        got => Err(LoadError::DType { name: name.to_string(), want: "floats", got }),
    }
}
