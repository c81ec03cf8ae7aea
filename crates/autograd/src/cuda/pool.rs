//! Who gives memory out: a device's arena, and the driver behind it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{Result, bail};

use super::arena::{Arena, Usage, rounded};
use super::driver::Driver;

/// A device's arena.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    arena: Mutex<Arena>,
}

/// A lock whose holder panicked guards nothing that a panic can leave half done.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
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
        let (start, piece) = Self::reserve(&arena, bytes, driver, reserve)?;
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
        reserve();
        // What is free is not always there in one piece.
        let mut piece = Arena::piece_for(bytes).min(free.max(least));
        loop {
            match driver.reserve(piece) {
                Err(_) if piece > least => piece = rounded(piece / 2).max(least),
                answer => return Ok((answer?, piece)),
            }
        }
    }

    pub(crate) fn give_back(&self, address: u64, bytes: usize) {
        lock(&self.arena).give_back(address, bytes);
    }
}
