//! NVIDIA GPUs, in the default build: no toolkit to build, no library to link.
//!
//! The driver and NVRTC are looked up when a GPU is asked for ([`find`]). The kernels are CUDA C++ texts in this crate
//! (`kernels/*.cu`), compiled for the exact architecture when they are first called and kept on disk. Arrays lie in one
//! arena a device; all work is queued on one stream, and the host waits only where a value is read.
//!
//! The texts also compile as C++: [`Device::Emulated`] runs them on the host, through the same ops, shapes and memory, so
//! that all but the GPU itself can be tested without one. It needs a C++ compiler at run time, and is slow.

use std::sync::{Arc, Mutex};

use candle_core::{Error, Result, bail};

use crate::device::Device;

mod adopted;
pub(crate) mod arena;
mod cache;
#[cfg(feature = "driver")]
mod compiler;
mod draws;
pub(crate) mod driver;
mod dynamic;
mod emulator;
pub(crate) mod gpu;
mod graphs;
pub(crate) mod launch;
mod libraries;
pub(crate) mod library;
mod nccl;
#[cfg(feature = "driver")]
mod nvidia;
mod parity;
mod pool;
mod profile;
mod prove;
pub(crate) mod tensor;
pub(crate) mod texts;
pub(crate) mod words;
mod work;

#[cfg(feature = "driver")]
pub use adopted::adopt;
pub use adopted::{borrow, copy_to};
pub use arena::Usage;
pub use draws::Place;
pub use emulator::{ThreadOrder, run_threads};
pub use gpu::Counters;
pub use libraries::{Found, Missing, Part, find};
pub use nccl::{Others, RanksId};
pub use parity::{Parity, compare};
pub use profile::Spent;
pub use prove::{prove, prove_sums};

use driver::Driver;
use gpu::Gpu;
use pool::lock;

/// The open device, opened at the first call; for a user who asked for it by name.
pub(crate) fn open(device: Device) -> Result<Arc<Gpu>> {
    open_gpu(device).map_err(|error| Error::Msg(format!("device {device}: {error}; or use --device cpu")))
}

/// Devices stay open as long as the process.
static OPEN: Mutex<Vec<Arc<Gpu>>> = Mutex::new(Vec::new());

/// [`open`] with the bare reason of a failure.
pub(crate) fn open_gpu(device: Device) -> Result<Arc<Gpu>> {
    let mut devices = lock(&OPEN);
    if let Some(gpu) = devices.iter().find(|gpu| gpu.device == device) {
        return Ok(gpu.clone());
    }
    let gpu = Arc::new(Gpu::new(device, driver_of(device)?));
    devices.push(gpu.clone());
    Ok(gpu)
}

fn driver_of(device: Device) -> Result<Box<dyn Driver>> {
    match device {
        Device::Cpu => bail!("the CPU is no GPU"),
        Device::Adopted(index) => bail!("no GPU of another library was adopted under number {index}"),
        Device::Emulated => Ok(Box::new(emulator::Emulator::open()?)),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => Ok(Box::new(nvidia::Nvidia::open(index)?)),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => bail!("this build has no CUDA layer: it was built without the feature `cuda`"),
    }
}

/// How many NVIDIA GPUs there are, of which one is open.
///
/// # Errors
/// If none is, or the build has no CUDA layer.
#[cfg(feature = "cuda")]
pub fn count() -> Result<usize> {
    nvidia::count()
}

/// As of a build without the CUDA layer.
#[cfg(not(feature = "cuda"))]
pub fn count() -> Result<usize> {
    bail!("this build has no CUDA layer: it was built without the feature `cuda`")
}

/// What a device is, for people: name, compute capability, driver.
///
/// # Errors
/// If it cannot be opened, or is the CPU.
pub fn describe(device: Device) -> Result<String> {
    Ok(open(device)?.driver().name())
}

/// Bytes free and in all.
///
/// # Errors
/// As [`describe`].
pub fn memory(device: Device) -> Result<(usize, usize)> {
    open(device)?.driver().memory()
}

/// Bytes of the device's arena.
///
/// # Errors
/// As [`describe`].
pub fn usage(device: Device) -> Result<Usage> {
    Ok(open(device)?.usage())
}

