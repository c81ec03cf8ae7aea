//! NVIDIA's libraries, looked up when a device is asked for: nothing is linked, so one build runs everywhere.

mod cudnn;
mod places;

use std::ffi::c_void;
use std::fmt;
use std::path::{Path, PathBuf};

use super::dynamic::{Library, file_of};
use places::{entries, places};

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

/// What a library is called; what it needs beside it stands before it.
struct Names {
    label: &'static str,
    /// Newest first.
    files: &'static [&'static str],
    /// Whether a file without a number, as toolkits link it, is opened before others: cudarc looks for that name first.
    unnumbered: bool,
    /// How the name of a file begins that must be loaded first, from the same folder.
    before: Option<&'static str>,
    version: &'static str,
    /// What brings it, and what does for a driver that serves CUDA 12 at most.
    fix: [&'static str; 2],
}

impl Part {
    /// In the order in which they are needed.
    pub const ALL: [Self; 5] = [Self::Driver, Self::Nvrtc, Self::CublasLt, Self::Cudnn, Self::Nccl];

    fn names(self) -> Names {
        match self {
            Self::Driver => Names {
                label: "NVIDIA driver",
                files: &["libcuda.so.1"],
                unnumbered: false,
                before: None,
                version: "cuDriverGetVersion",
                fix: ["sudo apt install nvidia-driver-580"; 2],
            },
            Self::Nvrtc => Names {
                label: "NVRTC",
                files: &["libnvrtc.so.13", "libnvrtc.so.12"],
                unnumbered: true,
                before: Some("libnvrtc-builtins.so."),
                version: "nvrtcVersion",
                fix: ["pip install nvidia-cuda-nvrtc==13.0.88", "pip install nvidia-cuda-nvrtc-cu12"],
            },
            Self::CublasLt => Names {
                label: "cuBLASLt",
                files: &["libcublasLt.so.13", "libcublasLt.so.12"],
                unnumbered: true,
                before: None,
                version: "cublasLtGetVersion",
                fix: ["pip install 'nvidia-cublas==13.0.*'", "pip install nvidia-cublas-cu12"],
            },
            Self::Cudnn => Names {
                label: "cuDNN",
                files: &["libcudnn.so.9"],
                unnumbered: true,
                before: None,
                version: "cudnnGetVersion",
                fix: ["pip install nvidia-cudnn-cu13==9.19.0.56", "pip install 'nvidia-cudnn-cu12==9.*'"],
            },
            Self::Nccl => Names {
                label: "NCCL, for several GPUs",
                files: &["libnccl.so.2"],
                unnumbered: false,
                before: None,
                version: "ncclGetVersion",
                fix: ["pip install nvidia-nccl-cu13", "pip install nvidia-nccl-cu12"],
            },
        }
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        self.names().label
    }

    /// The one command that brings it, in a version that the driver here serves.
    pub fn fix(self) -> &'static str {
        let [newest, older] = self.names().fix;
        if driver_serves(13) { newest } else { older }
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
                let mut version = 0i32;
                // SAFETY: ncclResult_t ncclGetVersion(int*).
                let call: extern "C" fn(*mut i32) -> i32 = unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                if call(&raw mut version) != 0 {
                    return None;
                }
                dotted(version.max(0) as usize)
            }
            Self::CublasLt | Self::Cudnn => {
                // SAFETY: size_t cublasLtGetVersion(void), size_t cudnnGetVersion(void).
                let call: extern "C" fn() -> usize = unsafe { std::mem::transmute::<*mut c_void, _>(function) };
                dotted(call())
            }
        })
    }
}

/// A version as cuBLASLt, cuDNN and NCCL number it: 91900 is 9.19.0.
pub(crate) fn dotted(version: usize) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

/// The major version of the CUDA that the driver serves; `None` without a driver.
fn driver_major() -> Option<usize> {
    let version = Part::Driver.version(Library::open(Path::new("libcuda.so.1")).ok()?)?;
    version.strip_prefix("CUDA ")?.split('.').next()?.parse().ok()
}

/// Whether the driver runs what was made for CUDA `major`; any is taken for one that is not here.
fn driver_serves(major: usize) -> bool {
    driver_major().is_none_or(|served| served >= major)
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
        let Names { label, files, .. } = self.part.names();
        let fix = self.part.fix();
        write!(f, "{label} ({}) was not found: {}; `{fix}` brings it", files.join(" or "), self.reason)
    }
}

/// Opens a library for the whole process, where it is found first: by the loader (`LD_LIBRARY_PATH`, the system), then
/// in `CUDA_HOME`, then in the nvidia wheels of Python environments. One that the driver cannot serve, or whose own companions do not
/// load, is passed over.
///
/// # Errors
/// If it is nowhere.
pub fn find(part: Part) -> Result<Found, Missing> {
    let mut reason = "neither the loader, CUDA_HOME nor a Python environment's nvidia wheels have it".to_string();
    for place in places(&part.names()) {
        match open(part, &place) {
            Ok(found) => return Ok(found),
            // A file that is there and does not do says why; the loader's "no such file" says nothing new.
            Err(Some(why)) => reason = why,
            Err(None) => {}
        }
    }
    Err(Missing { part, reason })
}

/// Opens a library by a name or a path; why not, if there is one.
fn open(part: Part, place: &Path) -> Result<Found, Option<String>> {
    let names = part.names();
    if let (Some(folder), Some(beginning), true) = (place.parent(), names.before, place.is_absolute()) {
        load_before(folder, beginning);
    }
    let library = Library::open(place).map_err(|error| place.is_absolute().then_some(error))?;
    let path = library.symbol(names.version).and_then(file_of).unwrap_or_else(|| place.to_path_buf());
    let needs = match part {
        Part::Cudnn => cudnn::companions(&path),
        _ => Ok(Vec::new()),
    };
    let usable = needs.and_then(|needs| {
        let version = part.version(library).ok_or_else(|| "does not tell its version".to_string());
        let usable = version.and_then(|version| match part {
            Part::Cudnn if !version.starts_with("9.") => Err(format!("is version {version}, expected 9")),
            _ => Ok(version),
        });
        if usable.is_err() {
            cudnn::close(needs);
        }
        usable
    });
    usable.map(|version| Found { part, version, path: path.clone() }).map_err(|why| {
        // Under its name the loader is to find another.
        library.close();
        Some(format!("{}: {why}", path.display()))
    })
}

/// Loads the file of the folder whose name begins so, for the library will ask for it by name.
fn load_before(folder: &Path, beginning: &str) {
    let named = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning));
    // If it does not load, the library says so when it is used.
    let _ = entries(folder).into_iter().filter(named).find(|path| Library::open(path).is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_names_the_command_that_brings_it() {
        for part in Part::ALL {
            let text = Missing { part, reason: "it is nowhere".to_string() }.to_string();
            assert!(text.contains(part.label()) && text.contains("install") && text.contains(".so."), "{text}");
        }
    }

    #[test]
    fn versions_are_told_in_dots() {
        assert_eq!([dotted(91_900), dotted(130_002)], ["9.19.0", "13.0.2"]);
    }
}
