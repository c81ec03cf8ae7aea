//! The seam between the layer and what runs its kernels: an NVIDIA driver, or the host that emulates one.

use std::fmt;
use std::sync::Arc;

use candle_core::{Result, bail};

use super::library::Call;
use super::nccl::Peers;
use super::texts::{Element, Text};
use super::work::Reel;

/// Threads of a block, as the texts' `THREADS`.
pub(crate) const THREADS: usize = 256;
/// Elements of a thread of the texts' `MAP`, as their `IN_FLIGHT`.
pub(crate) const IN_FLIGHT: usize = 4;

/// A function of a text, compiled for one element type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel {
    pub(crate) text: &'static Text,
    pub(crate) function: &'static str,
    pub(crate) element: Element,
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.text, other.text) && self.function == other.function && self.element == other.element
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.cu {} for {:?}", self.text.name, self.function, self.element)
    }
}

/// All work is done in the order in which it was asked for; only [`Driver::download`] and [`Driver::synchronise`] wait.
/// Addresses are the driver's, and never dereferenced above it.
pub(crate) trait Driver: Send + Sync + fmt::Debug {
    /// Name and compute capability, for people.
    fn name(&self) -> String;

    /// Bytes free and in all.
    fn memory(&self) -> Result<(usize, usize)>;

    /// Memory for the arena, which lasts as long as the driver.
    fn reserve(&self, bytes: usize) -> Result<u64>;

    /// Whether [`Driver::handed_out`] does anything.
    fn spoils_memory(&self) -> bool {
        false
    }

    /// Called with memory that is handed out and whose contents nobody may read before writing.
    fn handed_out(&self, _address: u64, _bytes: usize) {}

    /// Queues a kernel whose one argument is the struct that `words` make up.
    fn launch(&self, kernel: Kernel, blocks: usize, words: &[u64]) -> Result<()>;

    /// Queues a copy to the device; `from` may be reused at once.
    fn upload(&self, to: u64, from: &[u8]) -> Result<()>;

    /// Waits for all queued work, and copies to the host.
    fn download(&self, from: u64, to: &mut [u8]) -> Result<()>;

    /// Queues a copy within the device.
    fn copy(&self, to: u64, from: u64, bytes: usize) -> Result<()>;

    /// Waits for all queued work.
    fn synchronise(&self) -> Result<()>;

    /// Bytes of workspace that a library wants for the call; `None` if no library serves it, and own kernels do.
    fn library(&self, _call: &Call) -> Result<Option<usize>> {
        Ok(None)
    }

    /// What libraries did not do that they were asked for, and why.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Queues a call that [`Driver::library`] accepted, on two operands and a result.
    fn call(&self, call: &Call, _arrays: [u64; 3], _workspace: u64) -> Result<()> {
        bail!("no library serves {call:?}")
    }

    /// Makes the device's context this thread's, for libraries that look for it there.
    fn enter(&self) -> Result<()> {
        Ok(())
    }

    /// Makes the device one of several ranks', or no rank's any more: who serves [`Call::OverRanks`], and is looked after while the
    /// host waits.
    fn set_peers(&self, peers: Option<Arc<Peers>>);

    /// What all ranks do with a row of work in which they sum so often, of which this one would do `wish` ([`Peers::agree`]).
    fn agree(&self, sums: usize, wish: u64) -> Result<u64>;

    /// Whether all queued work is done.
    fn is_idle(&self) -> Result<bool>;

    /// Notes the time at which the device comes to this place in its work.
    fn mark(&self) -> Result<()>;

    /// Waits for all queued work, and gives the seconds from each odd mark to the one behind it. They are forgotten.
    fn between_marks(&self) -> Result<Vec<f64>>;

    /// Makes one request of a reel's work, without running it; `None` if the driver cannot.
    fn record(&self, reel: &Reel) -> Result<Option<Box<dyn Recording>>>;
}

/// Work to be queued again and again.
pub(crate) trait Recording: Send + Sync + fmt::Debug {
    /// Queues all of it, in order, with this reel's words and bytes. Its requests are those that were recorded, and only these
    /// launches have other words than the last time.
    fn replay(&mut self, reel: &Reel, changed: &[usize]) -> Result<()>;
}
