//! A device without a GPU: the kernels' texts, compiled by the host's C++ compiler, run by the host.
//!
//! It proves what can be proved without a GPU: that the kernels compute what the CPU's do, with the layer's own shapes,
//! strides, arguments and memory. Memory is filled with NaN when it is handed out, so a kernel that reads what none wrote,
//! or does not write all it should, is seen; so is one that reads a block's memory before writing it. Blocks, and threads
//! between two meetings, run one after the other in an order that can be changed ([`run_threads`]): results that change with it
//! would be a race's. It says nothing about speed.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use candle_core::{Result, bail};

use super::cache;
use super::driver::{Driver, Kernel, Recording};
use super::dynamic::Library;
use super::library::{Call, OverRanks};
use super::nccl::Peers;
use super::pool::lock;
use super::texts::{Element, Text};
use super::work::{Reel, Span, Work};

/// No contraction to fused multiply-adds, for the rounding is to be comparable with the CPU kernels'; each library calls
/// its own functions, for those of another element type have the same names.
const OPTIONS: &[&str] = &["-x", "c++", "-std=c++17", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wl,-Bsymbolic"];

type Function = unsafe extern "C" fn(*const u64);
type Answer = extern "C" fn() -> u64;

/// In which order the host runs what a GPU runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadOrder {
    /// By their numbers.
    Forward,
    /// From the last to the first.
    Backward,
    /// By steps of a prime.
    Scattered,
}

/// [`ThreadOrder`] of all emulated kernels, as the texts number it.
static ORDER: AtomicU64 = AtomicU64::new(0);

/// Runs the emulated device's blocks, and the threads of a block between two meetings, in another order from here on, also in
/// other threads of this process. A kernel whose result changes has a race.
pub fn run_threads(order: ThreadOrder) {
    ORDER.store(order as u64, Ordering::Relaxed);
}

#[derive(Debug)]
pub(crate) struct Emulator {
    compiler: PathBuf,
    version: String,
    modules: Mutex<BTreeMap<(&'static str, Element), Library>>,
    /// What it may reserve: all that is asked for, unless `FRUGAN_EMULATED_MEMORY` gives a number of bytes.
    limit: usize,
    /// Whether `FRUGAN_EMULATED_KERNELS=none`: everything is asked for, of libraries too, and nothing is done, so that what remains
    /// is the time that the host needs to prepare a GPU's work.
    idle: bool,
    reserved: AtomicUsize,
    /// The other ranks, if the device is one of several.
    peers: Mutex<Option<Arc<Peers>>>,
    marks: Mutex<Vec<Instant>>,
    /// What was reserved; freed with the emulator.
    memory: Arc<Mutex<Vec<Vec<u128>>>>,
}

/// A kernel, and what sets the order of its text's threads.
#[derive(Clone, Copy, Debug)]
struct Entry {
    function: Function,
    set_order: extern "C" fn(u64),
}

impl Entry {
    fn run(self, words: &[u64]) {
        // SAFETY: the words are the struct that the kernel takes, and hold addresses of the emulator's memory.
        unsafe {
            (self.set_order)(ORDER.load(Ordering::Relaxed));
            (self.function)(words.as_ptr());
        }
    }
}

/// Work that was recorded, as a GPU's graph holds it: with words of its own, and bytes that come from a stage.
#[derive(Debug)]
struct Recorded {
    steps: Vec<Step>,
    words: Vec<u64>,
    peers: Option<Arc<Peers>>,
    /// The emulator's memory, which the work reads and writes.
    _memory: Arc<Mutex<Vec<Vec<u128>>>>,
}

#[derive(Debug)]
enum Step {
    /// The words with the number of blocks ahead of them, which the host has no use for.
    Launch(Entry, Span),
    Upload {
        to: u64,
        bytes: Span,
    },
    Copy {
        to: u64,
        from: u64,
        bytes: usize,
    },
    OverRanks {
        call: OverRanks,
        from: u64,
        to: u64,
    },
    Spoil {
        address: u64,
        bytes: usize,
    },
}

impl Recording for Recorded {
    fn replay(&mut self, reel: &Reel, changed: &[usize]) -> Result<()> {
        for at in changed {
            let Some(Step::Launch(_, span)) = self.steps.get(*at) else { continue };
            self.words[span.start..span.start + span.len].copy_from_slice(span.of(&reel.words));
        }
        for step in &self.steps {
            match *step {
                Step::Launch(entry, words) => entry.run(&words.of(&self.words)[1..]),
                Step::Upload { to, bytes } => upload(to, bytes.of(&reel.bytes)),
                Step::Copy { to, from, bytes } => copy(to, from, bytes),
                Step::OverRanks { call, from, to } => over_ranks(self.peers.as_deref(), &call, from, to)?,
                Step::Spoil { address, bytes } => spoil(address, bytes),
            }
        }
        Ok(())
    }
}

fn over_ranks(peers: Option<&Peers>, call: &OverRanks, from: u64, to: u64) -> Result<()> {
    match peers {
        // SAFETY: both of the arena's blocks have so many elements; NCCL's stand-in has no use for a stream.
        Some(peers) => unsafe { peers.call(call, from, to, std::ptr::null_mut()) },
        None => bail!("a sum over ranks on a device that is none of them"),
    }
}

fn upload(to: u64, from: &[u8]) {
    // SAFETY: the arena's block has that many bytes.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, from.len()) };
}

fn copy(to: u64, from: u64, bytes: usize) {
    // SAFETY: both blocks have that many bytes.
    unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes) };
}

