//! NVIDIA's libraries, looked up when a device is asked for: nothing is linked, so one build runs everywhere.

use std::env;
use std::ffi::c_void;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dynamic::{Library, file_of};

/// A library of NVIDIA's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// libcuda, which comes with the kernel module.
    Driver,
    /// Compiles kernels for the device at hand.
    Nvrtc,
    /// Matrix products.
    CublasLt,
    /// Convolutions.
    Cudnn,
    /// Sums over several GPUs.
    Nccl,
}

/// Names in the loader's order, newest first; what a library needs beside it stands before it.
struct Names {
    label: &'static str,
    files: &'static [&'static str],
    /// How the name of a file begins that must be loaded first, from the same folder.
    before: Option<&'static str>,
    version: &'static str,
    fix: &'static str,
}

impl Part {
    /// In the order in which they are needed.
    pub const ALL: [Self; 5] = [Self::Driver, Self::Nvrtc, Self::CublasLt, Self::Cudnn, Self::Nccl];

    fn names(self) -> Names {
        match self {
            Self::Driver => Names {
                label: "NVIDIA driver",
                files: &["libcuda.so.1"],
                before: None,
                version: "cuDriverGetVersion",
                fix: "sudo apt install nvidia-driver-580",
            },
            Self::Nvrtc => Names {
                label: "NVRTC",
                files: &["libnvrtc.so.13", "libnvrtc.so.12"],
                before: Some("libnvrtc-builtins.so."),
                version: "nvrtcVersion",
                fix: "pip install nvidia-cuda-nvrtc==13.0.88",
            },
            Self::CublasLt => Names {
                label: "cuBLASLt",
                files: &["libcublasLt.so.13", "libcublasLt.so.12"],
                before: None,
                version: "cublasLtGetVersion",
                fix: "pip install 'nvidia-cublas==13.0.*'",
            },
            Self::Cudnn => Names {
                label: "cuDNN",
                files: &["libcudnn.so.9"],
                before: None,
                version: "cudnnGetVersion",
                fix: "pip install nvidia-cudnn-cu13==9.19.0.56",
            },
            Self::Nccl => Names {
                label: "NCCL, for several GPUs",
                files: &["libnccl.so.2"],
                before: None,
                version: "ncclGetVersion",
                fix: "pip install nvidia-nccl-cu13",
            },
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        self.names().label
    }

    /// The one command that brings it.
    pub fn fix(self) -> &'static str {
        self.names().fix
    }

    fn version(self, library: Library) -> Option<String> {
        let function = library.symbol(self.names().version)?;
        Some(match self {
            Self::Driver => {
                let mut version = 0;
                // SAFETY: CUresult cuDriverGetVersion(int*), which works without a device.
                let call: extern "C" fn(*mut i32) -> i32 = unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                if call(&raw mut version) != 0 {
                    return None;
                }
                format!("CUDA {}.{}", version / 1000, version % 1000 / 10)
            }
            Self::Nvrtc => {
                let (mut major, mut minor) = (0, 0);
                // SAFETY: nvrtcResult nvrtcVersion(int*, int*).
                let call: extern "C" fn(*mut i32, *mut i32) -> i32 =
                    unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                if call(&raw mut major, &raw mut minor) != 0 {
                    return None;
                }
                format!("{major}.{minor}")
            }
            Self::Nccl => {
                let mut version = 0;
                // SAFETY: ncclResult_t ncclGetVersion(int*).
                let call: extern "C" fn(*mut i32) -> i32 = unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                if call(&raw mut version) != 0 {
                    return None;
                }
                format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
            }
            Self::CublasLt | Self::Cudnn => {
                // SAFETY: size_t cublasLtGetVersion(void), size_t cudnnGetVersion(void).
                let call: extern "C" fn() -> usize = unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                let version = call();
                format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
            }
        })
    }
}

/// A library that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which one.
    pub part: Part,
    /// As it says itself.
    pub version: String,
    /// The file.
    pub path: PathBuf,
}

/// A library that was not found, and what brings it.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Which one.
    pub part: Part,
    reason: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { label, files, fix, .. } = self.part.names();
        write!(f, "{label} ({}) was not found: {}; `{fix}` brings it", files.join(" or "), self.reason)
    }
}

