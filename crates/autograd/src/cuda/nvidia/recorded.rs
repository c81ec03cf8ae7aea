//! A row of requests as one CUDA graph.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex};

use candle_core::{Result, bail};
use cudarc::driver::{result, sys};

use super::{MOST_BLOCKS, Nvidia, driver_version, failed, is_over};
use crate::cuda::driver::{Driver, Recording, THREADS};
use crate::cuda::nccl::Peers;
use crate::cuda::pool::lock;
use crate::cuda::work::{Reel, Work};

/// The first driver that tells a captured launch's node (`cuStreamGetCaptureInfo_v3`).
const FIRST_DRIVER: i32 = 12_030;

/// A captured row, with what its replays need.
#[derive(Debug)]
struct Recorded {
    graph: Graph,
    /// Of each request that is a kernel of ours, by the request's number.
    kernels: Vec<Option<KernelNode>>,
    /// Where the graph takes uploaded numbers from; `None` if it uploads nothing.
    stage: Option<Arc<Mutex<Stage>>>,
    /// The other ranks, if the device is one of several.
    peers: Option<Arc<Peers>>,
}

/// A graph of a device's. The device stays open as long as its graphs, so its context and stream do.
#[derive(Debug)]
struct Graph {
    context: sys::CUcontext,
    stream: sys::CUstream,
    /// Kept for its nodes' sake.
    graph: sys::CUgraph,
    executable: sys::CUgraphExec,
}

impl Graph {
    /// Of what the device's stream has captured.
    fn end_capture(gpu: &Nvidia) -> Result<Self> {
        // SAFETY: a live stream that captures.
        let graph = unsafe { result::stream::end_capture(gpu.stream) }.map_err(failed("the capture failed"))?;
        // SAFETY: the graph just made, which lives as long as what is made of it.
        match unsafe { result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)) } {
            Ok(executable) => Ok(Self { context: gpu.context, stream: gpu.stream, graph, executable }),
            Err(error) => {
                // SAFETY: used by no other. Its error would hide the first one.
                let _ = unsafe { result::graph::destroy(graph) };
                Err(failed("no executable graph")(error))
            }
        }
    }
}

impl Drop for Graph {
    /// Errors cannot be told any more.
    fn drop(&mut self) {
        // SAFETY: live handles, used by no other; replays in flight are waited for.
        unsafe {
            let _ = result::ctx::set_current(self.context);
            let _ = result::stream::synchronize(self.stream);
            let _ = result::graph::exec_destroy(self.executable);
            let _ = result::graph::destroy(self.graph);
        }
    }
}

impl Drop for Recorded {
    /// Waits for replays in flight, as the graph does, but not for a rank that is gone.
    fn drop(&mut self) {
        // SAFETY: a live stream.
        let is_idle = || is_over(unsafe { sys::cuStreamQuery(self.graph.stream) });
        // SAFETY: a live context.
        let entered = unsafe { result::ctx::set_current(self.graph.context) }.is_ok();
        if let (Some(peers), true) = (&self.peers, entered) {
            // Who is lost is told by the next wait.
            let _ = peers.wait(is_idle);
        }
    }
}

/// What it takes to give a kernel in a graph other words, and as many blocks as they want.
#[derive(Clone, Copy, Debug)]
struct KernelNode {
    node: sys::CUgraphNode,
    function: sys::CUfunction,
}

// SAFETY: the driver's handles may be used from any thread on which the context is current; `replay` makes it so.
unsafe impl Send for Recorded {}
// SAFETY: as above; whatever changes takes `&mut self`.
unsafe impl Sync for Recorded {}

/// Memory on the device for all that a replay uploads, filled from two pieces of pinned memory in turn: the host fills one while
/// the copy from the other may be on its way. Graphs of about the same number of bytes share one, for a replay's copy is queued
/// behind the replay before.
#[derive(Debug)]
pub(super) struct Stage {
    capacity: usize,
    address: u64,
    pinned: Vec<(*mut c_void, sys::CUevent)>,
    turn: usize,
}

// SAFETY: as `Recorded`.
unsafe impl Send for Stage {}