fn spoil(address: u64, bytes: usize) {
    // SAFETY: the arena hands out parts of what was reserved. All ones are a NaN of every element type.
    unsafe { std::ptr::write_bytes(address as *mut u8, 0xff, bytes) };
}

impl Emulator {
    /// With the compiler that `CXX` names, else `c++` or `g++`.
    pub(crate) fn open() -> Result<Self> {
        let given = std::env::var_os("CXX").map(PathBuf::from);
        let candidates = match &given {
            Some(given) => vec![given.clone()],
            None => vec![PathBuf::from("c++"), PathBuf::from("g++")],
        };
        for compiler in candidates {
            if let Ok(output) = Command::new(&compiler).arg("--version").output()
                && output.status.success()
            {
                let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_string();
                let limit = std::env::var("FRUGAN_EMULATED_MEMORY").ok().and_then(|bytes| bytes.parse().ok());
                return Ok(Self {
                    limit: limit.unwrap_or(usize::MAX / 2),
                    idle: std::env::var("FRUGAN_EMULATED_KERNELS").as_deref() == Ok("none"),
                    reserved: AtomicUsize::new(0),
                    peers: Mutex::default(),
                    marks: Mutex::default(),
                    compiler,
                    version,
                    modules: Mutex::default(),
                    memory: Arc::default(),
                });
            }
        }
        match given {
            Some(given) => {
                bail!("device emulated: CXX names {}, which does not run as a C++ compiler", given.display())
            }
            None => bail!("device emulated: no C++ compiler found; install g++ (`apt install g++`) or set CXX"),
        }
    }

    /// A kernel that takes these words in so many blocks.
    fn entry(&self, kernel: Kernel, blocks: usize, words: &[u64]) -> Result<Entry> {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kernel.text.name, kernel.element);
        let library = match modules.get(&key) {
            Some(library) => *library,
            None => {
                let library = self.compile(kernel.text, kernel.element)?;
                modules.insert(key, library);
                library
            }
        };
        let beside = |answer: &str| library.symbol(&format!("{}_{answer}", kernel.function));
        let (function, order) = (library.symbol(kernel.function), library.symbol("set_order"));
        let (Some(function), Some(order), Some(size), Some(share)) =
            (function, order, beside("words"), beside("share"))
        else {
            bail!("kernel {kernel}: the text has no such function")
        };
        // SAFETY: the texts' skeletons define every kernel as a function of one pointer, beside it two that tell how many words are
        // behind that and how much a block takes, and one that takes an order.
        let (entry, size, share) = unsafe {
            let function = std::mem::transmute::<*mut c_void, Function>(function);
            let [size, share] = [size, share].map(|answer| std::mem::transmute::<*mut c_void, Answer>(answer));
            let set_order = std::mem::transmute::<*mut c_void, extern "C" fn(u64)>(order);
            (Entry { function, set_order }, size(), share())
        };
        if size != words.len() as u64 {
            bail!("kernel {kernel}: {} words given, its struct has {size}", words.len())
        }
        if blocks as u64 != words[0].div_ceil(share) {
            bail!("kernel {kernel}: {blocks} blocks for {} elements, of which a block takes {share}", words[0])
        }
        Ok(entry)
    }

    fn compile(&self, text: &Text, element: Element) -> Result<Library> {
        let source = text.source(element);
        let name = cache::name(&[&source, &OPTIONS.join(" "), &self.version], "so");
        let file = cache::file(&name, |partial| self.run_compiler(text, &source, partial))?;
        Library::open_private(&file).map_err(candle_core::Error::Msg)
    }

    fn run_compiler(&self, text: &Text, source: &str, out: &Path) -> Result<()> {
        let input = out.with_extension("cpp");
        std::fs::write(&input, source)?;
        let output = Command::new(&self.compiler).args(OPTIONS).arg(&input).arg("-o").arg(out).output()?;
        std::fs::remove_file(&input)?;
        if !output.status.success() {
            bail!("{}.cu does not compile on the host: {}", text.name, String::from_utf8_lossy(&output.stderr))
        }
        Ok(())
    }
}

