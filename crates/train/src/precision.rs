//! The arithmetic of products and convolutions.

use frugan_autograd::{Device, cuda};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// `precision`: how factors are rounded. Sums, statistics, losses and weights are F32 in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To 10 bits of fraction in NVIDIA's libraries, as PyTorch does in convolutions unless told otherwise.
    Tf32,
}

impl Precision {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Sets the device to it.
    ///
    /// # Errors
    /// If the device has no such arithmetic.
    pub fn apply(self, device: Device) -> Result<()> {
        match (device, self) {
            (Device::Cpu, Self::F32) => Ok(()),
            (Device::Cpu, Self::Tf32) => Err(Error::Config(
                "precision = \"tf32\" with device cpu: only a GPU has it; leave it out, or pass --device cuda".into(),
            )),
            (device, precision) => Ok(cuda::allow_tf32(device, precision == Self::Tf32)?),
        }
    }
}
