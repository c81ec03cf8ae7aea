use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use candle_core::{Error, Result, bail};

use crate::cuda;

/// Where arrays live and ops run. Only this crate looks at which one it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The host's cores.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its index.
    Cuda(usize),
    /// A GPU that another library of this process opened, in the order in which they came: see [`crate::cuda::adopt`].
    Adopted(usize),
    /// The GPU layer with its kernels run by the host, for tests: see [`crate::cuda`].
    Emulated,
}

impl Device {
    /// Checks that arrays can be made there.
    ///
    /// # Errors
    /// If this build or this machine cannot serve the device; the error says what is missing and what brings it.
    pub fn open(self) -> Result<Self> {
        if self != Self::Cpu {
            cuda::open(self)?;
        }
        Ok(self)
    }

    /// How many of `wanted` items to compute at once, where the host's caches would rather hold `cached` of them: a GPU
    /// wants them all.
    pub fn at_once(self, wanted: usize, cached: usize) -> usize {
        if self == Self::Cpu { wanted.min(cached) } else { wanted }
    }

    /// Whether [`cuda::as_graphs`] puts work off there and runs rows that repeat as graphs. So it is better asked for the same work
    /// in every step, even where less would do, and not for values.
    pub fn runs_graphs(self) -> bool {
        self != Self::Cpu
    }

    /// The fastest device that works here, and why it is that one, as one line: a GPU is taken if it passes
    /// [`cuda::prove`].
    pub fn choose() -> (Self, String) {
        static CHOICE: OnceLock<(Device, String)> = OnceLock::new();
        let choose = || {
            let gpu = Self::Cuda(0);
            match cuda::open_gpu(gpu).and_then(|_| cuda::prove(gpu)) {
                Ok(()) => (gpu, format!("{gpu}: its kernels and a convolution gave the CPU's results")),
                Err(error) => (Self::Cpu, format!("{}: {error}", Self::Cpu)),
            }
        };
        CHOICE.get_or_init(choose).clone()
    }

    /// The device of [`Device::choose`].
    pub fn best() -> Self {
        Self::choose().0
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Adopted(index) => write!(f, "adopted:{index}"),
            Self::Emulated => write!(f, "emulated"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `cuda` or `cuda:INDEX`; `auto` is [`Device::best`]. For tests also `emulated`.
    fn from_str(name: &str) -> Result<Self> {
        let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        match (name, index) {
            ("auto", _) => Ok(Self::best()),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
            ("emulated", _) => Ok(Self::Emulated),
            (_, Some(index)) => Ok(Self::Cuda(index)),
            _ => bail!("unknown device {name:?}: expected auto, cpu, cuda or cuda:INDEX"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() -> Result<()> {
        let devices = [("cpu", Device::Cpu), ("cuda:0", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))];
        for (name, device) in devices.into_iter().chain([("emulated", Device::Emulated)]) {
            assert_eq!(name.parse::<Device>()?, device);
            assert_eq!(device.to_string(), name);
        }
        assert_eq!("cuda".parse::<Device>()?, Device::Cuda(0));
        for bad in ["gpu", "cuda:", "cuda:-1", ""] {
            let error = bad.parse::<Device>().expect_err(bad).to_string();
            assert!(error.contains(bad) && error.contains("cuda:INDEX"), "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_device_out_of_reach_says_what_to_use() {
        let error = Device::Cuda(4096).open().expect_err("no machine has so many").to_string();
        assert!(error.contains("cuda:4096") && error.contains("--device cpu"), "{error}");
        let (device, why) = Device::choose();
        assert!(device == Device::best() && why.starts_with(&format!("{device}: ")) && !why.contains('\n'), "{why}");
    }
}
