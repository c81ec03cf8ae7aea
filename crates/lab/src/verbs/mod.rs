//! The verbs of the command line, one a file: typed arguments, a resolved plan, the run.

pub(crate) mod config;
pub(crate) mod data;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod generate;
mod keep;
pub(crate) mod kernels;
mod place;
pub(crate) mod project;
pub(crate) mod rank;
pub(crate) mod reproduce;
mod snapshot;
pub(crate) mod train;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use frugan_train::Config;

use crate::config::{Argument, Composer, Library, Resolved};
use crate::failure::{InputContext, input};

/// The built-in config library, or the user's over it; says so when it is the user's.
fn open_library(configs: Option<&Path>) -> Result<Library> {
    let library = Library::open(configs)?;
    if let Some(notice) = &library.notice {
        eprintln!("{notice}");
    }
    Ok(library)
}

/// `key=value` arguments, and `--device D` as the last of them.
fn arguments(overrides: &[String], device: Option<&str>) -> Result<Vec<Argument>> {
    let device = device.map(|device| format!("device={device}"));
    overrides.iter().chain(device.iter()).map(|text| Argument::parse(text)).collect()
}

/// [`arguments`] of a training, and `--gpus N` behind them.
fn training_arguments(overrides: &[String], device: Option<&str>, gpus: Option<usize>) -> Result<Vec<Argument>> {
    let mut arguments = arguments(overrides, device)?;
    if let Some(gpus) = gpus {
        arguments.push(Argument::parse(&format!("ranks.count={gpus}"))?);
    }
    Ok(arguments)
}

/// What `frugan train` starts from: the groups of `configs/train.toml`, the arguments over them.
fn compose<'a>(library: &'a Library, arguments: &[Argument]) -> Result<Composer<'a>> {
    let (path, text) = library.root_file("train")?;
    let starts: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text)?;
    let mut composer = Composer::new(library);
    for (group, choice) in starts.get("groups").into_iter().flatten() {
        composer.pick(group, choice, &path)?;
    }
    for argument in arguments {
        composer.argument(argument)?;
    }
    Ok(composer)
}

/// The config, checked as far as it can be without its data.
fn resolve(composer: &Composer<'_>) -> Result<Resolved<Config>> {
    let resolved: Resolved<Config> = composer.resolve()?;
    resolved.config.check().or_input()?;
    refuse_dead_keys(&resolved)?;
    Ok(resolved)
}

/// A key that the user set and that nothing will read is an error.
fn refuse_dead_keys(resolved: &Resolved<Config>) -> Result<()> {
    let config = &resolved.config;
    let by_halflife = config.optim.ema.halflife_kimg.is_some();
    let rules = [
        ("augment.on", !config.augment.acts(), "augment.policy is empty: set a policy"),
        ("loss.lecam.decay", config.loss.lecam.weight == 0.0, "loss.lecam.weight is 0: set a weight"),
        ("loss.lecam.start_itr", config.loss.lecam.weight == 0.0, "loss.lecam.weight is 0: set a weight"),
        ("optim.ema.decay", by_halflife, "optim.ema.halflife_kimg is set: set that in its place"),
        ("optim.ema.start_itr", by_halflife, "optim.ema.halflife_kimg is set: set optim.ema.start_kimg in its place"),
        ("loss.cr.augment", config.loss.cr.weight == 0.0, "loss.cr.weight is 0: set a weight"),
    ];
    for (prefix, dead, why) in rules {
        let set = resolved.provenance.iter().find(|(key, provenance)| {
            (*key == prefix || key.starts_with(&format!("{prefix}."))) && provenance.source.starts_with("argument")
        });
        if let (true, Some((key, provenance))) = (dead, set) {
            return Err(input(format!("`{key}` ({}) has no effect, for {why}", provenance.source)));
        }
    }
    Ok(())
}

/// Tells in a line which values an argument put in the place of a file's or of an earlier argument's.
fn print_overridden(resolved: &Resolved<Config>) {
    let by_argument = resolved.provenance.iter().filter(|(_, provenance)| provenance.source.starts_with("argument"));
    let over = by_argument.filter_map(|(key, provenance)| Some(format!("{key} (was {})", provenance.over.as_ref()?.0)));
    let over: Vec<String> = over.collect();
    if !over.is_empty() {
        eprintln!("overridden by arguments: {}", over.join(", "));
    }
}

/// The command line, for a shell; the binary by its name.
fn command_line() -> String {
    let arguments: Vec<String> = std::iter::once("frugan".to_owned()).chain(std::env::args().skip(1)).collect();
    // No argument of a process holds the zero byte that cannot be quoted.
    shlex::try_join(arguments.iter().map(String::as_str)).unwrap_or_else(|_| arguments.join(" "))
}