/// Stages by how many bytes they hold.
pub(super) type Stages = BTreeMap<usize, Arc<Mutex<Stage>>>;

/// The stage for so many bytes; the context is current.
fn stage_for(bytes: usize, stages: &mut Stages) -> Result<Option<Arc<Mutex<Stage>>>> {
    const LEAST: usize = 1 << 20;
    if bytes == 0 {
        return Ok(None);
    }
    let capacity = bytes.next_power_of_two().max(LEAST);
    if let Some(stage) = stages.get(&capacity) {
        return Ok(Some(stage.clone()));
    }
    let stage = Arc::new(Mutex::new(Stage::new(capacity)?));
    stages.insert(capacity, stage.clone());
    Ok(Some(stage))
}

impl Stage {
    /// Of so many bytes, above 0; the context is current.
    fn new(capacity: usize) -> Result<Self> {
        let mut stage = Self { capacity, address: 0, pinned: Vec::new(), turn: 0 };
        // SAFETY: freed in `drop`, as is what follows.
        stage.address = unsafe { result::malloc_sync(capacity) }.map_err(failed("no memory"))?;
        for _ in 0..2 {
            // SAFETY: as above.
            let piece = unsafe { result::malloc_host(capacity, 0) }.map_err(failed("no pinned memory"))?;
            let flags = sys::CUevent_flags_enum::CU_EVENT_DISABLE_TIMING;
            stage.pinned.push((piece, result::event::create(flags).map_err(failed("no event"))?));
        }
        Ok(stage)
    }

    /// Queues the copy of these bytes to the device.
    fn fill(&mut self, bytes: &[u8], stream: sys::CUstream, peers: Option<&Peers>) -> Result<()> {
        if bytes.len() > self.capacity {
            bail!("CUDA: {} bytes for a graph's stage of {}", bytes.len(), self.capacity)
        }
        let (piece, copied) = self.pinned[self.turn];
        self.turn = 1 - self.turn;
        // The last copy from this piece is over once its event is reached: at once, if it was never recorded.
        match peers {
            // SAFETY: a live event.
            None => unsafe { result::event::synchronize(copied) }.map_err(failed("a kernel failed"))?,
            // SAFETY: as above.
            Some(peers) => peers.wait(|| is_over(unsafe { sys::cuEventQuery(copied) }))?,
        }
        // SAFETY: nobody reads the piece any more, and it has that many bytes.
        unsafe {
            let piece = std::slice::from_raw_parts_mut(piece.cast::<u8>(), bytes.len());
            piece.copy_from_slice(bytes);
            result::memcpy_htod_async(self.address, piece, stream).map_err(failed("upload"))?;
            result::event::record(copied, stream).map_err(failed("no event"))
        }
    }
}

impl Drop for Stage {
    /// Goes with the device or with a failure while it is made: the context is current, and nothing is in flight. Errors cannot be
    /// told any more.
    fn drop(&mut self) {
        // SAFETY: made by `new`.
        unsafe {
            for (piece, event) in self.pinned.drain(..) {
                let _ = result::free_host(piece);
                let _ = result::event::destroy(event);
            }
            if self.address != 0 {
                let _ = result::free_sync(self.address);
            }
        }
    }
}

/// Whether the driver can record; an older one is asked for every kernel.
pub(super) fn is_possible() -> bool {
    driver_version().is_ok_and(|version| version >= FIRST_DRIVER)
}

/// Captures the reel's work on the device's stream, which does not run it. The context is current, and all of it was run once
/// before, so that modules and plans are there.
pub(super) fn record(gpu: &Nvidia, reel: &Reel) -> Result<Box<dyn Recording>> {
    let stage = stage_for(reel.bytes.len(), &mut lock(&gpu.stages))?;
    let place = stage.as_ref().map_or(0, |stage| lock(stage).address);
    // Relaxed, for libraries may load code or take memory of their own on the way.
    let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    // SAFETY: a live stream that records nothing yet.
    unsafe { result::stream::begin_capture(gpu.stream, mode) }.map_err(failed("no capture"))?;
    let kernels: Result<Vec<_>> = reel.work.iter().map(|work| capture(gpu, reel, work, place)).collect();
    // The capture is ended also where a request failed: the stream is to be as it was.
    match (kernels, Graph::end_capture(gpu)) {
        (Ok(kernels), Ok(graph)) => {
            let peers = lock(&gpu.peers).clone();
            Ok(Box::new(Recorded { graph, kernels, stage, peers }))
        }
        (Err(error), _) | (_, Err(error)) => {
            bail!("{error}, in a graph of {} requests; train.graph=false runs them one by one", reel.work.len())
        }
    }
}

