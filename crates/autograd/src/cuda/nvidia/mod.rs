//! An NVIDIA GPU through the driver's API, with cuBLASLt and cuDNN where they are found.

#[cfg(feature = "cuda")]
mod convolutions;
#[cfg(feature = "cuda")]
mod libraries;
#[cfg(feature = "cuda")]
mod products;
mod recorded;

use std::any::Any;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CString, c_void};
use std::path::Path;
use std::sync::{Arc, Mutex};

use candle_core::{Error, Result, bail};
use cudarc::driver::{result, sys};

use recorded::Stages;

use super::compiler::{came_with_program, compiled};
use super::driver::{Driver, Kernel, Recording, THREADS};
use super::dynamic::Library;
use super::library::Call;
use super::nccl::Peers;
use super::pool::lock;
use super::texts::Element;
use super::work::Reel;

/// Blocks of one launch: kernels that are counted in blocks stride over the rest, those of elements never have so many.
const MOST_BLOCKS: usize = 1 << 30;

/// A device with a context and one stream, on which all work is queued in order.
#[derive(Debug)]
pub(crate) struct Nvidia {
    name: String,
    arch: String,
    context: sys::CUcontext,
    stream: sys::CUstream,
    /// Whoever opened the context and the stream, and closes them.
    _keeper: Box<dyn Any + Send + Sync>,
    modules: Mutex<BTreeMap<(&'static str, Element), Module>>,
    memory: Mutex<Vec<u64>>,
    #[cfg(feature = "cuda")]
    libraries: Mutex<libraries::Opened>,
    /// Of the graphs.
    stages: Mutex<Stages>,
    /// The other ranks, if the device is one of several.
    peers: Mutex<Option<Arc<Peers>>>,
    marks: Mutex<Vec<sys::CUevent>>,
}

/// A device that this layer opened: its primary context, and a stream.
#[cfg(feature = "cuda")]
#[derive(Debug)]
struct Opened {
    device: sys::CUdevice,
    stream: sys::CUstream,
}

// SAFETY: as `Nvidia`.
#[cfg(feature = "cuda")]
unsafe impl Send for Opened {}
// SAFETY: as `Nvidia`.
#[cfg(feature = "cuda")]
unsafe impl Sync for Opened {}

#[cfg(feature = "cuda")]
impl Drop for Opened {
    /// Errors cannot be told any more.
    fn drop(&mut self) {
        // SAFETY: made by `Nvidia::open`, and used by nothing any more.
        unsafe {
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

#[derive(Debug)]
struct Module {
    handle: sys::CUmodule,
    functions: BTreeMap<&'static str, sys::CUfunction>,
}

// SAFETY: the driver's handles may be used from any thread on which the context is current; `enter` makes it so.
unsafe impl Send for Nvidia {}
// SAFETY: as above; the driver's functions lock, and the maps are behind mutexes.
unsafe impl Sync for Nvidia {}

fn failed(what: &str) -> impl FnOnce(cudarc::driver::DriverError) -> Error + '_ {
    move |error| Error::Msg(format!("CUDA: {what}: {error}"))
}

/// How many devices a driver that has started serves.
#[cfg(feature = "cuda")]
pub(super) fn count() -> Result<usize> {
    Ok(result::device::get_count().map_err(failed("no count of devices"))?.max(0) as usize)
}

/// The CUDA that the driver serves: 12030 is 12.3.
fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: writes one number.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(failed("no version"))?;
    Ok(version)
}

/// The driver's function for the milliseconds between two events, which has another name before 12.8.
type Elapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> sys::CUresult;

fn elapsed_of_driver() -> Result<Elapsed> {
    let driver = Library::open(Path::new("libcuda.so.1")).map_err(Error::Msg)?;
    match driver.symbol("cuEventElapsedTime_v2").or_else(|| driver.symbol("cuEventElapsedTime")) {
        // SAFETY: the driver's function, under both names.
        Some(function) => Ok(unsafe { std::mem::transmute::<*mut c_void, Elapsed>(function) }),
        None => bail!("CUDA: the driver does not time events; update it"),
    }
}

/// Of a query: whether what was asked about is done.
fn is_over(answer: sys::CUresult) -> Result<bool> {
    match answer {
        sys::cudaError_enum::CUDA_ERROR_NOT_READY => Ok(false),
        answer => answer.result().map(|()| true).map_err(failed("a kernel failed")),
    }
}

impl Nvidia {
    /// Opens device `index`.
    #[cfg(feature = "cuda")]
    pub(crate) fn open(index: usize) -> Result<Self> {
        use super::libraries::{Part, find};
        let driver = find(Part::Driver).map_err(|missing| Error::Msg(missing.to_string()))?;
        // SAFETY: only opens the library.
        if !unsafe { sys::is_culib_present() } {
            bail!("the NVIDIA driver at {} cannot be opened by name", driver.path.display())
        }
        result::init().map_err(failed("the driver does not start"))?;
        let count = count()?;
        let Some(ordinal) = i32::try_from(index).ok().filter(|_| index < count) else {
            bail!("no CUDA device {index}: {count} here, counted from 0")
        };
        let device = result::device::get(ordinal).map_err(failed("no device"))?;
        // SAFETY: a device that exists; the context is released by `Opened`.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed("no context"))?;
        // SAFETY: a live context.
        unsafe { result::ctx::set_current(context) }.map_err(failed("no current context"))?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking).map_err(failed("no stream"))?;
        Self::of(device, context, stream, Box::new(Opened { device, stream }))
    }

