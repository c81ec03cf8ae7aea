//! `cargo xtask golden [DIR]`: every golden vector of a folder against this implementation.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{binary, input_error, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder of golden files (.safetensors) [default: the committed set in tests/golden]
    dir: Option<PathBuf>,
}

/// Builds the binary and runs its hidden `golden` command on the folder.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let dir = args.dir.clone().unwrap_or_else(|| workspace::root().join("tests/golden"));
    if !dir.is_dir() {
        return Err(input_error(format!("{}: no such folder; give a folder that holds golden files", dir.display())));
    }
    let frugan = binary::build()?;
    binary::run(Command::new(frugan).arg("golden").arg(dir))
}
