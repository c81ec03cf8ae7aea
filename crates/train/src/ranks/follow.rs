//! The ranks that keep no folder: they step when rank 0 says so.

use std::path::Path;
use std::sync::Arc;

use frugan_autograd::Device;

use super::link::Frame;
use super::member::Member;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::library::Library;
use crate::run_dir::RunDir;
use crate::setup::Setup;
use crate::state;
use crate::trainer::Trainer;
use crate::transfer;

/// Trains as a follower of the run in `dir` until rank 0 ends it.
///
/// # Errors
/// What [`Error`] names; if another rank is gone, its number and last step.
pub fn follow(member: Member, config: &Config, dir: &Path) -> Result<()> {
    let member = Arc::new(member);
    let input = |e: frugan_autograd::Error| Error::Config(e.to_string());
    let device = device_of(config.device.parse().map_err(input)?, member.rank()).open().map_err(input)?;
    config.precision.apply(device).map_err(input)?;
    let splits = Library::new().splits(&config.data)?;
    let (ranks, _) = member.ranks(config, device)?;
    let mut trainer = Trainer::in_setup(config, &splits, &Setup { ranks, ..Setup::on(device) })?;
    loop {
        match member.order()? {
            Frame::Begin { step, resumes: true } => drop(state::load(&RunDir::state_in(dir, step), &mut trainer)?),
            Frame::Begin { .. } => {
                if let Some(from) = &config.transfer {
                    transfer::apply(from, &trainer)?;
                }
            }
            Frame::Step { .. } => match trainer.step().and_then(|()| trainer.hear_if_due()) {
                // Every rank sees the same gradients: rank 0 fails in the same way, and says what follows.
                Ok(()) | Err(Error::NonFinite(_)) => {}
                Err(error) => return Err(member.failure().map_or(error, Error::Ranks)),
            },
            Frame::End => return Ok(()),
            frame => return Err(Error::Ranks(format!("rank {} was told {frame:?}", member.rank()))),
        }
    }
}

/// A GPU a rank; ranks on the CPU share it.
fn device_of(first: Device, rank: usize) -> Device {
    match first {
        Device::Cuda(index) => Device::Cuda(index + rank),
        other => other,
    }
}
