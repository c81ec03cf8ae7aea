//! Where the workspace and its build products lie.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The workspace's root: the folder above this crate, or where this program was built elsewhere, the current one.
pub(crate) fn root() -> &'static Path {
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the xtask crate lies inside the workspace");
    if built_in.join("Cargo.toml").exists() { built_in } else { Path::new(".") }
}

/// Cargo, as the caller runs it.
///
/// The variables that `cargo run` sets for this program are taken away: build scripts that look at them (ring's) would
/// run again, and all above them would be compiled again.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    command
}

/// The target folder that cargo uses, whichever of its settings names it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .context("cargo metadata did not start")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("cargo metadata printed no valid JSON")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(dir))
}
