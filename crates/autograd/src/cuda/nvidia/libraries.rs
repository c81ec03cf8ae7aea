//! cuBLASLt and cuDNN, opened when they are first asked for.

use candle_core::{Result, bail};
use cudarc::driver::sys::CUstream;

use super::convolutions::Convolutions;
use super::products::Products;
use crate::cuda::libraries::{Part, dotted, find};
use crate::cuda::library::Call;
use crate::cuda::profile::Asked;
use crate::cuda::tensor::Order;

/// `Some(None)` where one was looked for and is not used.
#[derive(Debug, Default)]
pub(super) struct Opened {
    products: Option<Option<Products>>,
    convolutions: Option<Option<Convolutions>>,
    /// What a library that was found does not do.
    notes: Vec<String>,
}

/// Whether NVIDIA's libraries may be used: not under `FRUGAN_KERNELS=portable`, which is for tests.
fn are_wanted() -> bool {
    std::env::var("FRUGAN_KERNELS").as_deref() != Ok("portable")
}

/// What to call a library that is found, and that cudarc opened too, which `version` asks. `None` where it is not found or not wanted; why
/// it cannot be used, if so.
pub(super) fn found(
    part: Part,
    version: impl FnOnce() -> Option<usize>,
) -> std::result::Result<Option<String>, String> {
    let Some(found) = Some(part).filter(|_| are_wanted()).and_then(|part| find(part).ok()) else { return Ok(None) };
    let name = format!("{} {} at {}", part.label(), found.version, found.path.display());
    match version().map(dotted) {
        Some(opened) if opened == found.version => Ok(Some(name)),
        opened => Err(format!("{name}: its name leads to {}", opened.as_deref().unwrap_or("nothing"))),
    }
}

/// What is left of a failure is a note, with what is done instead.
fn noted<T: Default>(result: std::result::Result<T, String>, instead: &str, notes: &mut Vec<String>) -> T {
    result.unwrap_or_else(|why| {
        notes.push(format!("{why}; {instead}"));
        T::default()
    })
}

const OWN_KERNELS: &str = "own kernels do it";

impl Opened {
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether the call was planned before.
    pub(super) fn knows(&self, call: &Call) -> bool {
        match call {
            Call::Product(call) => self.products.as_ref().is_some_and(|p| p.as_ref().is_none_or(|p| p.knows(call))),
            Call::Convolution(call) => {
                self.convolutions.as_ref().is_some_and(|c| c.as_ref().is_none_or(|c| c.knows(call)))
            }
            Call::OverRanks(_) => true,
        }
    }

    /// Bytes of workspace for the call; `None` if its library is not here or does not serve it. The context is current, and unless the
    /// call is known the device has nothing to do.
    pub(super) fn plan(&mut self, call: &Call, stream: CUstream) -> Option<usize> {
        let notes = &mut self.notes;
        let planned = match call {
            Call::Product(call) => {
                let products =
                    self.products.get_or_insert_with(|| noted(Products::open_if_found(), OWN_KERNELS, notes));
                products.as_mut()?.plan(call)
            }
            Call::Convolution(call) => {
                let open = || noted(Convolutions::open_if_found(stream), OWN_KERNELS, notes);
                self.convolutions.get_or_insert_with(open).as_mut()?.plan(call)
            }
            // Not planned: they are the device's own affair.
            Call::OverRanks(_) => return None,
        };
        let instead = match call {
            Call::Convolution(call) if call.order == Order::Pixels => "channel by channel is tried",
            _ => OWN_KERNELS,
        };
        noted(planned.map_err(|why| format!("{}: {why}", Asked::Call(*call))), instead, notes)
    }

    /// Queues a call. The context is current.
    ///
    /// # Safety
    /// The call was planned, and its arrays and workspace have the sizes that it asks for.
    pub(super) unsafe fn run(&self, call: &Call, arrays: [u64; 3], workspace: u64, stream: CUstream) -> Result<()> {
        match (call, &self.products, &self.convolutions) {
            // SAFETY: the caller's.
            (Call::Product(call), Some(Some(products)), _) => unsafe {
                products.run(call, arrays, workspace, stream.cast())
            },
            // SAFETY: the caller's.
            (Call::Convolution(call), _, Some(Some(convolutions))) => unsafe {
                convolutions.run(call, arrays, workspace)
            },
            _ => bail!("no library serves {call:?}"),
        }
    }
}