    /// A device that another library of this process opened: its work is queued on that library's stream.
    ///
    /// # Safety
    /// The context and its stream live as long as `owner`.
    pub(crate) unsafe fn adopt(
        context: *mut c_void,
        stream: *mut c_void,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Result<Self> {
        let (context, mut device) = (context.cast(), 0);
        // SAFETY: a live context; the driver writes one number.
        unsafe {
            result::ctx::set_current(context).map_err(failed("no current context"))?;
            sys::cuCtxGetDevice(&mut device).result().map_err(failed("no device"))?;
        }
        Self::of(device, context, stream.cast(), owner)
    }

    fn of(
        device: sys::CUdevice,
        context: sys::CUcontext,
        stream: sys::CUstream,
        keeper: Box<dyn Any + Send + Sync>,
    ) -> Result<Self> {
        use sys::CUdevice_attribute_enum::{
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
        };
        let capability = |attribute| {
            // SAFETY: a device that exists, an attribute that every driver knows.
            unsafe { result::device::get_attribute(device, attribute) }.map_err(failed("no compute capability"))
        };
        let name = result::device::get_name(device).map_err(failed("no name"))?;
        let major = capability(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = capability(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let driver = driver_version()?;
        let driver = format!("CUDA {}.{}", driver / 1000, driver % 1000 / 10);
        Ok(Self {
            name: format!("{name} (compute capability {major}.{minor}, driver for {driver})"),
            arch: format!("sm_{major}{minor}"),
            context,
            stream,
            _keeper: keeper,
            modules: Mutex::default(),
            memory: Mutex::default(),
            #[cfg(feature = "cuda")]
            libraries: Mutex::default(),
            stages: Mutex::default(),
            peers: Mutex::default(),
            marks: Mutex::default(),
        })
    }

    #[cfg(feature = "cuda")]
    fn call_library(&self, call: &Call, arrays: [u64; 3], workspace: u64) -> Result<()> {
        // SAFETY: the caller planned this call, and holds its arrays and its workspace.
        unsafe { lock(&self.libraries).run(call, arrays, workspace, self.stream) }
    }

    #[cfg(not(feature = "cuda"))]
    fn call_library(&self, call: &Call, _: [u64; 3], _: u64) -> Result<()> {
        bail!("no library serves {call:?}")
    }

    /// Enters the context for a call in which the driver may wait for the device: there a rank would not see that another is gone.
    fn enter_to_wait(&self) -> Result<()> {
        self.enter()?;
        match lock(&self.peers).clone() {
            Some(peers) => peers.wait(|| self.is_idle()),
            None => Ok(()),
        }
    }

    /// Runs a call of the driver that waits where much is queued ([`Peers::guarded`]).
    fn guarded<R>(&self, call: impl FnOnce() -> Result<R>) -> Result<R> {
        match lock(&self.peers).clone() {
            Some(peers) => peers.guarded(call),
            None => call(),
        }
    }

    /// The module of a kernel's text: what came with the program, unless the driver is too old for it, else what NVRTC makes here.
    fn load(&self, kernel: Kernel) -> Result<sys::CUmodule> {
        // SAFETY: machine code that NVRTC made for this architecture.
        let load = |code: &[u8]| unsafe { result::module::load_data(code.as_ptr().cast()) };
        let (text, element) = (kernel.text, kernel.element);
        self.enter_to_wait()?;
        let refused = match came_with_program(text, element, &self.arch)? {
            Some(code) => match load(&code) {
                Ok(module) => return Ok(module),
                Err(error) => Some(error),
            },
            None => None,
        };
        let code = compiled(text, element, &self.arch).map_err(|why| match refused {
            Some(error) => Error::Msg(format!(
                "CUDA: the driver does not load the kernels that came with this program ({error}), and {why}; or update the driver"
            )),
            None => why,
        })?;
        let what = "the driver does not load a kernel that NVRTC made: update it, or take an NVRTC for its CUDA";
        load(&code).map_err(failed(what))
    }

    fn function(&self, kernel: Kernel) -> Result<sys::CUfunction> {
        let mut modules = lock(&self.modules);
        let key = (kernel.text.name, kernel.element);
        let module = match modules.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(Module { handle: self.load(kernel)?, functions: BTreeMap::new() }),
        };
        if let Some(function) = module.functions.get(kernel.function) {
            return Ok(*function);
        }
        let name = CString::new(kernel.function).map_err(|error| Error::Msg(error.to_string()))?;
        // SAFETY: a loaded module.
        let function = unsafe { result::module::get_function(module.handle, name) }.map_err(failed("no function"))?;
        module.functions.insert(kernel.function, function);
        Ok(function)
    }
}

impl Driver for Nvidia {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn memory(&self) -> Result<(usize, usize)> {
        self.enter()?;
        result::mem_get_info().map_err(failed("no memory information"))
    }

    fn reserve(&self, bytes: usize) -> Result<u64> {
        self.enter_to_wait()?;
        // SAFETY: freed in `drop`.
        let address = unsafe { result::malloc_sync(bytes) }.map_err(failed("no memory"))?;
        lock(&self.memory).push(address);
        Ok(address)
    }

    fn launch(&self, kernel: Kernel, blocks: usize, words: &[u64]) -> Result<()> {
        self.enter()?;
        let function = self.function(kernel)?;
        let (grid, block) = ((blocks.min(MOST_BLOCKS) as u32, 1, 1), (THREADS as u32, 1, 1));
        let mut arguments = [words.as_ptr().cast_mut().cast::<c_void>()];
        let said = |error| Error::Msg(format!("CUDA: kernel {kernel}: {error}"));
        // SAFETY: the kernel takes one struct of these words, which hold addresses of this device; the driver copies it.
        self.guarded(|| unsafe {
            result::launch_kernel(function, grid, block, 0, self.stream, &mut arguments).map_err(said)
        })
    }

    fn upload(&self, to: u64, from: &[u8]) -> Result<()> {
        self.enter_to_wait()?;
        // SAFETY: the arena's block has that many bytes; the driver stages pageable memory before it returns.
        unsafe { result::memcpy_htod_async(to, from, self.stream) }.map_err(failed("upload"))
    }

    fn download(&self, from: u64, to: &mut [u8]) -> Result<()> {
        self.enter_to_wait()?;
        // SAFETY: the arena's block has that many bytes, and the copy is over before `to` can go.
        unsafe { result::memcpy_dtoh_async(to, from, self.stream) }.map_err(failed("download"))?;
        self.synchronise()
    }

    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        self.enter()?;
        // SAFETY: both blocks have that many bytes.
        self.guarded(|| unsafe { result::memcpy_dtod_async(to, from, bytes, self.stream) }.map_err(failed("copy")))
    }

    fn synchronise(&self) -> Result<()> {
        self.enter_to_wait()?;
        // SAFETY: a live stream.
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("a kernel failed"))
    }

