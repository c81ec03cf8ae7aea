//! Sums over the GPUs of several processes, by NVIDIA's NCCL, opened when ranks meet.
//!
//! A sum's kernel waits for those of the other ranks, for ever if one of them is gone. So nothing here blocks in the library
//! or the driver: NCCL answers at once and finishes later, and whoever waits looks after the others meanwhile and leaves them,
//! which ends the kernels that wait, when one is lost.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{JoinHandle, sleep, yield_now};
use std::time::{Duration, Instant};

use candle_core::{Error, Result, bail};

use super::dynamic::Library;
use super::libraries::{Found, Part, find};
use super::library::OverRanks;
use super::pool::lock;
use super::texts::Element;

/// `ncclSuccess` and `ncclInProgress`, of `ncclResult_t`.
const SUCCESS: c_int = 0;
const IN_PROGRESS: c_int = 7;

/// How long a wait spins before it sleeps between looks.
const SPIN: Duration = Duration::from_micros(200);
const SLEEP: Duration = Duration::from_micros(50);
/// How often a wait looks after the other ranks.
const LOOK: Duration = Duration::from_millis(20);

type Communicator = *mut c_void;

/// What the ranks of a run find each other by (`ncclUniqueId`): one of them makes it, and tells the others.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RanksId([u8; Self::BYTES]);

impl RanksId {
    /// Bytes of an id.
    pub const BYTES: usize = 128;

    /// A new one. Its maker answers the others' first calls, so it is to be one of them.
    ///
    /// # Errors
    /// If NCCL is not found, or finds no network interface.
    pub fn new() -> Result<Self> {
        let nccl = Nccl::open()?;
        let mut id = Self([0; Self::BYTES]);
        // SAFETY: NCCL writes an id.
        nccl.check(unsafe { (nccl.get_unique_id)(&raw mut id) }, "no id")?;
        Ok(id)
    }

    /// As sent to the others.
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        self.0
    }

    /// As received from its maker.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for RanksId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RanksId")
    }
}

/// The other ranks' processes, as this one hears of them.
pub trait Others: Send + Sync {
    /// Looks whether they are there, while this rank has been waiting for its device for so long.
    ///
    /// # Errors
    /// If one is lost: then this rank leaves the others.
    fn watch(&self, waited: Duration) -> Result<()>;

    /// Waits until all ranks have come here with a vote, and gives all of them in the ranks' order.
    ///
    /// # Errors
    /// If one is lost.
    fn votes(&self, own: [u64; 2]) -> Result<Vec<[u64; 2]>>;
}

type GetUniqueId = unsafe extern "C" fn(*mut RanksId) -> c_int;
type CommInit = unsafe extern "C" fn(*mut Communicator, c_int, RanksId, c_int, *const Config) -> c_int;
type AllReduce =
    unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Communicator, *mut c_void) -> c_int;
type GetAsyncError = unsafe extern "C" fn(Communicator, *mut c_int) -> c_int;
type Abort = unsafe extern "C" fn(Communicator) -> c_int;
type ErrorString = unsafe extern "C" fn(c_int) -> *const c_char;
type LastError = unsafe extern "C" fn(Communicator) -> *const c_char;

/// The functions that are called. Their meaning has been the same since NCCL 2.14.
#[derive(Clone, Copy)]
struct Nccl {
    get_unique_id: GetUniqueId,
    init: CommInit,
    all_reduce: AllReduce,
    async_error: GetAsyncError,
    abort: Abort,
    error_string: ErrorString,
    last_error: LastError,
}

/// `ncclConfig_t` as of 2.14, which later versions read as far as it goes.
#[repr(C)]
struct Config {
    size: usize,
    magic: c_uint,
    version: c_uint,
    blocking: c_int,
}

impl Nccl {
    fn open() -> Result<Self> {
        let Found { path, version, .. } = find(Part::Nccl).map_err(|missing| Error::Msg(missing.to_string()))?;
        let library = Library::open(&path).map_err(Error::Msg)?;
        let function = |name: &str| match library.symbol(name) {
            Some(function) => Ok(function),
            None => bail!("NCCL {version} at {} has no {name}, expected 2.14 or later", path.display()),
        };
        // SAFETY: NCCL's functions, by the signatures of its header.
        unsafe {
            Ok(Self {
                get_unique_id: std::mem::transmute::<*mut c_void, GetUniqueId>(function("ncclGetUniqueId")?),
                init: std::mem::transmute::<*mut c_void, CommInit>(function("ncclCommInitRankConfig")?),
                all_reduce: std::mem::transmute::<*mut c_void, AllReduce>(function("ncclAllReduce")?),
                async_error: std::mem::transmute::<*mut c_void, GetAsyncError>(function("ncclCommGetAsyncError")?),
                abort: std::mem::transmute::<*mut c_void, Abort>(function("ncclCommAbort")?),
                error_string: std::mem::transmute::<*mut c_void, ErrorString>(function("ncclGetErrorString")?),
                last_error: std::mem::transmute::<*mut c_void, LastError>(function("ncclGetLastError")?),
            })
        }
    }

