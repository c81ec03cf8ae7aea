//! An open device: its driver, its arena, and what has been asked of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Result, bail};

use super::arena::{Arena, Usage};
use super::driver::{Driver, Kernel, THREADS};
use super::words::Address;
use crate::device::Device;

/// What a device was asked to do since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels.
    pub launches: u64,
    /// Blocks taken from the arena; none of them a call of the driver.
    pub allocations: u64,
    /// Requests to the driver for memory.
    pub reservations: u64,
    /// Copies from the host.
    pub uploads: u64,
    /// Waits of the host, among them every copy to it.
    pub synchronisations: u64,
}

#[derive(Debug, Default)]
struct Counts {
    launches: AtomicU64,
    allocations: AtomicU64,
    reservations: AtomicU64,
    uploads: AtomicU64,
    synchronisations: AtomicU64,
}

/// An open device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) device: Device,
    driver: Box<dyn Driver>,
    arena: Mutex<Arena>,
    counts: Counts,
    /// Tables that never change, by content: filters. They stay for the life of the device.
    constants: Mutex<BTreeMap<Vec<u64>, Address>>,
}

/// A lock whose holder panicked guards nothing that a panic can leave half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Gpu {
    pub(crate) fn new(device: Device, driver: Box<dyn Driver>) -> Self {
        Self { device, driver, arena: Mutex::default(), counts: Counts::default(), constants: Mutex::default() }
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    pub(crate) fn usage(&self) -> Usage {
        lock(&self.arena).usage()
    }

    pub(crate) fn counters(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            launches: read(&self.counts.launches),
            allocations: read(&self.counts.allocations),
            reservations: read(&self.counts.reservations),
            uploads: read(&self.counts.uploads),
            synchronisations: read(&self.counts.synchronisations),
        }
    }

    /// Memory for `bytes`, whose contents are nobody's.
    pub(crate) fn allocate(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let address = self.take(bytes)?;
        self.driver.handed_out(address, bytes);
        Ok(Buffer { gpu: self.clone(), address, bytes })
    }

    fn take(&self, bytes: usize) -> Result<u64> {
        add(&self.counts.allocations);
        let mut arena = lock(&self.arena);
        if let Some(address) = arena.take(bytes) {
            return Ok(address);
        }
        let (free, total) = self.driver.memory()?;
        let least = super::arena::rounded(bytes);
        let piece = Arena::piece_for(bytes).min(free.max(least));
        if least > free {
            let used = arena.usage();
            bail!(
                "out of memory on {}: an array of {bytes} bytes does not fit into the {free} bytes that are free of {total} \
                 ({} in use, {} at most so far); use a smaller batch, or half of it with two accumulation steps",
                self.device,
                used.in_use,
                used.peak
            )
        }
        add(&self.counts.reservations);
        let start = self.driver.reserve(piece)?;
        arena.add_piece(start, piece);
        match arena.take(bytes) {
            Some(address) => Ok(address),
            None => bail!("{}: a piece of {piece} bytes has no room for {bytes}", self.device),
        }
    }

    /// Runs `n` elements, a thread each. `words[0]` is `n`.
    pub(crate) fn each(&self, kernel: Kernel, words: &[u64]) -> Result<()> {
        self.launch(kernel, words[0] as usize, (words[0] as usize).div_ceil(THREADS), words)
    }

    /// Runs `n` blocks. `words[0]` is `n`.
    pub(crate) fn blocks(&self, kernel: Kernel, words: &[u64]) -> Result<()> {
        self.launch(kernel, words[0] as usize, words[0] as usize, words)
    }

    fn launch(&self, kernel: Kernel, n: usize, blocks: usize, words: &[u64]) -> Result<()> {
        if n == 0 {
            return Ok(());
        }
        if n > u32::MAX as usize {
            bail!("kernel {kernel}: {n} elements, expected at most 2^32 - 1; use a smaller batch")
        }
        add(&self.counts.launches);
        self.driver.launch(kernel, blocks, words)
    }

    pub(crate) fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        add(&self.counts.uploads);
        self.driver.upload(to.0, bytes)
    }

    pub(crate) fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        add(&self.counts.synchronisations);
        self.driver.download(from.0, bytes)
    }

    pub(crate) fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<()> {
        if bytes == 0 { Ok(()) } else { self.driver.copy(to.0, from.0, bytes) }
    }

    pub(crate) fn synchronise(&self) -> Result<()> {
        add(&self.counts.synchronisations);
        self.driver.synchronise()
    }

    /// A table for one launch.
    pub(crate) fn table(self: &Arc<Self>, words: &[u64]) -> Result<Buffer> {
        let table = self.allocate(size_of_val(words))?;
        self.upload(table.address(), &bytes_of_words(words))?;
        Ok(table)
    }

    /// The table on the device, uploaded the first time that it is asked for.
    pub(crate) fn constant(self: &Arc<Self>, words: &[u64]) -> Result<Address> {
        if let Some(address) = lock(&self.constants).get(words) {
            return Ok(*address);
        }
        let address = Address(self.take(size_of_val(words))?);
        self.upload(address, &bytes_of_words(words))?;
        lock(&self.constants).insert(words.to_vec(), address);
        Ok(address)
    }
}

fn bytes_of_words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A block of the arena, which takes it back when this goes. Work in flight does not mind: whoever gets the block next
/// is queued behind it.
#[derive(Debug)]
pub(crate) struct Buffer {
    gpu: Arc<Gpu>,
    address: u64,
    bytes: usize,
}

impl Buffer {
    pub(crate) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    pub(crate) fn address(&self) -> Address {
        Address(self.address)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        lock(&self.gpu.arena).give_back(self.address, self.bytes);
    }
}
