//! What cuDNN 9 wants beside it. Its functions lie in libraries that it opens when they are first called, and it ends the process
//! where one does not load: so they are opened ahead.

use std::ffi::c_void;
use std::path::Path;

use super::places::folders;
use super::{dotted, driver_serves};
use crate::cuda::dynamic::Library;

/// Those that convolutions are called in, in the order of their needs; where the folder has them.
const COMPANIONS: [&str; 3] = ["libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9"];

/// Opens what a cuDNN will ask for; why it cannot be used, if so.
pub(super) fn prepare(library: Library, path: &Path) -> Result<(), String> {
    let number = |name: &str| {
        // SAFETY: size_t cudnnGetVersion(void), size_t cudnnGetCudartVersion(void).
        library.symbol(name).map(|call| unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> usize>(call)() })
    };
    if let Some(version) = number("cudnnGetVersion").filter(|version| version / 10_000 != 9) {
        return Err(format!("is version {}, expected 9", dotted(version)));
    }
    let Some(cuda) = number("cudnnGetCudartVersion").map(|version| version / 1000) else { return Ok(()) };
    if !driver_serves(cuda) {
        return Err(format!("is made for CUDA {cuda}, which the driver does not serve"));
    }
    let products = format!("libcublasLt.so.{cuda}");
    let mut places =
        std::iter::once(products.clone().into()).chain(folders().into_iter().map(|folder| folder.join(&products)));
    if !places.any(|place| Library::open(&place).is_ok()) {
        return Err(format!("wants {products}, which is not found"));
    }
    let Some(folder) = path.parent() else { return Ok(()) };
    COMPANIONS
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .try_for_each(|companion| Library::open(&companion).map(drop).map_err(|error| format!("its {error}")))
}