    fn check(self, code: c_int, what: &str) -> Result<()> {
        if code == SUCCESS { Ok(()) } else { Err(self.error(code, what)) }
    }

    fn error(self, code: c_int, what: &str) -> Error {
        // SAFETY: NCCL gives strings that last as long as the library; it takes no communicator here.
        let [kind, detail] =
            unsafe { [(self.error_string)(code), (self.last_error)(std::ptr::null_mut())] }.map(|text| {
                // SAFETY: as above, or null.
                let text = unsafe { (!text.is_null()).then(|| CStr::from_ptr(text)) };
                text.map(|text| text.to_string_lossy().trim().to_string()).unwrap_or_default()
            });
        let detail = if detail.is_empty() || detail == kind { detail } else { format!(" ({detail})") };
        Error::Msg(format!("NCCL: {what}: {kind}{detail}"))
    }
}

/// Of a row of work: it is asked for one by one. Also: it was not recorded.
pub(crate) const ONE_BY_ONE: u64 = 0;
/// It is recorded as a graph. Also: it was. What lies above are numbers of graphs that all ranks have of it.
pub(crate) const RECORD: u64 = 1;

/// What comes of wishes.
fn verdict(wishes: impl Iterator<Item = u64> + Clone) -> u64 {
    let first = wishes.clone().next().unwrap_or(ONE_BY_ONE);
    if wishes.clone().all(|wish| wish == first) {
        first
    } else if wishes.clone().any(|wish| wish == ONE_BY_ONE) {
        ONE_BY_ONE
    } else {
        RECORD
    }
}

/// Looks after the others wherever the host is in the driver, until the ranks are left.
fn guard(peers: &Weak<Peers>) {
    while let Some(peers) = peers.upgrade() {
        peers.look();
        drop(peers);
        sleep(LOOK);
    }
}

/// Numbers communicators, so that none is taken for another.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// The other ranks' GPUs, as one of them sees them.
pub(crate) struct Peers {
    nccl: Nccl,
    communicator: Communicator,
    session: u64,
    others: Box<dyn Others>,
    leaving: Mutex<Option<JoinHandle<()>>>,
    /// Since when the host has been in a call of the driver that may wait.
    called: Mutex<Option<Instant>>,
    /// What the guard saw meanwhile.
    seen: Mutex<Option<Error>>,
}

// SAFETY: a communicator is used by one thread at a time but for its abortion, which NCCL allows beside any other call.
unsafe impl Send for Peers {}
// SAFETY: as above; the calls that queue sums are made by the thread that trains.
unsafe impl Sync for Peers {}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peers({})", self.session)
    }
}

/// A communicator on its way to another thread.
struct Handle(Communicator);

// SAFETY: as `Peers`.
unsafe impl Send for Handle {}

impl Peers {
    /// Meets the others, on the device whose context is current.
    pub(crate) fn meet(id: &RanksId, rank: usize, size: usize, others: Box<dyn Others>) -> Result<Arc<Self>> {
        let nccl = Nccl::open()?;
        let config = Config { size: size_of::<Config>(), magic: 0xcafe_beef, version: 21_400, blocking: 0 };
        let session = SESSIONS.fetch_add(1, Ordering::Relaxed);
        let mut communicator = std::ptr::null_mut();
        // SAFETY: NCCL writes a communicator, and reads the config before it returns.
        let code = unsafe { (nccl.init)(&raw mut communicator, size as c_int, *id, rank as c_int, &raw const config) };
        if communicator.is_null() {
            nccl.check(code, "the ranks do not meet")?;
            bail!("NCCL: the ranks do not meet, and it does not say why")
        }
        let peers = Arc::new(Self {
            nccl,
            communicator,
            session,
            others,
            leaving: Mutex::default(),
            called: Mutex::default(),
            seen: Mutex::default(),
        });
        peers.settle(code, "the ranks do not meet")?;
        let guarded = Arc::downgrade(&peers);
        std::thread::spawn(move || guard(&guarded));
        Ok(peers)
    }

    /// Which communicator it is.
    pub(crate) fn session(&self) -> u64 {
        self.session
    }