impl Driver for Emulator {
    fn name(&self) -> String {
        format!("the kernels on the host, by {}", self.version)
    }

    fn memory(&self) -> Result<(usize, usize)> {
        Ok((self.limit.saturating_sub(self.reserved.load(Ordering::Relaxed)), self.limit))
    }

    fn reserve(&self, bytes: usize) -> Result<u64> {
        // 256 bytes more than asked for, for the alignment that a GPU's memory has.
        let mut piece: Vec<u128> = Vec::new();
        let words = bytes / 16 + 17;
        if piece.try_reserve_exact(words).is_err() {
            bail!("device emulated: the host has no {bytes} bytes")
        }
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
        let start = (piece.as_mut_ptr() as u64).next_multiple_of(256);
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        Ok(start)
    }

    fn spoils_memory(&self) -> bool {
        !self.idle
    }

    fn handed_out(&self, address: u64, bytes: usize) {
        spoil(address, bytes);
    }

    fn launch(&self, kernel: Kernel, blocks: usize, words: &[u64]) -> Result<()> {
        let entry = self.entry(kernel, blocks, words)?;
        if !self.idle {
            entry.run(words);
        }
        Ok(())
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        upload(to, from);
        Ok(())
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        if self.idle {
            to.fill(0);
        } else {
            // SAFETY: the arena's block has that many bytes.
            unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to.as_mut_ptr(), to.len()) };
        }
        Ok(())
    }

    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        if !self.idle {
            copy(to, from, bytes);
        }
        Ok(())
    }

    fn synchronise(&self) -> Result<()> {
        Ok(())
    }

    fn library(&self, _: &Call) -> Result<Option<usize>> {
        Ok(self.idle.then_some(0))
    }

    fn call(&self, call: &Call, [from, _, to]: [u64; 3], _: u64) -> Result<()> {
        match call {
            _ if self.idle => Ok(()),
            Call::OverRanks(call) => over_ranks(lock(&self.peers).clone().as_deref(), call, from, to),
            _ => bail!("no library serves {call:?}"),
        }
    }

    fn set_peers(&self, peers: Option<Arc<Peers>>) {
        *lock(&self.peers) = peers;
    }

    fn agree(&self, sums: usize, wish: u64) -> Result<u64> {
        lock(&self.peers).clone().map_or(Ok(wish), |peers| peers.agree(sums, wish))
    }

    fn is_idle(&self) -> Result<bool> {
        Ok(true)
    }

    fn mark(&self) -> Result<()> {
        lock(&self.marks).push(Instant::now());
        Ok(())
    }

    fn between_marks(&self) -> Result<Vec<f64>> {
        let marks = std::mem::take(&mut *lock(&self.marks));
        Ok(marks.as_chunks().0.iter().map(|[from, to]| to.duration_since(*from).as_secs_f64()).collect())
    }

    fn record(&self, reel: &Reel) -> Result<Option<Box<dyn Recording>>> {
        let step = |work: &Work| {
            Ok(match *work {
                Work::Launch { kernel, words } => {
                    let (blocks, given) = reel.launch_of(words);
                    Step::Launch(self.entry(kernel, blocks, given)?, words)
                }
                Work::Upload { to, bytes } => Step::Upload { to, bytes },
                Work::Copy { to, from, bytes } => Step::Copy { to, from, bytes },
                Work::HandedOut { address, bytes } => Step::Spoil { address, bytes },
                Work::Call { call: Call::OverRanks(call), arrays: [from, _, to], .. } => {
                    Step::OverRanks { call, from, to }
                }
                Work::Call { call, .. } => bail!("no library serves {call:?}"),
            })
        };
        let steps = if self.idle { Vec::new() } else { reel.work.iter().map(step).collect::<Result<_>>()? };
        let (peers, memory) = (lock(&self.peers).clone(), self.memory.clone());
        Ok(Some(Box::new(Recorded { steps, words: reel.words.clone(), peers, _memory: memory })))
    }
}