/// Opens a library for the whole process, where it is found first: by the loader (`LD_LIBRARY_PATH`, the system), then
/// in `CUDA_HOME`, then in the nvidia wheels of the active Python environment.
///
/// # Errors
/// If it is nowhere.
pub fn find(part: Part) -> Result<Found, Missing> {
    let names = part.names();
    let folders = folders();
    let mut reason = "neither the loader, CUDA_HOME nor a Python environment's nvidia wheels have it".to_string();
    for file in names.files {
        let places = std::iter::once(PathBuf::from(file)).chain(folders.iter().map(|folder| folder.join(file)));
        for place in places {
            let bare = !place.is_absolute();
            if !bare && !place.is_file() {
                continue;
            }
            if let (Some(folder), Some(beginning), false) = (place.parent(), names.before, bare) {
                load_before(folder, beginning);
            }
            match Library::open(&place) {
                Ok(library) => match (part.version(library), library.symbol(names.version).and_then(file_of)) {
                    (Some(version), path) => return Ok(Found { part, version, path: path.unwrap_or(place) }),
                    (None, _) => reason = format!("{} does not tell its version", place.display()),
                },
                // A file that is there and does not load says why; the loader's "no such file" says nothing new.
                Err(error) if !bare => reason = error,
                Err(_) => {}
            }
        }
    }
    Err(Missing { part, reason })
}

/// Loads the file of the folder whose name begins so, for the library will ask for it by name.
fn load_before(folder: &Path, beginning: &str) {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning));
    // If it does not load, the library says so when it is used.
    let _ = entries(folder).into_iter().filter(named).find(|path| Library::open(path).is_ok());
}

/// What lies in a folder, by name.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Where libraries may lie that the loader does not know of.
fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for variable in ["CUDA_HOME", "CUDA_PATH", "CUDA_ROOT"] {
        if let Some(home) = env::var_os(variable).map(PathBuf::from) {
            folders.extend([home.join("lib64"), home.join("lib")]);
        }
    }
    folders.push(PathBuf::from("/usr/local/cuda/lib64"));
    for prefix in python_prefixes() {
        folders.extend(wheel_folders(&prefix));
    }
    folders
}

/// The active environment's prefix, then that of the `python3` on the path, then the user's own.
fn python_prefixes() -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| env::var_os(name).map(PathBuf::from)).collect();
    let on_path = env::var_os("PATH")
        .and_then(|path| env::split_paths(&path).map(|folder| folder.join("python3")).find(|python| python.is_file()));
    if let Some(prefix) = on_path.as_deref().and_then(Path::parent).and_then(Path::parent) {
        prefixes.push(prefix.to_path_buf());
    }
    prefixes.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".local")));
    prefixes
}

/// `lib/python3.*/{site,dist}-packages/nvidia/*/lib` below a prefix, in the order of their names.
fn wheel_folders(prefix: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for python in entries(&prefix.join("lib")) {
        if !python.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3")) {
            continue;
        }
        for packages in ["site-packages", "dist-packages"] {
            let wheels = entries(&python.join(packages).join("nvidia"));
            folders.extend(wheels.into_iter().map(|wheel| wheel.join("lib")));
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_found_below_a_prefix() {
        let prefix = std::env::temp_dir().join(format!("frugan-wheels-{}", std::process::id()));
        let lib = prefix.join("lib/python3.12/site-packages/nvidia");
        for wheel in ["cudnn", "cu13"] {
            std::fs::create_dir_all(lib.join(wheel).join("lib")).expect("a temporary folder");
        }
        std::fs::create_dir_all(prefix.join("lib/perl5/site-packages/nvidia/cu13/lib")).expect("a temporary folder");
        assert_eq!(wheel_folders(&prefix), [lib.join("cu13/lib"), lib.join("cudnn/lib")]);
        std::fs::remove_dir_all(prefix).expect("the folder just made");
    }

    #[test]
    fn what_is_missing_names_the_command_that_brings_it() {
        for part in Part::ALL {
            let text = Missing { part, reason: "it is nowhere".to_string() }.to_string();
            assert!(text.contains(part.label()) && text.contains("install") && text.contains(".so."), "{text}");
        }
    }
}
