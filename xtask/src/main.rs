//! Project tasks, run as `cargo xtask TASK`. They build and run the `frugan` binary and know no crate of the workspace.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints")]

mod assets;
mod binary;
mod bounds;
mod carried;
mod dist;
mod glibc;
mod golden;
mod python;
mod ratio;
mod reproduce;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the release binary and reproduce a table of a paper with it
    Reproduce(reproduce::Args),
    /// Check the implementation against golden vectors made with the reference implementations
    Golden(golden::Args),
    /// Measure one training iteration against PyTorch on this machine
    Ratio(ratio::Args),
    /// Bring real data and networks into the user's cache
    Assets(assets::Args),
    /// Compare a table that `reproduce` wrote with committed bounds
    Bounds(bounds::Args),
    /// Pack the program into one archive that runs on a bare Linux machine
    Dist(dist::Args),
}

/// What went wrong is the user's to mend: exit code 2 instead of 1.
#[derive(Debug)]
struct InputError(String);

impl std::fmt::Display for InputError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InputError {}

fn input_error(message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(InputError(message.into()))
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Reproduce(args) => reproduce::run(&args),
        Task::Golden(args) => golden::run(&args),
        Task::Ratio(args) => ratio::run(&args),
        Task::Assets(args) => assets::run(&args),
        Task::Bounds(args) => bounds::run(&args),
        Task::Dist(args) => dist::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        let code = if error.downcast_ref::<InputError>().is_some() { 2 } else { 1 };
        ExitCode::from(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn input_errors_keep_their_exit_code_below_context() {
        let error = input_error("unknown name").context("while reading");
        assert!(error.downcast_ref::<InputError>().is_some());
        assert_eq!(format!("{error:#}"), "while reading: unknown name");
    }
}
