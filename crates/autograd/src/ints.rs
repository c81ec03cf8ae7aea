use std::sync::{Arc, OnceLock};

use candle_core::{Result, bail};

use crate::cuda::{self, gpu::Buffer, gpu::Gpu};
use crate::device::Device;

/// Whole numbers that steer an op, such as labels or one offset an image: no gradients, and on
/// the same device as the arrays that they steer.
#[derive(Clone, Debug)]
pub struct Ints(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    len: usize,
    /// None where a GPU's kernel made them.
    host: Option<Box<[i32]>>,
    /// Uploaded once, when a GPU first asks.
    gpu: OnceLock<Arc<Buffer>>,
}

impl Ints {
    fn new(values: Box<[i32]>) -> Self {
        Self(Arc::new(Numbers { len: values.len(), host: Some(values), gpu: OnceLock::new() }))
    }

    /// Numbers that a kernel will write in full.
    pub(crate) fn uninitialised(gpu: &Arc<Gpu>, len: usize) -> Result<Self> {
        let buffer = Arc::new(gpu.allocate(len * size_of::<i32>())?);
        Ok(Self(Arc::new(Numbers { len, host: None, gpu: OnceLock::from(buffer) })))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All numbers of the parts, in order.
    ///
    /// # Errors
    /// If the device fails.
    pub fn concat(parts: &[&Self]) -> Result<Self> {
        let mut values = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            values.extend(part.to_vec()?);
        }
        Ok(values.into())
    }

    /// A copy on the host.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_vec(&self) -> Result<Vec<i32>> {
        if let Some(host) = &self.0.host {
            return Ok(host.to_vec());
        }
        let Some(buffer) = self.0.gpu.get() else { bail!("whole numbers without a place") };
        let mut bytes = vec![0; self.len() * size_of::<i32>()];
        buffer.gpu().download(buffer.address(), &mut bytes)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|number| i32::from_ne_bytes(*number)).collect())
    }

    /// The same numbers on `device`.
    ///
    /// # Errors
    /// If the device cannot be opened.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        if *device != Device::Cpu {
            self.on(&cuda::open(*device)?)?;
        }
        Ok(self.clone())
    }

    /// For kernels on the CPU, whose ops take no numbers that a GPU made.
    pub(crate) fn host(&self) -> &[i32] {
        self.0.host.as_deref().expect("numbers of the CPU")
    }

    /// What is known on the host without asking a GPU.
    pub(crate) fn known(&self) -> &[i32] {
        self.0.host.as_deref().unwrap_or_default()
    }

    /// For kernels on a GPU.
    pub(crate) fn on(&self, gpu: &Arc<Gpu>) -> Result<Arc<Buffer>> {
        if let Some(buffer) = self.0.gpu.get().filter(|buffer| Arc::ptr_eq(buffer.gpu(), gpu)) {
            return Ok(buffer.clone());
        }
        let bytes: Vec<u8> = self.to_vec()?.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let buffer = Arc::new(gpu.allocate(bytes.len())?);
        gpu.upload(buffer.address(), &bytes)?;
        // Kept for the first GPU that asks; another thread may have been as fast.
        Ok(self.0.gpu.get_or_init(|| buffer.clone()).clone())
            .map(|kept| if Arc::ptr_eq(kept.gpu(), gpu) { kept } else { buffer })
    }
}

/// By their numbers; those that only a GPU knows are equal to themselves alone.
impl PartialEq for Ints {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0.host, &other.0.host) {
            (Some(a), Some(b)) => a == b,
            _ => Arc::ptr_eq(&self.0, &other.0),
        }
    }
}

impl Eq for Ints {}

impl From<Vec<i32>> for Ints {
    fn from(values: Vec<i32>) -> Self {
        Self::new(values.into())
    }
}

impl From<&[i32]> for Ints {
    fn from(values: &[i32]) -> Self {
        Self::new(values.into())
    }
}

impl FromIterator<i32> for Ints {
    fn from_iter<I: IntoIterator<Item = i32>>(values: I) -> Self {
        Self::new(values.into_iter().collect())
    }
}
