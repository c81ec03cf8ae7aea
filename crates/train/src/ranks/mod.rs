//! Training in several processes that share each batch: data parallel on one node.
//!
//! Rank 0 is the run: it keeps the folder, the logs, the states and the evaluations, and says when to step. The others
//! follow. All hold the same weights, for each step's gradients are summed over ranks in one order.

mod follow;
mod link;
mod member;
mod room;
mod through;

use frugan_autograd::{Device, cuda};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};

pub use follow::follow;
pub use member::Member;
pub use room::Room;
pub use through::Through;

/// The longest `ranks.timeout_s`.
const DAY_S: f64 = 86_400.0;

/// Whether each rank finds a GPU, where the first has one: the others take those behind it. Ranks without one have no NCCL.
pub(crate) fn check_devices(config: &Config, device: Device) -> Result<()> {
    if (device, config.ranks.through) == (Device::Cpu, Through::Nccl) && config.ranks.count > 1 {
        return Err(Error::Config(
            "ranks.through = \"nccl\" with device cpu: NCCL joins GPUs; set ranks.through=host, or choose --device cuda".into(),
        ));
    }
    let (Device::Cuda(first), 2..) = (device, config.ranks.count) else { return Ok(()) };
    let (count, here) = (config.ranks.count, cuda::count()?);
    if first + count <= here {
        return Ok(());
    }
    Err(Error::Config(format!(
        "ranks.count = {count} with device {device}: want {} CUDA devices, a rank each, and there {} {here}",
        first + count,
        if here == 1 { "is" } else { "are" }
    )))
}

/// `[ranks]`: processes that share each batch, one a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RanksConfig {
    /// How many, each with `optim.batch / count` images. Default 1. `--gpus N` sets it.
    pub count: usize,
    /// Whether batch norm takes its statistics over all ranks' images. Default false: over each rank's own, as published
    /// data-parallel runs do.
    pub sync_bn: bool,
    /// What sums over ranks go through. Default `"auto"`: NCCL, from GPU to GPU, where there are GPUs and it is found.
    #[serde(skip_serializing_if = "Through::is_default")]
    pub through: Through,
    /// Seconds after which a rank that does not answer within a step ends the run. Default 300.
    pub timeout_s: f64,
}

impl Default for RanksConfig {
    fn default() -> Self {
        Self { count: 1, sync_bn: false, through: Through::Auto, timeout_s: 300.0 }
    }
}

impl RanksConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks the values against each other and the rest of a configuration.
    pub(crate) fn check(&self, config: &Config) -> Result<()> {
        let error = |text: String| Err(Error::Config(text));
        let (count, batch) = (self.count, config.optim.batch);
        if count == 0 || !batch.is_multiple_of(count) {
            return error(format!(
                "ranks.count = {count} with optim.batch = {batch}: the ranks share each batch, so want a divisor of it"
            ));
        }
        if !(self.timeout_s > 0.0 && self.timeout_s <= DAY_S) {
            return error(format!(
                "ranks.timeout_s = {}: want seconds above 0, {DAY_S} (a day) at most",
                self.timeout_s
            ));
        }
        if count == 1 {
            return Ok(());
        }
        if let Some(path_length) = &config.loss.path_length {
            let shrunk = (batch / path_length.batch_shrink.max(1)).max(1);
            if !shrunk.is_multiple_of(count) {
                return error(format!(
                    "ranks.count = {count} with loss.path_length on {shrunk} images (optim.batch / batch_shrink): want a divisor \
                     of it; raise optim.batch or lower loss.path_length.batch_shrink"
                ));
            }
        }
        if self.sync_bn && config.model.bn_group() > 0 {
            return error(format!(
                "ranks.sync_bn with model.bn_group = {}: statistics are those of all ranks or of groups, not both; set one of \
                 them to its default",
                config.model.bn_group()
            ));
        }
        Ok(())
    }
}
