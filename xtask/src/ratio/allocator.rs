//! The allocators that PyTorch is timed with: the system's, and tuned ones where they can be had.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A memory allocator for PyTorch's process.
#[derive(Debug, Clone)]
pub(super) struct Allocator {
    pub(super) name: &'static str,
    library: Option<PathBuf>,
    variables: &'static [(&'static str, &'static str)],
}

struct Known {
    name: &'static str,
    file: &'static str,
    debian_package: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

/// Both keep freed pages and so save the page faults that a step's large tensors otherwise cost again and again.
const TUNED: [Known; 2] = [
    Known {
        name: "jemalloc",
        file: "libjemalloc.so.2",
        debian_package: "libjemalloc2",
        variables: &[("MALLOC_CONF", "dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,metadata_thp:auto")],
    },
    Known {
        name: "tcmalloc",
        file: "libtcmalloc_minimal.so.4",
        debian_package: "libtcmalloc-minimal4",
        variables: &[("TCMALLOC_RELEASE_RATE", "0")],
    },
];

impl Allocator {
    /// Makes a command's process use this allocator.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Some(library) = &self.library {
            command.env("LD_PRELOAD", library);
        }
        command.envs(self.variables.iter().copied());
    }
}

/// The tuned allocators of this machine, fetched into `folder` by apt where they are not installed; without any, the
/// system's own, with a line that says so.
pub(super) fn find(folder: &Path) -> Vec<Allocator> {
    let mut found: Vec<Allocator> = TUNED
        .iter()
        .filter_map(|known| {
            let library = installed(known.file).or_else(|| fetched(known, folder))?;
            Some(Allocator { name: known.name, library: Some(library), variables: known.variables })
        })
        .collect();
    if found.is_empty() {
        println!("neither jemalloc nor tcmalloc was found: PyTorch runs on the system's allocator, which is slower");
        found.push(Allocator { name: "system malloc", library: None, variables: &[] });
    }
    found
}

fn installed(file: &str) -> Option<PathBuf> {
    let triplet = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    [triplet.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"]
        .into_iter()
        .map(|dir| Path::new(dir).join(file))
        .find(|path| path.exists())
}

/// Unpacks the Debian package without installing it.
fn fetched(known: &Known, folder: &Path) -> Option<PathBuf> {
    let library = folder.join("root").join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH)).join(known.file);
    if library.exists() {
        return Some(library);
    }
    std::fs::create_dir_all(folder).ok()?;
    let mut download = Command::new("apt-get");
    download.args(["download", "--quiet", known.debian_package]).current_dir(folder);
    download.output().ok().filter(|output| output.status.success())?;
    let prefix = format!("{}_", known.debian_package);
    let archive = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))?;
    let unpacked = Command::new("dpkg").arg("--extract").arg(archive).arg(folder.join("root")).output().ok()?;
    (unpacked.status.success() && library.exists()).then_some(library)
}
