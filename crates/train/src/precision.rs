//! The arithmetic of products and convolutions.

use std::fmt;
use std::str::FromStr;

use frugan_autograd::{DType, Device, cuda};
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
    /// Activations and weights to BF16 (7 bits of fraction) in wide layers: BigGAN's blocks, StyleGAN2's `num_fp16_res` highest
    /// resolutions. Elsewhere as TF32.
    Bf16,
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
            (Device::Cpu, _) => Err(Error::Config(format!(
                "precision = \"{self}\" with device cpu: only a GPU has it; leave it out, or pass --device cuda"
            ))),
            (device, precision) => Ok(cuda::allow_tf32(device, precision != Self::F32)?),
        }
    }

    /// What wide layers compute in.
    pub fn compute(self) -> DType {
        if self == Self::Bf16 { DType::BF16 } else { DType::F32 }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let all = [Self::F32, Self::Tf32, Self::Bf16];
        let known = all.into_iter().find(|precision| precision.to_string() == name);
        known.ok_or_else(|| Error::Config(format!("precision = \"{name}\": want \"f32\", \"tf32\" or \"bf16\"")))
    }
}
