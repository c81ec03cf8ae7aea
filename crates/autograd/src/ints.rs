use std::sync::{Arc, OnceLock};

use candle_core::{Result, bail};

use crate::cuda::{self, gpu::Buffer, gpu::Gpu, words::Address};
use crate::device::Device;

/// Whole numbers that steer an op, such as labels or one offset an image: no gradients, and on
/// the same device as the arrays that they steer.
#[derive(Clone, Debug)]
pub struct Ints {
    pack: Arc<Pack>,
    /// Where these begin in the pack.
    start: usize,
    len: usize,
}

/// Numbers that go to a GPU in one copy.
#[derive(Debug)]
struct Pack {
    /// None where a GPU's kernel made them.
    host: Option<Box<[i32]>>,
    /// Uploaded once, when a GPU first asks.
    gpu: OnceLock<Arc<Buffer>>,
}

/// Numbers on a GPU.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    buffer: Arc<Buffer>,
    start: usize,
}

impl Placed {
    /// Of the first number.
    pub(crate) fn address(&self) -> Address {
        Address(self.buffer.address().0 + (self.start * size_of::<i32>()) as u64)
    }
}

impl Ints {
    fn new(values: Box<[i32]>) -> Self {
        let len = values.len();
        Self { pack: Arc::new(Pack { host: Some(values), gpu: OnceLock::new() }), start: 0, len }
    }

    /// Several lists, which go to a GPU in one copy when it first asks for one of them.
    pub fn together<const N: usize>(lists: [Vec<i32>; N]) -> [Self; N] {
        let pack = Self::new(lists.concat().into()).pack;
        let mut start = 0;
        lists.map(|list| {
            start += list.len();
            Self { pack: Arc::clone(&pack), start: start - list.len(), len: list.len() }
        })
    }

    /// Numbers that a kernel will write in full.
    pub(crate) fn uninitialised(gpu: &Arc<Gpu>, len: usize) -> Result<Self> {
        let buffer = Arc::new(gpu.allocate(len * size_of::<i32>())?);
        Ok(Self { pack: Arc::new(Pack { host: None, gpu: OnceLock::from(buffer) }), start: 0, len })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
        if self.pack.host.is_some() {
            return Ok(self.known().to_vec());
        }
        let Some(buffer) = self.pack.gpu.get() else { bail!("whole numbers without a place") };
        let mut bytes = vec![0; self.len * size_of::<i32>()];
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
        assert!(self.pack.host.is_some(), "numbers of the CPU");
        self.known()
    }

    /// What is known on the host without asking a GPU.
    pub(crate) fn known(&self) -> &[i32] {
        self.pack.host.as_deref().map_or(&[], |host| &host[self.start..self.start + self.len])
    }

    /// For kernels on a GPU.
    pub(crate) fn on(&self, gpu: &Arc<Gpu>) -> Result<Placed> {
        let start = self.start;
        if let Some(buffer) = self.pack.gpu.get().filter(|buffer| Arc::ptr_eq(buffer.gpu(), gpu)) {
            return Ok(Placed { buffer: buffer.clone(), start });
        }
        let made = match &self.pack.host {
            Some(host) => host.to_vec(),
            None => self.to_vec()?,
        };
        let bytes: Vec<u8> = made.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let buffer = Arc::new(gpu.allocate(bytes.len())?);
        gpu.upload(buffer.address(), &bytes)?;
        // Kept for the first GPU that asks; another thread may have been as fast.
        let kept = self.pack.gpu.get_or_init(|| buffer.clone()).clone();
        Ok(Placed { buffer: if Arc::ptr_eq(kept.gpu(), gpu) { kept } else { buffer }, start })
    }
}

/// By their numbers; those that only a GPU knows are equal to themselves alone.
impl PartialEq for Ints {
    fn eq(&self, other: &Self) -> bool {
        match (&self.pack.host, &other.pack.host) {
            (Some(_), Some(_)) => self.known() == other.known(),
            _ => Arc::ptr_eq(&self.pack, &other.pack),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_travel_together_stay_apart() -> Result<()> {
        let [a, b, c] = Ints::together([vec![3, 1], vec![], vec![4, 1, 5]]);
        assert_eq!((a.to_vec()?, b.len(), c.host()), (vec![3, 1], 0, &[4, 1, 5][..]));
        assert_eq!(Ints::concat(&[&c, &a])?, Ints::from(vec![4, 1, 5, 3, 1]));
        assert_ne!(a, c);
        Ok(())
    }
}