    /// Queues a sum or mean over ranks.
    ///
    /// # Safety
    /// Both addresses hold so many elements, and the stream is the device's.
    pub(crate) unsafe fn call(&self, call: &OverRanks, from: u64, to: u64, stream: *mut c_void) -> Result<()> {
        if call.session != self.session || lock(&self.leaving).is_some() {
            bail!("NCCL: a sum over ranks that have been left")
        }
        // Of ncclDataType_t and ncclRedOp_t.
        let element = match call.element {
            Element::F16 => 6,
            Element::F32 => 7,
            Element::F64 => 8,
            Element::Bf16 => 9,
        };
        let op = if call.mean { 4 } else { 0 };
        let (from, to) = (from as *const c_void, to as *mut c_void);
        // SAFETY: the caller's, and a live communicator.
        let code = unsafe { (self.nccl.all_reduce)(from, to, call.count, element, op, self.communicator, stream) };
        self.settle(code, "a sum over ranks")
    }

    /// Waits until NCCL has done its part on the host.
    fn settle(&self, code: c_int, what: &str) -> Result<()> {
        let mut state = code;
        if state == IN_PROGRESS {
            self.wait(|| {
                // SAFETY: a live communicator; NCCL writes one number.
                let asked = unsafe { (self.nccl.async_error)(self.communicator, &raw mut state) };
                self.nccl.check(asked, what)?;
                Ok(state != IN_PROGRESS)
            })?;
        }
        self.nccl.check(state, what)
    }

    /// Waits until something is over, and leaves the others when one of them is lost.
    pub(crate) fn wait(&self, mut is_over: impl FnMut() -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        let mut looked = started;
        while !is_over()? {
            if looked.elapsed() >= LOOK {
                self.others.watch(started.elapsed()).inspect_err(|_| self.leave())?;
                looked = Instant::now();
            }
            if started.elapsed() < SPIN { yield_now() } else { sleep(SLEEP) }
        }
        Ok(())
    }

    /// Runs a call of the driver that may wait for the device, as one that queues work does where much is queued: a guard looks after the
    /// others meanwhile.
    #[cfg(feature = "driver")]
    pub(crate) fn guarded<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        *lock(&self.called) = Some(Instant::now());
        let result = call();
        *lock(&self.called) = None;
        match lock(&self.seen).take() {
            Some(lost) => Err(lost),
            None => result,
        }
    }

    /// One look of the guard's.
    fn look(&self) {
        let Some(since) = *lock(&self.called) else { return };
        if since.elapsed() < LOOK || lock(&self.leaving).is_some() {
            return;
        }
        if let Err(lost) = self.others.watch(since.elapsed()) {
            *lock(&self.seen) = Some(lost);
            self.leave();
        }
    }

    /// What all ranks do with a row of work in which they sum so often, of which this one would do `wish`: what all wish if that is the
    /// same; to ask for all of it one by one ([`ONE_BY_ONE`]) if one wishes that; else to record it ([`RECORD`]). NCCL wants a sum to be
    /// in every rank's graph or in none's.
    pub(crate) fn agree(&self, sums: usize, wish: u64) -> Result<u64> {
        let votes = self.others.votes([sums as u64, wish]).inspect_err(|_| self.leave())?;
        if let Some(other) = votes.iter().find(|vote| vote[0] != sums as u64) {
            self.leave();
            bail!(
                "ranks part: one sums {sums} times where another sums {} times, which is a fault of this program; train.graph=false may \
                 go on from the last state",
                other[0]
            )
        }
        Ok(verdict(votes.iter().map(|vote| vote[1])))
    }

    /// Begins to leave the others: kernels that wait for them end.
    pub(crate) fn leave(&self) {
        let mut leaving = lock(&self.leaving);
        if leaving.is_none() {
            let (abort, handle) = (self.nccl.abort, Handle(self.communicator));
            // On its own, for it ends when the last graph with a sum in it is gone.
            *leaving = Some(std::thread::spawn(move || {
                let Handle(communicator) = { handle };
                // SAFETY: a live communicator, which nobody uses from here on.
                unsafe { abort(communicator) };
            }));
        }
    }

    /// Whether they have been left.
    pub(crate) fn is_left(&self) -> bool {
        lock(&self.leaving).as_ref().is_some_and(JoinHandle::is_finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_do_what_all_can() {
        let of = |wishes: &[u64]| verdict(wishes.iter().copied());
        assert_eq!((of(&[0, 0]), of(&[1, 1, 1]), of(&[5, 5])), (ONE_BY_ONE, RECORD, 5));
        assert_eq!((of(&[1, 0]), of(&[5, 0, 5]), of(&[0, 1, 5])), (ONE_BY_ONE, ONE_BY_ONE, ONE_BY_ONE));
        assert_eq!((of(&[5, 1]), of(&[5, 6])), (RECORD, RECORD), "all record anew");
    }
}