/// Counts [`Usage::peak`] anew from what is in use now.
///
/// # Errors
/// As [`describe`].
pub fn forget_peak(device: Device) -> Result<()> {
    open(device)?.pool().forget_peak();
    Ok(())
}

/// Whether NVIDIA's libraries may round the factors of F32 products and convolutions to TF32 (10 bits of fraction), and add them
/// up in F32. Not allowed until this is called. Kernels of this crate are not faster for it and stay in F32.
///
/// # Errors
/// As [`describe`].
pub fn allow_tf32(device: Device, allowed: bool) -> Result<()> {
    open(device)?.allow_tf32(allowed);
    Ok(())
}

/// In which order convolutions give images: pixel by pixel (NHWC) or channel by channel (NCHW), for measurements and tests. `None`,
/// with which a device opens unless `FRUGAN_IMAGES` is `pixels` or `planes`, leaves it to the layer: pixels where a library
/// convolves on tensor cores. Arrays are the same in both but for rounding.
///
/// # Errors
/// As [`describe`].
pub fn force_pixels(device: Device, pixels: Option<bool>) -> Result<()> {
    open(device)?.force_pixels(pixels);
    Ok(())
}

/// Runs `f` with TF32 allowed or not, whatever [`allow_tf32`] said: for metrics. Nothing changes for the CPU, which has none.
///
/// # Errors
/// As [`describe`], for a GPU.
pub fn with_tf32<R>(device: Device, allowed: bool, f: impl FnOnce() -> R) -> Result<R> {
    if device == Device::Cpu {
        return Ok(f());
    }
    let gpu = open(device)?;
    let before = gpu.allows_tf32();
    gpu.allow_tf32(allowed);
    let result = f();
    gpu.allow_tf32(before);
    Ok(result)
}

/// Runs `f` with the device's work put off until a value is read, or `f` ends; then it is asked for as a whole. A row of
/// requests that comes again, with the same memory, runs as one CUDA graph, into which the numbers that changed are put: rates,
/// the places of draws, what was uploaded. Results are the same bits as without; what a kernel does wrong is told later. Nothing
/// changes for the CPU.
///
/// # Errors
/// If the device fails.
pub fn as_graphs<R>(device: Device, f: impl FnOnce() -> R) -> Result<R> {
    if device == Device::Cpu { Ok(f()) } else { open(device)?.as_graphs(f) }
}

/// Runs `f` with nothing put off, and gives what the device did in it and how long each kind of request took, the longest first. For
/// measurements: it waits at its beginning and end, and notes two times a request.
///
/// # Errors
/// If the device fails.
pub fn profile<R>(device: Device, f: impl FnOnce() -> R) -> Result<(R, Vec<Spent>)> {
    open(device)?.profile(f)
}

