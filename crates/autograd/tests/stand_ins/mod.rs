//! Stand-ins for NVIDIA's driver and libraries, compiled: what there is of a GPU where there is none. They hold whoever calls them
//! to their documentation.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part; a test stops where something is missing"
)]

use std::path::Path;
use std::process::Command;

/// A text, and the library that it makes.
type StandIn = (&'static str, &'static str);

/// Sums over ranks.
pub(crate) const NCCL: StandIn = ("nccl", "libnccl.so.2");
/// All that a GPU is used through.
pub(crate) const GPU: [StandIn; 6] = [
    ("driver", "libcuda.so.1"),
    ("nvrtc", "libnvrtc.so.13"),
    ("cublaslt", "libcublasLt.so.13"),
    ("cudnn", "libcudnn.so.9"),
    ("cudnn_graph", "libcudnn_graph.so.9"),
    NCCL,
];

/// Puts libraries into a folder, where a program finds them that has the folder in `LD_LIBRARY_PATH`.
///
/// # Panics
/// Where there is no C++ compiler.
pub(crate) fn build(folder: &Path, stand_ins: &[StandIn]) {
    let texts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../autograd/tests/stand_ins"));
    let started: Vec<_> = stand_ins
        .iter()
        .map(|(text, library)| {
            let mut compiler = Command::new(std::env::var_os("CXX").unwrap_or_else(|| "c++".into()));
            compiler.args(["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]);
            compiler.arg(texts.join(text).with_extension("cpp")).arg(format!("-Wl,-soname,{library}"));
            compiler.args(["-ldl", "-o"]).arg(folder.join(library)).spawn().unwrap()
        })
        .collect();
    for mut compiler in started {
        assert!(compiler.wait().unwrap().success());
    }
}
