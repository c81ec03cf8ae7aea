//! What ranks' sums go through: the host, or NCCL from GPU to GPU.

use std::sync::Arc;
use std::time::Duration;

use frugan_autograd::cuda::{self, Joined, Others, Part, RanksId};
use frugan_autograd::{Device, Ranks};
use serde::{Deserialize, Serialize};

use super::member::{Member, Sums, tensor_error};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::trainer::Trainer;

/// `ranks.through`: the way that sums over ranks take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// NCCL where every rank has a CUDA device and finds it, else the host.
    #[default]
    Auto,
    /// NCCL, or an error.
    Nccl,
    /// Memory of the host, in F64 and in the order of ranks.
    Host,
}

impl Through {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether ranks on this device would have NCCL.
    fn wants_nccl(self, device: Device) -> bool {
        match self {
            Self::Auto => matches!(device, Device::Cuda(_)),
            Self::Nccl => true,
            Self::Host => false,
        }
    }
}

impl Member {
    /// The ranks as the trainer of this one on `device` sees them, and in words what their sums go through. All ranks call this.
    ///
    /// # Errors
    /// If `ranks.through = "nccl"` and a rank has none, or the ranks' devices do not find each other.
    pub fn ranks(self: &Arc<Self>, config: &Config, device: Device) -> Result<(Ranks, String)> {
        let through = config.ranks.through;
        let found = match device {
            _ if !through.wants_nccl(device) => Err(None),
            Device::Cpu => {
                Err(Some("the CPU has no NCCL; set ranks.through = \"host\", or choose a CUDA device".to_owned()))
            }
            _ => cuda::find(Part::Nccl).map_err(|missing| Some(missing.to_string())),
        };
        let mut have = [f64::from(u8::from(found.is_ok()))];
        self.exchange(&mut have)?;
        let (joined, way) = match found {
            Ok(found) if have[0] == self.size() as f64 => {
                (Some(self.join_device(device)?), format!("NCCL {}", found.version))
            }
            Err(Some(why)) if through == Through::Nccl => {
                return Err(Error::Config(format!("ranks.through = \"nccl\": {why}")));
            }
            Ok(_) if through == Through::Nccl => {
                return Err(Error::Config("ranks.through = \"nccl\": another rank does not find it".to_owned()));
            }
            Err(Some(why)) => (None, format!("memory of the host, slowly: {why}")),
            _ => (None, "memory of the host".to_owned()),
        };
        let ranks = Ranks::new(Sums { member: Arc::clone(self), _joined: joined }, Trainer::rows(config));
        Ok((ranks, format!("{} ranks, whose sums go through {way}", self.size())))
    }

    /// Brings this rank's device among the others'.
    fn join_device(self: &Arc<Self>, device: Device) -> Result<Joined> {
        let mut bytes = [0.0; RanksId::BYTES];
        if self.rank() == 0 {
            bytes = RanksId::new()?.bytes().map(f64::from);
        }
        // The others add zeros.
        self.exchange(&mut bytes)?;
        let id = RanksId::from_bytes(bytes.map(|byte| byte as u8));
        Ok(cuda::join(device, &id, self.rank(), self.size(), Box::new(OtherRanks(Arc::clone(self))))?)
    }
}

/// The other ranks as a device asks after them.
struct OtherRanks(Arc<Member>);

impl Others for OtherRanks {
    fn watch(&self, waited: Duration) -> frugan_autograd::Result<()> {
        self.0.watch(waited).map_err(tensor_error)
    }

    fn votes(&self, own: [u64; 2]) -> frugan_autograd::Result<Vec<[u64; 2]>> {
        self.0.votes(own).map_err(tensor_error)
    }
}
