//! The release binary `frugan`: built, then run with the caller's terminal.

use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Builds the release binary and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let status = workspace::cargo()
        .args(["build", "--release", "--package", "frugan-lab", "--bin", "frugan"])
        .status()
        .context("cargo build did not start")?;
    ensure!(status.success(), "the release build of frugan failed; cargo's messages stand above");
    Ok(workspace::target_dir()?.join("release").join(format!("frugan{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs a command to its end and hands its exit code on.
pub(crate) fn run(command: &mut Command) -> Result<ExitCode> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("{name} did not start"))?;
    Ok(exit_code(status))
}

/// A child's exit code as ours; a child that a signal ended counts as failed, with the shell's 128 + signal.
fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    let code = status.code().or(signal).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