    fn enter(&self) -> Result<()> {
        // SAFETY: a live context.
        unsafe { result::ctx::set_current(self.context) }.map_err(failed("no current context"))
    }

    fn set_peers(&self, peers: Option<Arc<Peers>>) {
        *lock(&self.peers) = peers;
    }

    fn agree(&self, sums: usize, wish: u64) -> Result<u64> {
        lock(&self.peers).clone().map_or(Ok(wish), |peers| peers.agree(sums, wish))
    }

    fn is_idle(&self) -> Result<bool> {
        self.enter()?;
        // SAFETY: a live stream.
        is_over(unsafe { sys::cuStreamQuery(self.stream) })
    }

    #[cfg(feature = "cuda")]
    fn library(&self, call: &Call) -> Result<Option<usize>> {
        let mut libraries = lock(&self.libraries);
        // A new plan is tried on the device.
        if libraries.knows(call) {
            self.enter()?
        } else {
            self.enter_to_wait()?
        }
        Ok(libraries.plan(call, self.stream))
    }

    #[cfg(feature = "cuda")]
    fn notes(&self) -> Vec<String> {
        lock(&self.libraries).notes().to_vec()
    }

    fn call(&self, call: &Call, arrays: [u64; 3], workspace: u64) -> Result<()> {
        self.enter()?;
        if let Call::OverRanks(call) = call {
            let Some(peers) = lock(&self.peers).clone() else {
                bail!("CUDA: a sum over ranks on a device that is none of them")
            };
            // SAFETY: the caller holds both arrays; the stream is live.
            return peers.guarded(|| unsafe { peers.call(call, arrays[0], arrays[2], self.stream.cast()) });
        }
        self.guarded(|| self.call_library(call, arrays, workspace))
    }