/// One request; the node of a kernel.
fn capture(gpu: &Nvidia, reel: &Reel, work: &Work, stage: u64) -> Result<Option<KernelNode>> {
    match *work {
        Work::Launch { kernel, words } => {
            let (blocks, words) = reel.launch_of(words);
            gpu.launch(kernel, blocks, words)?;
            return Ok(Some(KernelNode { node: last_node(gpu.stream)?, function: gpu.function(kernel)? }));
        }
        Work::Upload { to, bytes } => gpu.copy(to, stage + bytes.start as u64, bytes.len)?,
        Work::Copy { to, from, bytes } => gpu.copy(to, from, bytes)?,
        Work::Call { call, arrays, workspace } => gpu.call(&call, arrays, workspace)?,
        Work::HandedOut { .. } => {}
    }
    Ok(None)
}

/// The node of what was last captured on a stream where each request waits for the one before.
fn last_node(stream: sys::CUstream) -> Result<sys::CUgraphNode> {
    let mut status = sys::CUstreamCaptureStatus_enum::CU_STREAM_CAPTURE_STATUS_NONE;
    let (mut nodes, mut edges, mut count) = (std::ptr::null(), std::ptr::null(), 0);
    let (no_id, no_graph) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: a live stream; the driver writes to these places alone, and what they point to lives until the next capture.
    unsafe {
        sys::cuStreamGetCaptureInfo_v3(stream, &mut status, no_id, no_graph, &mut nodes, &mut edges, &mut count)
            .result()
            .map_err(failed("no news of the capture"))?;
        match count {
            1 => Ok(*nodes),
            _ => bail!("CUDA: {count} nodes end a captured row of kernels, expected one"),
        }
    }
}

impl Recording for Recorded {
    fn replay(&mut self, reel: &Reel, changed: &[usize]) -> Result<()> {
        // SAFETY: live handles; the kernel takes one struct of these words, which the driver copies; the arrays that the graph
        // reads and writes are the caller's.
        unsafe {
            result::ctx::set_current(self.graph.context).map_err(failed("no current context"))?;
            for at in changed {
                let (Some(kernel), Work::Launch { words, .. }) = (self.kernels[*at], reel.work[*at]) else {
                    bail!("CUDA: request {at} of a graph is no kernel")
                };
                kernel.set(self.graph.executable, reel.launch_of(words))?;
            }
            if let Some(stage) = &self.stage {
                lock(stage).fill(&reel.bytes, self.graph.stream, self.peers.as_deref())?;
            }
            let launch = || result::graph::launch(self.graph.executable, self.graph.stream);
            let launch = || launch().map_err(failed("a graph does not start"));
            self.peers.as_ref().map_or_else(launch, |peers| peers.guarded(launch))
        }
    }
}

impl KernelNode {
    /// # Safety
    /// The words are those of the struct that the kernel takes.
    unsafe fn set(self, executable: sys::CUgraphExec, (blocks, words): (usize, &[u64])) -> Result<()> {
        let mut arguments = [words.as_ptr().cast_mut().cast::<c_void>()];
        let parameters = sys::CUDA_KERNEL_NODE_PARAMS_v2 {
            func: self.function,
            gridDimX: blocks.min(MOST_BLOCKS) as u32,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: THREADS as u32,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            kernelParams: arguments.as_mut_ptr(),
            extra: std::ptr::null_mut(),
            kern: std::ptr::null_mut(),
            ctx: std::ptr::null_mut(),
        };
        // SAFETY: a node of the graph that the executable one was made of; the driver copies the words.
        unsafe { sys::cuGraphExecKernelNodeSetParams_v2(executable, self.node, &parameters) }
            .result()
            .map_err(failed("a graph takes no other numbers"))
    }
}
