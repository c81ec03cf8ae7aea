//! A device among those of other ranks.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use candle_core::Result;

use super::{Gpu, Planned};
use crate::cuda::graphs::Graphs;
use crate::cuda::library::{Call, OverRanks};
use crate::cuda::nccl::{Others, Peers, RanksId};
use crate::cuda::pool::lock;
use crate::cuda::texts::Element;
use crate::cuda::words::Address;

impl Gpu {
    /// Makes the device one of several ranks', once all have come.
    pub(crate) fn join(&self, id: &RanksId, rank: usize, size: usize, others: Box<dyn Others>) -> Result<()> {
        self.synchronise()?;
        self.driver.enter()?;
        let peers = Peers::meet(id, rank, size, others)?;
        self.driver.set_peers(Some(peers.clone()));
        *lock(&self.peers) = Some(peers);
        Ok(())
    }

    /// Leaves the other ranks. What cannot be told any more, nor waited for, stays as it is.
    pub(crate) fn leave(&self) {
        /// For kernels that wait for a rank that is gone, and for NCCL to forget the graphs.
        const PATIENCE: Duration = Duration::from_secs(10);
        let Some(peers) = lock(&self.peers).take() else { return };
        let within = |is_over: &dyn Fn() -> bool| {
            let started = Instant::now();
            while !is_over() && started.elapsed() < PATIENCE {
                sleep(Duration::from_millis(1));
            }
            is_over()
        };
        peers.leave();
        if within(&|| self.driver.is_idle().unwrap_or(true)) {
            lock(&self.put_off).graphs = Graphs::default();
            within(&|| peers.is_left());
        } else {
            // Graphs in flight cannot go.
            std::mem::forget(std::mem::take(&mut lock(&self.put_off).graphs));
        }
        self.driver.set_peers(None);
    }

    pub(crate) fn is_joined(&self) -> bool {
        lock(&self.peers).is_some()
    }

    /// Queues the sum or mean over ranks of `count` elements, if the device is one of several ranks': `from` and `to` may be the
    /// same.
    pub(crate) fn over_ranks(
        self: &Arc<Self>,
        element: Element,
        count: usize,
        mean: bool,
        [from, to]: [Address; 2],
    ) -> Result<bool> {
        let session = lock(&self.peers).as_ref().map(|peers| peers.session());
        let Some(session) = session else { return Ok(false) };
        let call = Call::OverRanks(OverRanks { session, element, count, mean });
        self.call(&Planned { call, workspace: 0 }, [from, Address::NULL, to])?;
        Ok(true)
    }
}