    fn mark(&self) -> Result<()> {
        self.enter()?;
        let event = result::event::create(sys::CUevent_flags_enum::CU_EVENT_DEFAULT).map_err(failed("no event"))?;
        lock(&self.marks).push(event);
        // SAFETY: a live event and stream.
        unsafe { result::event::record(event, self.stream) }.map_err(failed("no event"))
    }

    fn between_marks(&self) -> Result<Vec<f64>> {
        self.synchronise()?;
        let elapsed = elapsed_of_driver()?;
        let marks = std::mem::take(&mut *lock(&self.marks));
        let between = |[from, to]: &[sys::CUevent; 2]| {
            let mut milliseconds = 0.0;
            // SAFETY: events that were recorded and are over.
            unsafe { elapsed(&mut milliseconds, *from, *to) }.result().map_err(failed("no time"))?;
            Ok(f64::from(milliseconds) * 1e-3)
        };
        let seconds = marks.as_chunks().0.iter().map(between).collect();
        for event in marks {
            // SAFETY: made by `mark`, and used by no other.
            unsafe { result::event::destroy(event) }.map_err(failed("no event"))?;
        }
        seconds
    }

    fn record(&self, reel: &Reel) -> Result<Option<Box<dyn Recording>>> {
        self.enter_to_wait()?;
        if recorded::is_possible() { recorded::record(self, reel).map(Some) } else { Ok(None) }
    }
}

impl Drop for Nvidia {
    /// Errors cannot be told any more: the context may be gone with the driver.
    fn drop(&mut self) {
        if self.enter().is_err() {
            return;
        }
        let modules = std::mem::take(&mut *lock(&self.modules));
        let stages = std::mem::take(&mut *lock(&self.stages));
        let memory = std::mem::take(&mut *lock(&self.memory));
        // SAFETY: made by this value and used by no other; the stream is waited for first.
        unsafe {
            let _ = result::stream::synchronize(self.stream);
            drop(stages);
            for module in modules.into_values() {
                let _ = result::module::unload(module.handle);
            }
            for address in memory {
                let _ = result::free_sync(address);
            }
        }
    }
}
