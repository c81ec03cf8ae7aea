//! `cargo xtask reproduce TABLE [OPTIONS] [OVERRIDES..]`: the release binary's own `reproduce`, built first.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::binary;

/// Everything goes to `frugan reproduce` as it is.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// The table, its options and overrides: see `cargo xtask reproduce --help`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Builds the binary and runs its `reproduce`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let frugan = binary::build()?;
    binary::run(Command::new(frugan).arg("reproduce").args(&args.args))
}
