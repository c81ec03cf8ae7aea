//! The stand-in for NCCL, compiled.
#![allow(clippy::unwrap_used, reason = "a test stops where something is missing")]

use std::path::Path;
use std::process::Command;

/// Puts the library into a folder, where a program finds it that has the folder in `LD_LIBRARY_PATH`.
///
/// # Panics
/// Where there is no C++ compiler.
pub(crate) fn build(folder: &Path) {
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/../autograd/tests/nccl/nccl.cpp");
    let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
    compiler.args(["-std=c++17", "-O2", "-shared", "-fPIC", "-pthread", text, "-o"]);
    assert!(compiler.arg(folder.join("libnccl.so.2")).status().unwrap().success());
}
