//! The arithmetic of products and convolutions.

use std::fmt;
use std::str::FromStr;

use frugan_autograd::{DType, Device, Error, Result, cuda};
use serde::{Deserialize, Serialize};

/// How factors are rounded. Sums, statistics, losses and weights are F32 in each.
///
/// ```
/// use frugan_nn::Precision;
/// assert_eq!("bf16".parse::<Precision>()?, Precision::Bf16);
/// let error = "f8".parse::<Precision>().unwrap_err();
/// assert!(error.to_string().starts_with("precision = \"f8\": want \"f32\", \"tf32\" or \"bf16\""));
/// # Ok::<(), frugan_autograd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Not at all.
    #[default]
    F32,
    /// To 10 bits of fraction in NVIDIA's libraries, as PyTorch does in convolutions unless told otherwise.
    Tf32,
    /// Activations and weights to BF16 (7 bits of fraction) in wide layers: BigGAN's blocks, StyleGAN2's `num_fp16_res` highest
    /// resolutions, all of Inception's convolutions. Elsewhere as TF32.
    Bf16,
}

impl Precision {
    /// Whether it is F32, which configs leave out.
    ///
    /// ```
    /// # use frugan_nn::Precision;
    /// assert!(Precision::default().is_default() && !Precision::Tf32.is_default());
    /// ```
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Sets the device to it, for training.
    ///
    /// # Errors
    /// If the device has no such arithmetic.
    ///
    /// ```
    /// # use frugan_nn::Precision;
    /// # use frugan_autograd::Device;
    /// assert!(Precision::F32.apply(Device::Cpu).is_ok());
    /// assert!(Precision::Bf16.apply(Device::Cpu).is_err());
    /// ```
    pub fn apply(self, device: Device) -> Result<()> {
        match (device, self) {
            (Device::Cpu, Self::F32) => Ok(()),
            (Device::Cpu, _) => Err(Error::Msg(format!(
                "precision = \"{self}\" with device cpu: only a GPU has it; leave it out, or pass --device cuda"
            ))),
            (device, precision) => cuda::allow_tf32(device, precision != Self::F32),
        }
    }

    /// What wide layers compute in.
    ///
    /// ```
    /// # use frugan_nn::Precision;
    /// use frugan_autograd::DType;
    /// assert_eq!((Precision::Tf32.compute(), Precision::Bf16.compute()), (DType::F32, DType::BF16));
    /// ```
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
        known.ok_or_else(|| Error::Msg(format!("precision = \"{name}\": want \"f32\", \"tf32\" or \"bf16\"")))
    }
}
