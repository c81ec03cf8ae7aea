//! The snapshot that a verb is given; where it is given something else, what to give instead.

use std::path::Path;

use anyhow::Result;
use frugan_autograd::Device;
use frugan_train::Snapshot;

use crate::failure::input;
use crate::runs::lift;

/// Reads a snapshot.
pub(super) fn load(path: &Path, device: &Device) -> Result<Snapshot> {
    Snapshot::load(path, device).map_err(|error| match other_kind(path) {
        Some(sentence) => input(format!("{}: {sentence}", path.display())),
        None => lift(error),
    })
}

/// What a file that is no snapshot is by its name.
fn other_kind(path: &Path) -> Option<&'static str> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_dir() {
        return Some("that is a folder; give a snapshot, such as snapshot-STEP.safetensors in the folder of a run");
    }
    if name.starts_with("state-") {
        return Some(
            "that is a state, from which its run goes on; give a snapshot of the run, snapshot-STEP.safetensors beside it",
        );
    }
    let is_zip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
    (is_zip && path.exists()).then_some("that is a zip; give a snapshot, or frugan eval a folder with its images")
}
