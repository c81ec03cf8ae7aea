use std::fmt;
use std::str::FromStr;

use candle_core::{Error, Result, bail};

/// Where arrays live and ops run. Only this crate looks at which one it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The host's cores.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by its index.
    Cuda(usize),
}

impl Device {
    /// Checks that arrays can be made there.
    ///
    /// # Errors
    /// If this build or this machine cannot serve the device.
    pub fn open(self) -> Result<Self> {
        match self {
            Self::Cpu => Ok(self),
            Self::Cuda(_) => bail!("device {self}: this build has no CUDA layer yet; use --device cpu"),
        }
    }

    /// The fastest device that [`Device::open`] accepts.
    pub fn best() -> Self {
        Self::Cuda(0).open().unwrap_or(Self::Cpu)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// `auto`, `cpu`, `cuda` or `cuda:INDEX`; `auto` is [`Device::best`].
    fn from_str(name: &str) -> Result<Self> {
        let index = name.strip_prefix("cuda:").and_then(|index| index.parse().ok());
        match (name, index) {
            ("auto", _) => Ok(Self::best()),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(0)),
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
        for (name, device) in [("cpu", Device::Cpu), ("cuda:0", Device::Cuda(0)), ("cuda:3", Device::Cuda(3))] {
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
        let error = Device::Cuda(1).open().expect_err("no CUDA layer").to_string();
        assert!(error.contains("cuda:1") && error.contains("--device cpu"), "{error}");
        assert_eq!(Device::best(), Device::Cpu);
    }
}
