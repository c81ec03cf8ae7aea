//! `frugan config`: the groups and their choices, or what a command line resolves to.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use super::{arguments, compose, open_library, resolve};
use crate::config::{GROUPS, Library, annotated, reference};
use crate::table::Manifest;

/// Without overrides: all groups with their choices, and all tables. With some: the config that `frugan train` with
/// the same overrides would run, every value with its source.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `group=choice` or `a.b=value`, as for `frugan train`
    overrides: Vec<String>,
    /// Show the config that `frugan train` without overrides would run
    #[arg(long)]
    show: bool,
    /// Every key with its meaning, unit and default, as TOML
    #[arg(long, conflicts_with = "show")]
    reference: bool,
    /// A folder of files GROUP/CHOICE.toml that stand before the built-in ones
    #[arg(long, value_name = "DIR")]
    configs: Option<PathBuf>,
}

/// Prints.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let library = open_library(args.configs.as_deref())?;
    if args.reference {
        print!("{}", reference()?);
    } else if args.overrides.is_empty() && !args.show {
        list(&library)?;
    } else {
        print!("{}", annotated(&resolve(&compose(&library, &arguments(&args.overrides, None)?)?)?)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn list(library: &Library) -> Result<()> {
    let starts = compose(library, &[])?;
    for group in GROUPS {
        println!("{group}");
        for choice in library.choices(group) {
            let mark = if starts.choices().any(|c| c == (group, choice)) { "*" } else { " " };
            println!(" {mark} {choice:<28} {}", library.summary(group, choice));
        }
    }
    println!("(* is what `frugan train` starts from)\n\ntables for `frugan reproduce`");
    for name in library.experiments() {
        let (path, text) = library.experiment(name)?;
        let manifest = Manifest::read(&path, &text)?;
        println!(
            "   {:<28} {} (scales {})",
            manifest.name,
            manifest.title,
            manifest.scales.keys().cloned().collect::<Vec<_>>().join(", ")
        );
    }
    Ok(())
}
