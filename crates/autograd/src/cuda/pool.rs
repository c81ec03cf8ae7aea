//! Who gives memory out: the device, or a graph that keeps what its replays will write.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, bail};

use super::arena::{Arena, Usage, rounded};
use super::driver::Driver;

/// An arena and where it gets its pieces from.
#[derive(Debug)]
pub(crate) struct Pool {
    arena: Mutex<Arena>,
    /// For a graph's pool.
    parent: Option<Parent>,
}

/// The device's pool, and the pieces taken from it.
#[derive(Debug)]
struct Parent {
    device: Arc<Pool>,
    pieces: Mutex<Vec<(u64, usize)>>,
}

/// The least that a graph's pool takes of the device's at once.
const GRAPH_PIECE: usize = 32 << 20;

/// A lock whose holder panicked guards nothing that a panic can leave half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    pub(crate) fn of_device() -> Self {
        Self { arena: Mutex::default(), parent: None }
    }

    pub(crate) fn of_graph(device: &Arc<Self>) -> Self {
        Self { arena: Mutex::default(), parent: Some(Parent { device: device.clone(), pieces: Mutex::default() }) }
    }

    pub(crate) fn usage(&self) -> Usage {
        lock(&self.arena).usage()
    }

    pub(crate) fn forget_peak(&self) {
        lock(&self.arena).forget_peak();
    }

    /// A block of `bytes`; `reserve` is told of every request to the driver.
    pub(crate) fn take(&self, bytes: usize, driver: &dyn Driver, reserve: &dyn Fn()) -> Result<u64> {
        let mut arena = lock(&self.arena);
        if let Some(address) = arena.take(bytes) {
            return Ok(address);
        }
        let (start, piece) = match &self.parent {
            Some(Parent { device, pieces }) => {
                let piece = rounded(bytes).max(GRAPH_PIECE);
                let start = device.take(piece, driver, reserve)?;
                lock(pieces).push((start, piece));
                (start, piece)
            }
            None => Self::reserve(&arena, bytes, driver, reserve)?,
        };
        arena.add_piece(start, piece);
        match arena.take(bytes) {
            Some(address) => Ok(address),
            None => bail!("a piece of {piece} bytes has no room for {bytes}"),
        }
    }

    fn reserve(arena: &Arena, bytes: usize, driver: &dyn Driver, reserve: &dyn Fn()) -> Result<(u64, usize)> {
        let (free, total) = driver.memory()?;
        let least = rounded(bytes);
        if least > free {
            let used = arena.usage();
            bail!(
                "out of memory: an array of {bytes} bytes does not fit into the {free} bytes that are free of {total} on \
                 the device ({} in use by arrays, {} at most so far); use a smaller batch",
                used.in_use,
                used.peak
            )
        }
        let piece = Arena::piece_for(bytes).min(free.max(least));
        reserve();
        Ok((driver.reserve(piece)?, piece))
    }

    pub(crate) fn give_back(&self, address: u64, bytes: usize) {
        lock(&self.arena).give_back(address, bytes);
    }
}

impl Drop for Pool {
    /// No block is alive, for each holds its pool.
    fn drop(&mut self) {
        if let Some(Parent { device, pieces }) = &self.parent {
            for (start, bytes) in lock(pieces).drain(..) {
                device.give_back(start, bytes);
            }
        }
    }
}
