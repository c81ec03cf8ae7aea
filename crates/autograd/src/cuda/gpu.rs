//! An open device: its driver, its arena, and what has been asked of it.

mod ranks;
mod tables;

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::{Result, bail};

use super::arena::Usage;
use super::driver::{Driver, IN_FLIGHT, Kernel, THREADS};
use super::graphs::Graphs;
use super::library::Call;
use super::nccl::Peers;
use super::pool::{Pool, lock};
use super::profile::{Asked, Spent, together};
use super::texts::Element;
use super::words::Address;
use super::work::{Reel, Work};
use crate::device::Device;
use tables::Tables;

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
    /// Graphs recorded.
    pub recordings: u64,
    /// Kernels in graphs that got other numbers before a replay.
    pub changes: u64,
}

#[derive(Debug, Default)]
struct Counts {
    launches: AtomicU64,
    allocations: AtomicU64,
    reservations: AtomicU64,
    uploads: AtomicU64,
    synchronisations: AtomicU64,
    recordings: AtomicU64,
    changes: AtomicU64,
}

/// An open device.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) device: Device,
    /// Ahead of the driver, for its graphs are the driver's and go first.
    put_off: Mutex<PutOff>,
    driver: Box<dyn Driver>,
    pool: Pool,
    tf32: AtomicBool,
    pixels: Mutex<Option<bool>>,
    /// How many callers put work off now.
    putting_off: AtomicUsize,
    counts: Counts,
    /// The other ranks, if the device is one of several.
    peers: Mutex<Option<Arc<Peers>>>,
    /// Tables that never change, by content: rows of arrays, filters. They stay for the life of the device.
    tables: Mutex<Tables>,
    /// What was asked for since somebody wants to know how long it takes; nothing is put off then.
    profile: Mutex<Option<Vec<Asked>>>,
    notes: Mutex<Notes>,
}

/// What the device does in a slower way than it might, and why, in the order in which it came.
#[derive(Debug, Default)]
struct Notes {
    all: Vec<String>,
    /// How many of the driver's are among them.
    of_driver: usize,
    /// Those that say why work that was to be graphs is not.
    refusals: Vec<String>,
}

impl Notes {
    fn take_in(&mut self, of_driver: Vec<String>) {
        let before = std::mem::replace(&mut self.of_driver, of_driver.len());
        self.all.extend(of_driver.into_iter().skip(before));
    }
}

/// Work that waits, and the graphs that such work was made into.
#[derive(Debug, Default)]
struct PutOff {
    reel: Reel,
    graphs: Graphs,
}

