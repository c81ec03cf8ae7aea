//! An open device: its driver, its arena, and what has been asked of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread::ThreadId;

use candle_core::{Result, bail};

use super::arena::Usage;
use super::driver::{Driver, Kernel, Recording, THREADS};
use super::library::Call;
use super::pool::{Pool, lock};
use super::words::Address;
use crate::device::Device;

/// What a device was asked to do since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels, calls of libraries, and replays of graphs.
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
    pool: Arc<Pool>,
    /// Where arrays are made now: the device's pool, or a graph's while it is captured.
    current: Mutex<Arc<Pool>>,
    recording: AtomicBool,
    tf32: AtomicBool,
    /// Held by the thread that captures a graph: the others wait, for their work would be recorded with it.
    gate: RwLock<()>,
    capturer: Mutex<Option<ThreadId>>,
    counts: Counts,
    /// Tables that never change, by content: filters. They stay for the life of the device.
    constants: Mutex<BTreeMap<Vec<u64>, Address>>,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Gpu {
    pub(crate) fn new(device: Device, driver: Box<dyn Driver>) -> Self {
        let pool = Arc::new(Pool::of_device());
        Self {
            device,
            driver,
            current: Mutex::new(pool.clone()),
            pool,
            recording: AtomicBool::new(false),
            tf32: AtomicBool::new(false),
            gate: RwLock::new(()),
            capturer: Mutex::new(None),
            counts: Counts::default(),
            constants: Mutex::default(),
        }
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Whether libraries may multiply F32 as TF32.
    pub(crate) fn allows_tf32(&self) -> bool {
        self.tf32.load(Ordering::Relaxed)
    }

    pub(crate) fn allow_tf32(&self, allowed: bool) {
        self.tf32.store(allowed, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        self.pool.usage()
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
        let _entered = self.enter();
        let pool = lock(&self.current).clone();
        let address = self.take(&pool, bytes)?;
        self.driver.handed_out(address, bytes);
        Ok(Buffer { gpu: self.clone(), pool, address, bytes })
    }

    fn take(&self, pool: &Pool, bytes: usize) -> Result<u64> {
        add(&self.counts.allocations);
        let reserve = || add(&self.counts.reservations);
        pool.take(bytes, self.driver(), &reserve)
    }

    /// Past here no other thread captures.
    fn enter(&self) -> Option<RwLockReadGuard<'_, ()>> {
        let own = *lock(&self.capturer) == Some(std::thread::current().id());
        (!own).then(|| self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `f` twice with its arrays made in `pool`: once as it is, then recording what it asks of the device.
    pub(crate) fn capture<R>(&self, pool: &Arc<Pool>, f: impl Fn() -> Result<R>) -> Result<(R, Box<dyn Recording>)> {
        if *lock(&self.capturer) == Some(std::thread::current().id()) {
            bail!("{}: a graph is captured inside another", self.device)
        }
        let gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        *lock(&self.capturer) = Some(std::thread::current().id());
        *lock(&self.current) = pool.clone();
        let result = f().and_then(|_| self.record(&f));
        *lock(&self.current) = self.pool.clone();
        *lock(&self.capturer) = None;
        drop(gate);
        result
    }

    fn record<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<(R, Box<dyn Recording>)> {
        self.driver.begin_recording()?;
        self.recording.store(true, Ordering::Relaxed);
        let result = f();
        self.recording.store(false, Ordering::Relaxed);
        let recording = self.driver.end_recording()?;
        Ok((result?, recording))
    }

    pub(crate) fn replay(&self, recording: &dyn Recording) -> Result<()> {
        let _entered = self.enter();
        add(&self.counts.launches);
        recording.replay()
    }

    /// Fails while a graph is recorded.
    fn refuse_in_recording(&self, what: &str) -> Result<()> {
        if self.recording.load(Ordering::Relaxed) {
            bail!("{}: {what} inside a captured graph; place inputs before it and read values behind it", self.device)
        }
        Ok(())
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
        let _entered = self.enter();
        add(&self.counts.launches);
        self.driver.launch(kernel, blocks, words)
    }

    /// A library's way to do the call; `None` if none serves it.
    pub(crate) fn plan(&self, call: Call) -> Result<Option<Planned>> {
        let _entered = self.enter();
        Ok(self.driver.library(&call)?.map(|workspace| Planned { call, workspace }))
    }

    /// Queues a planned call on two operands and a result.
    pub(crate) fn call(self: &Arc<Self>, planned: &Planned, [a, b, out]: [Address; 3]) -> Result<()> {
        let workspace = if planned.workspace == 0 { None } else { Some(self.allocate(planned.workspace)?) };
        let _entered = self.enter();
        add(&self.counts.launches);
        let space = workspace.as_ref().map_or(Address::NULL, Buffer::address);
        self.driver.call(&planned.call, [a.0, b.0, out.0], space.0)
    }

    pub(crate) fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let _entered = self.enter();
        self.refuse_in_recording("numbers are uploaded")?;
        add(&self.counts.uploads);
        self.driver.upload(to.0, bytes)
    }

    pub(crate) fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let _entered = self.enter();
        self.refuse_in_recording("a value is read on the host")?;
        add(&self.counts.synchronisations);
        self.driver.download(from.0, bytes)
    }

    pub(crate) fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<()> {
        let _entered = self.enter();
        if bytes == 0 { Ok(()) } else { self.driver.copy(to.0, from.0, bytes) }
    }

    pub(crate) fn synchronise(&self) -> Result<()> {
        let _entered = self.enter();
        self.refuse_in_recording("the host waits")?;
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
        let address = Address(self.take(&self.pool, size_of_val(words))?);
        self.upload(address, &bytes_of_words(words))?;
        lock(&self.constants).insert(words.to_vec(), address);
        Ok(address)
    }
}

fn bytes_of_words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// A call that a library serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    call: Call,
    workspace: usize,
}

/// A block of the arena, which takes it back when this goes. Work in flight does not mind: whoever gets the block next
/// is queued behind it.
#[derive(Debug)]
pub(crate) struct Buffer {
    gpu: Arc<Gpu>,
    pool: Arc<Pool>,
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
        self.pool.give_back(self.address, self.bytes);
    }
}