/// A device's place among those of other ranks, which it keeps as long as this lives.
#[derive(Debug)]
pub struct Joined(Arc<Gpu>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Makes a device rank `rank` of `size`, of which each is a process that calls this with the same id: from here on
/// [`Ranks`](crate::Ranks) sum arrays there where they lie, by NCCL, and no host waits for another. Wherever this one waits for the
/// device, `others` is asked now and then ([`Others::watch`]), and its error ends the wait.
///
/// # Errors
/// If NCCL is not found, the device fails, or `others` gives up before all have come.
pub fn join(device: Device, id: &RanksId, rank: usize, size: usize, others: Box<dyn Others>) -> Result<Joined> {
    let gpu = open(device)?;
    gpu.join(id, rank, size, others)?;
    Ok(Joined(gpu))
}

/// Whether a device is one of several ranks' ([`join`]). The CPU is not.
///
/// # Errors
/// As [`describe`], for a GPU.
pub fn is_joined(device: Device) -> Result<bool> {
    Ok(device != Device::Cpu && open(device)?.is_joined())
}

/// What the device does in a slower way than it might, and why, so far: products and convolutions that a library of NVIDIA's was asked
/// for and does not do, a library that does not start, work that could not be recorded as a graph. Nothing for the CPU.
///
/// # Errors
/// As [`describe`], for a GPU.
pub fn notes(device: Device) -> Result<Vec<String>> {
    if device == Device::Cpu { Ok(Vec::new()) } else { Ok(open(device)?.notes()) }
}

/// Those of [`notes`] that are about graphs: a working device has none.
///
/// # Errors
/// As [`describe`].
pub fn refused_graphs(device: Device) -> Result<Vec<String>> {
    Ok(open(device)?.refusals())
}

/// What the device was asked to do so far.
///
/// # Errors
/// As [`describe`].
pub fn counters(device: Device) -> Result<Counters> {
    Ok(open(device)?.counters())
}

/// Waits until the device has done all that it was asked to.
///
/// # Errors
/// As [`describe`], or if a kernel failed.
pub fn synchronise(device: Device) -> Result<()> {
    open(device)?.synchronise()
}

/// What kernels are compiled for ahead: Ampere to Blackwell, data centre and desktop.
pub const ARCHITECTURES: [&str; 6] = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"];

/// Those of [`ARCHITECTURES`] whose kernels lie beside the program, so that it needs no NVRTC there.
#[cfg(feature = "cuda")]
pub fn beside_program() -> Vec<&'static str> {
    let has = |arch: &str| {
        let lies_there = |text: &texts::Text| {
            cache::beside_program(&compiler::name_beside_program(text, texts::Element::F32, arch)).is_some()
        };
        texts::ALL.iter().all(|text| lies_there(text))
    };
    ARCHITECTURES.into_iter().filter(|arch| has(arch)).collect()
}

/// [`beside_program`] of a build without the CUDA layer.
#[cfg(not(feature = "cuda"))]
pub fn beside_program() -> Vec<&'static str> {
    Vec::new()
}

/// Writes the machine code of every kernel text into `folder`, in F32, F64 and BF16 for each of `architectures` (such as `sm_90`), and
/// gives the number of files. In a folder `kernels` beside the program they serve machines without NVRTC.
///
/// # Errors
/// If NVRTC is not found, a text does not compile, or the folder cannot be written.
#[cfg(feature = "cuda")]
pub fn bake(folder: &std::path::Path, architectures: &[String]) -> Result<usize> {
    use rayon::prelude::*;
    use texts::Element;
    let compiler = compiler::Compiler::open()?;
    std::fs::create_dir_all(folder)?;
    let elements = [Element::F32, Element::F64, Element::Bf16];
    let jobs: Vec<_> = architectures
        .iter()
        .flat_map(|arch| texts::ALL.iter().flat_map(move |text| elements.map(|element| (arch, *text, element))))
        .collect();
    jobs.par_iter().try_for_each(|(arch, text, element)| {
        let code = compiler.compile(text, &text.source(*element), arch)?;
        std::fs::write(folder.join(compiler::name_beside_program(text, *element, arch)), code)?;
        Ok::<_, Error>(())
    })?;
    Ok(jobs.len())
}

/// Compiles every kernel text by NVRTC, for all element types on the first and last of `architectures` (such as
/// `sm_90`) and for F32 on all, and gives the number of programs. No GPU is needed.
///
/// # Errors
/// If NVRTC is not found, or a text does not compile: the error holds the compiler's words.
#[cfg(feature = "cuda")]
pub fn compile_all(architectures: &[&str]) -> Result<usize> {
    use rayon::prelude::*;
    use texts::Element;
    let compiler = compiler::Compiler::open()?;
    let is_end = |i: usize| i == 0 || i + 1 == architectures.len();
    let mut jobs = Vec::new();
    for (i, arch) in architectures.iter().enumerate() {
        for text in texts::ALL {
            let elements = Element::ALL.into_iter().filter(|element| *element == Element::F32 || is_end(i));
            jobs.extend(elements.map(|element| (*arch, *text, element)));
        }
    }
    jobs.par_iter().try_for_each(|(arch, text, element)| {
        let code = compiler.compile(text, &text.source(*element), arch)?;
        if code.is_empty() { bail!("{}.cu for {arch}: NVRTC gave no code", text.name) } else { Ok(()) }
    })?;
    Ok(jobs.len())
}
