//! Sums over the GPUs of several processes, by NVIDIA's NCCL, opened when ranks meet.
//!
//! A sum's kernel waits for those of the other ranks, for ever if one of them is gone. So nothing here blocks in the library
//! or the driver: NCCL answers at once and finishes later, and whoever waits looks after the others meanwhile and leaves them,
//! which ends the kernels that wait, when one is lost.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// What has become of the other ranks, asked while this one has been waiting for them for so long.
pub type Watch = Box<dyn Fn(Duration) -> Result<()> + Send + Sync>;

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

/// Numbers communicators, so that none is taken for another.
static SESSIONS: AtomicU64 = AtomicU64::new(1);

/// The other ranks' GPUs, as one of them sees them.
pub(crate) struct Peers {
    nccl: Nccl,
    communicator: Communicator,
    session: u64,
    watch: Watch,
    leaving: Mutex<Option<JoinHandle<()>>>,
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
    pub(crate) fn meet(id: &RanksId, rank: usize, size: usize, watch: Watch) -> Result<Self> {
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
        let peers = Self { nccl, communicator, session, watch, leaving: Mutex::default() };
        peers.settle(code, "the ranks do not meet")?;
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
                (self.watch)(started.elapsed()).inspect_err(|_| self.leave())?;
                looked = Instant::now();
            }
            if started.elapsed() < SPIN { yield_now() } else { sleep(SLEEP) }
        }
        Ok(())
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
