//! What cuDNN 9 wants beside it. Its functions, even those that tell its version, lie in libraries that it opens when they are first
//! called, and it ends the process where one does not load: so they are opened before anything is called.

use std::ffi::c_void;
use std::path::{Path, PathBuf};

use super::driver_serves;
use super::places::folders;
use crate::cuda::dynamic::Library;

/// What all functions go through.
const GRAPH: &str = "libcudnn_graph.so.9";
/// What convolutions are called in, in the order of their needs.
const OTHERS: [&str; 2] = ["libcudnn_ops.so.9", "libcudnn_cnn.so.9"];

/// Opens what the cuDNN at `path` will ask for by name; why it cannot be used, if so, and then nothing stays open.
pub(super) fn companions(path: &Path) -> Result<Vec<Library>, String> {
    let mut open = Vec::new();
    match open_all(path, &mut open) {
        Ok(()) => Ok(open),
        Err(why) => {
            close(open);
            Err(why)
        }
    }
}

/// Closes companions, so that another cuDNN opens its own.
pub(super) fn close(companions: Vec<Library>) {
    companions.into_iter().rev().for_each(Library::close);
}

fn open_all(path: &Path, open: &mut Vec<Library>) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    // Beside it, else where the loader finds it, as cuDNN does.
    let beside = |name: &str| Some(folder.join(name)).filter(|path| path.is_file()).unwrap_or_else(|| name.into());
    let mut add = |path: PathBuf| -> Result<Library, String> {
        let library = Library::open_private(&path).map_err(|error| format!("its {error}"))?;
        open.push(library);
        Ok(library)
    };
    let graph = add(beside(GRAPH))?;
    if let Some(version) = graph.symbol("cudnnGetCudartVersion") {
        // SAFETY: size_t cudnnGetCudartVersion(void).
        let version = unsafe { std::mem::transmute::<*mut c_void, extern "C" fn() -> usize>(version) };
        let cuda = version() / 1000;
        if !driver_serves(cuda) {
            return Err(format!("is made for CUDA {cuda}, which the driver does not serve"));
        }
        open_products(cuda)?;
    }
    OTHERS.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).try_for_each(|path| add(path).map(drop))
}

/// cuBLASLt of the same CUDA, which cuDNN opens by name.
fn open_products(cuda: usize) -> Result<(), String> {
    let name = format!("libcublasLt.so.{cuda}");
    let mut places =
        std::iter::once(PathBuf::from(&name)).chain(folders().into_iter().map(|folder| folder.join(&name)));
    if places.any(|place| Library::open(&place).is_ok()) {
        Ok(())
    } else {
        Err(format!("wants {name}, which is not found"))
    }
}
