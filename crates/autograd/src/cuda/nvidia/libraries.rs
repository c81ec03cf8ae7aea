//! cuBLASLt and cuDNN, opened when they are first asked for.

use candle_core::{Result, bail};
use cudarc::driver::sys::CUstream;

use super::convolutions::Convolutions;
use super::products::Products;
use crate::cuda::library::Call;

/// `Some(None)` where one was looked for and not found.
#[derive(Debug, Default)]
pub(super) struct Opened {
    products: Option<Option<Products>>,
    convolutions: Option<Option<Convolutions>>,
}

/// Whether NVIDIA's libraries may be used: not under `FRUGAN_KERNELS=portable`, which is for tests.
pub(super) fn are_wanted() -> bool {
    std::env::var("FRUGAN_KERNELS").as_deref() != Ok("portable")
}

impl Opened {
    /// Bytes of workspace for the call; `None` if its library is not here or does not serve it. The context is current.
    pub(super) fn plan(&mut self, call: &Call, stream: CUstream) -> Result<Option<usize>> {
        match call {
            Call::Product(call) => {
                if self.products.is_none() {
                    self.products = Some(Products::open_if_found()?);
                }
                let products = self.products.as_mut().and_then(Option::as_mut);
                products.map_or(Ok(None), |products| products.plan(call))
            }
            Call::Convolution(call) => {
                if self.convolutions.is_none() {
                    self.convolutions = Some(Convolutions::open_if_found(stream)?);
                }
                let convolutions = self.convolutions.as_mut().and_then(Option::as_mut);
                convolutions.map_or(Ok(None), |convolutions| convolutions.plan(call))
            }
            // Not planned: they are the device's own affair.
            Call::OverRanks(_) => Ok(None),
        }
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
