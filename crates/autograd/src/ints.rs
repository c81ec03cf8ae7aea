use std::sync::Arc;

use candle_core::Result;

use crate::device::Device;

/// Whole numbers that steer an op, such as labels or one offset an image: no gradients, and on
/// the same device as the arrays that they steer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ints(Arc<[i32]>);

impl Ints {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All numbers of the parts, in order.
    ///
    /// # Errors
    /// If the parts lie on different devices.
    pub fn concat(parts: &[&Self]) -> Result<Self> {
        Ok(parts.iter().flat_map(|part| part.0.iter().copied()).collect())
    }

    /// A copy on the host.
    ///
    /// # Errors
    /// If the device fails.
    pub fn to_vec(&self) -> Result<Vec<i32>> {
        Ok(self.0.to_vec())
    }

    /// The same numbers on `device`.
    ///
    /// # Errors
    /// If the device cannot be opened.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        device.open()?;
        Ok(self.clone())
    }

    /// For kernels on the CPU.
    pub(crate) fn host(&self) -> &[i32] {
        &self.0
    }
}

impl From<Vec<i32>> for Ints {
    fn from(values: Vec<i32>) -> Self {
        Self(values.into())
    }
}

impl From<&[i32]> for Ints {
    fn from(values: &[i32]) -> Self {
        Self(values.into())
    }
}

impl FromIterator<i32> for Ints {
    fn from_iter<I: IntoIterator<Item = i32>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}
