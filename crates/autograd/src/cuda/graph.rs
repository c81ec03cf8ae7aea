//! A computation recorded once and run again by one call.

use std::fmt;
use std::sync::Arc;

use candle_core::Result;

use super::driver::Recording;
use super::gpu::Gpu;
use super::open;
use super::pool::Pool;
use crate::device::Device;

/// What [`capture`] recorded. It keeps the memory that a replay writes; the arrays in `outputs` are among it, and hold the
/// last replay's values.
pub struct Graph<R> {
    recording: Box<dyn Recording>,
    /// What `f` gave. Its arrays have values after the first [`Graph::replay`].
    pub outputs: R,
    gpu: Arc<Gpu>,
    _memory: Arc<Pool>,
}

impl<R> fmt::Debug for Graph<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Graph").field("recording", &self.recording).finish_non_exhaustive()
    }
}

/// Runs `f` once, then records what it asks of the device, without running it: kernels and copies with the addresses and
/// numbers that they have now. What changes from replay to replay must lie in arrays that `f` reads and that
/// [`crate::update::assign`] fills in between.
///
/// Other threads that use the device wait meanwhile.
///
/// # Errors
/// If `f` fails, reads a value on the host, or uploads one: neither can be recorded.
pub fn capture<R>(device: Device, f: impl Fn() -> Result<R>) -> Result<Graph<R>> {
    let gpu = open(device)?;
    let memory = Arc::new(Pool::of_graph(gpu.pool()));
    // The first run compiles kernels, uploads filters and takes all memory; the second asks for the same.
    let (outputs, recording) = gpu.capture(&memory, f)?;
    Ok(Graph { recording, outputs, gpu, _memory: memory })
}

impl<R> Graph<R> {
    /// Queues all of it, in order.
    ///
    /// # Errors
    /// If the device fails.
    pub fn replay(&self) -> Result<()> {
        self.gpu.replay(&*self.recording)
    }
}
