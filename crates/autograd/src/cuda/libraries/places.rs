//! Where NVIDIA's libraries may lie.

use std::env;
use std::path::{Path, PathBuf};

use super::{Names, driver_serves};

/// A library's names for the loader, in the order in which cudarc opens it, then its files in folders that the loader does not know
/// of: the newest that the driver serves first.
pub(super) fn places(names: &Names) -> Vec<PathBuf> {
    let unnumbered =
        names.unnumbered.then(|| names.files[0].trim_end_matches(|c: char| c == '.' || c.is_ascii_digit()));
    let files: Vec<&str> = names.files.iter().copied().filter(|file| driver_serves(major(file))).collect();
    let by_loader = unnumbered.into_iter().chain(files.iter().copied()).map(PathBuf::from);
    let folders = folders();
    let in_folders = files.iter().flat_map(|file| folders.iter().map(move |folder| folder.join(file)));
    by_loader.chain(in_folders.filter(|path| path.is_file())).collect()
}

/// The CUDA that a file's name is numbered by; 0 for a library with numbers of its own.
fn major(file: &str) -> usize {
    let number = file.rsplit('.').next().and_then(|number| number.parse().ok());
    number.filter(|number| *number >= 12).unwrap_or(0)
}

/// What lies in a folder, by name.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Where libraries may lie that the loader does not know of.
pub(super) fn folders() -> Vec<PathBuf> {
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

/// The active environment's prefix, then that of the `python3` on the path, then the user's own, then where pip puts packages for all
/// users of a system's Python.
fn python_prefixes() -> Vec<PathBuf> {
    let mut prefixes: Vec<PathBuf> =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| env::var_os(name).map(PathBuf::from)).collect();
    let on_path = env::var_os("PATH")
        .and_then(|path| env::split_paths(&path).map(|folder| folder.join("python3")).find(|python| python.is_file()));
    if let Some(prefix) = on_path.as_deref().and_then(Path::parent).and_then(Path::parent) {
        prefixes.push(prefix.to_path_buf());
    }
    prefixes.extend(env::var_os("HOME").map(|home| Path::new(&home).join(".local")));
    prefixes.push(PathBuf::from("/usr/local"));
    prefixes
}

/// `lib/python3.*/{site,dist}-packages/nvidia/*/lib` below a prefix, in the order of their names.
fn wheel_folders(prefix: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for python in ["lib", "lib64"].iter().flat_map(|lib| entries(&prefix.join(lib))) {
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
    use super::super::Part;
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
    fn the_loader_is_asked_first_and_by_the_name_that_cudarc_asks_for() {
        let first = |part: Part| places(&part.names())[0].display().to_string();
        assert_eq!(first(Part::CublasLt), "libcublasLt.so");
        assert_eq!(first(Part::Cudnn), "libcudnn.so");
        assert_eq!(first(Part::Driver), "libcuda.so.1");
        assert_eq!(first(Part::Nccl), "libnccl.so.2");
        assert_eq!(["libnvrtc.so.13", "libnvrtc.so.12", "libcudnn.so.9", "libcuda.so.1"].map(major), [13, 12, 0, 0]);
    }
}