/// `FRUGAN_IMAGES=pixels` or `planes`, to measure and to test.
fn chosen_by_environment() -> Option<bool> {
    match std::env::var("FRUGAN_IMAGES").as_deref() {
        Ok("pixels") => Some(true),
        Ok("planes") => Some(false),
        _ => None,
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Gpu {
    pub(crate) fn new(device: Device, driver: Box<dyn Driver>) -> Self {
        Self {
            device,
            driver,
            pool: Pool::default(),
            tf32: AtomicBool::new(false),
            pixels: Mutex::new(chosen_by_environment()),
            putting_off: AtomicUsize::new(0),
            put_off: Mutex::default(),
            counts: Counts::default(),
            peers: Mutex::default(),
            tables: Mutex::default(),
            profile: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Whether libraries may multiply F32 as TF32.
    pub(crate) fn allows_tf32(&self) -> bool {
        self.tf32.load(Ordering::Relaxed)
    }

    pub(crate) fn allow_tf32(&self, allowed: bool) {
        self.tf32.store(allowed, Ordering::Relaxed);
    }

    /// Whether libraries are to convolve images of this type that lie pixel by pixel: where tensor cores multiply, unless
    /// somebody chose.
    pub(crate) fn wants_pixels(&self, element: Element) -> bool {
        lock(&self.pixels).unwrap_or(match element {
            Element::Bf16 | Element::F16 => true,
            Element::F32 => self.allows_tf32(),
            Element::F64 => false,
        })
    }

    /// Whether convolutions are to give pixels, whoever does them.
    pub(crate) fn forces_pixels(&self) -> bool {
        lock(&self.pixels).unwrap_or(false)
    }

    /// Chooses, and gives what was chosen before.
    pub(crate) fn force_pixels(&self, force: Option<bool>) -> Option<bool> {
        std::mem::replace(&mut *lock(&self.pixels), force)
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
            recordings: read(&self.counts.recordings),
            changes: read(&self.counts.changes),
        }
    }

    /// Memory for `bytes`, whose contents are nobody's.
    pub(crate) fn allocate(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let address = self.take(bytes)?;
        if self.driver.spoils_memory() && !self.put_off(|reel| reel.work.push(Work::HandedOut { address, bytes })) {
            self.driver.handed_out(address, bytes);
        }
        Ok(Buffer { gpu: self.clone(), address, memory: Memory::Arena { bytes } })
    }

    fn take(&self, bytes: usize) -> Result<u64> {
        add(&self.counts.allocations, 1);
        self.pool.take(bytes, self.driver(), &|| add(&self.counts.reservations, 1))
    }

    /// Runs `f` with the device's work put off until a value is read, and once more at its end.
    pub(crate) fn as_graphs<R>(&self, f: impl FnOnce() -> R) -> Result<R> {
        /// Counts back, also where `f` panics.
        struct Caller<'a>(&'a Gpu);
        impl Drop for Caller<'_> {
            fn drop(&mut self) {
                self.0.putting_off.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.putting_off.fetch_add(1, Ordering::SeqCst);
        let caller = Caller(self);
        let result = f();
        drop(caller);
        self.catch_up()?;
        Ok(result)
    }

    /// What all that `f` asks for takes, each by itself and nothing put off.
    pub(crate) fn profile<R>(&self, f: impl FnOnce() -> R) -> Result<(R, Vec<Spent>)> {
        self.synchronise()?;
        *lock(&self.profile) = Some(Vec::new());
        let result = f();
        let asked = lock(&self.profile).take().unwrap_or_default();
        Ok((result, together(&asked, &self.driver.between_marks()?)))
    }

    /// Asks the driver, and notes the time where somebody wants to know.
    fn ask(&self, asked: Asked, work: impl FnOnce(&dyn Driver) -> Result<()>) -> Result<()> {
        let mut profile = lock(&self.profile);
        let Some(profile) = &mut *profile else {
            drop(profile);
            return work(self.driver());
        };
        self.driver.mark()?;
        let done = work(self.driver());
        self.driver.mark()?;
        profile.push(asked);
        done
    }

    /// Adds to the work that is put off, if it is now.
    fn put_off(&self, add: impl FnOnce(&mut Reel)) -> bool {
        let now = self.putting_off.load(Ordering::SeqCst) > 0 && lock(&self.profile).is_none();
        if now {
            add(&mut lock(&self.put_off).reel);
        }
        now
    }

    /// Asks the driver for what was put off.
    fn catch_up(&self) -> Result<()> {
        let mut put_off = lock(&self.put_off);
        if put_off.reel.work.is_empty() {
            return Ok(());
        }
        let reel = std::mem::take(&mut put_off.reel);
        let ran = put_off.graphs.run(reel, self.driver())?;
        add(&self.counts.launches, ran.launches);
        add(&self.counts.uploads, ran.uploads);
        add(&self.counts.recordings, ran.recorded);
        add(&self.counts.changes, ran.changed);
        if let Some(refusal) = ran.refusal {
            let mut notes = lock(&self.notes);
            notes.take_in(self.driver.notes());
            notes.all.push(refusal.clone());
            notes.refusals.push(refusal);
        }
        Ok(())
    }

    /// What the device does in a slower way than it might, and why: new notes come behind those that were there.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = lock(&self.notes);
        notes.take_in(self.driver.notes());
        notes.all.clone()
    }

    /// Why work that was to be graphs is not.
    pub(crate) fn refusals(&self) -> Vec<String> {
        lock(&self.notes).refusals.clone()
    }

    /// Runs `n` elements, a thread each. `words[0]` is `n`.
    pub(crate) fn each(&self, kernel: Kernel, words: &[u64]) -> Result<()> {
        self.launch(kernel, words[0] as usize, (words[0] as usize).div_ceil(THREADS), words)
    }

    /// Runs a `MAP` of `n` elements, some a thread. `words[0]` is `n`.
    pub(crate) fn map(&self, kernel: Kernel, words: &[u64]) -> Result<()> {
        self.launch(kernel, words[0] as usize, (words[0] as usize).div_ceil(THREADS * IN_FLIGHT), words)
    }

    /// Runs `n` blocks. `words[0]` is `n`.
    pub(crate) fn blocks(&self, kernel: Kernel, words: &[u64]) -> Result<()> {
        self.launch(kernel, words[0] as usize, words[0] as usize, words)
    }

    fn launch(&self, kernel: Kernel, n: usize, blocks: usize, words: &[u64]) -> Result<()> {
        if n == 0 {
            return Ok(());
        }
        if n > i32::MAX as usize {
            bail!("kernel {kernel}: {n} elements, expected at most 2^31 - 1; use a smaller batch")
        }
        if self.put_off(|reel| reel.launch(kernel, blocks, words)) {
            return Ok(());
        }
        add(&self.counts.launches, 1);
        self.ask(Asked::Kernel { kernel, n }, |driver| driver.launch(kernel, blocks, words))
    }

    /// A library's way to do the call; `None` if none serves it.
    pub(crate) fn plan(&self, call: Call) -> Result<Option<Planned>> {
        Ok(self.driver.library(&call)?.map(|workspace| Planned { call, workspace }))
    }

    /// Queues a planned call on two operands and a result.
    pub(crate) fn call(self: &Arc<Self>, planned: &Planned, [a, b, out]: [Address; 3]) -> Result<()> {
        let workspace = if planned.workspace == 0 { None } else { Some(self.allocate(planned.workspace)?) };
        let space = workspace.as_ref().map_or(Address::NULL, Buffer::address);
        let (call, arrays, workspace) = (planned.call, [a.0, b.0, out.0], space.0);
        if self.put_off(|reel| reel.work.push(Work::Call { call, arrays, workspace })) {
            return Ok(());
        }
        add(&self.counts.launches, 1);
        self.ask(Asked::Call(call), |driver| driver.call(&call, arrays, workspace))
    }

    pub(crate) fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.put_off(|reel| reel.upload(to.0, bytes)) {
            return Ok(());
        }
        add(&self.counts.uploads, 1);
        self.ask(Asked::Upload(bytes.len()), |driver| driver.upload(to.0, bytes))
    }

    pub(crate) fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        self.catch_up()?;
        add(&self.counts.synchronisations, 1);
        self.driver.download(from.0, bytes)
    }

    pub(crate) fn copy(&self, to: Address, from: Address, bytes: usize) -> Result<()> {
        if bytes == 0 || self.put_off(|reel| reel.work.push(Work::Copy { to: to.0, from: from.0, bytes })) {
            return Ok(());
        }
        self.ask(Asked::Copy(bytes), |driver| driver.copy(to.0, from.0, bytes))
    }

    pub(crate) fn synchronise(&self) -> Result<()> {
        self.catch_up()?;
        add(&self.counts.synchronisations, 1);
        self.driver.synchronise()
    }
}

/// A call that a library serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planned {
    call: Call,
    workspace: usize,
}

/// Memory of one array.
#[derive(Debug)]
pub(crate) struct Buffer {
    gpu: Arc<Gpu>,
    address: u64,
    memory: Memory,
}

#[derive(Debug)]
enum Memory {
    /// A block of the arena, which takes it back when this goes. Work in flight does not mind: whoever gets the block next
    /// is queued behind it.
    Arena { bytes: usize },
    /// A table's that is kept.
    Kept,
    /// What keeps another library's memory alive.
    Borrowed { _owner: Box<dyn Any + Send + Sync> },
}

impl Buffer {
    /// Another library's memory, for as long as `owner` lives.
    pub(crate) fn borrowed(gpu: Arc<Gpu>, address: u64, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { gpu, address, memory: Memory::Borrowed { _owner: owner } }
    }

    pub(crate) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    pub(crate) fn address(&self) -> Address {
        Address(self.address)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Memory::Arena { bytes } = self.memory {
            self.gpu.pool.give_back(self.address, bytes);
        }
    }
}
