//! `frugan train`: one run, or with `-m` one for each combination of the overrides' values.

mod sweep;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_train::Config;

use super::{compose, open_library, print_overridden, resolve, training_arguments};
use crate::config::{Argument, Composer, Layer, Library, annotated};
use crate::failure::{InputContext, input};
use crate::runs::{Ended, Job, prepare_out, run_all};
use crate::signals::Signals;

/// Without any override: a DCGAN with DiffAugment on the embedded synthetic set, some minutes on a CPU. The same
/// command again goes on where the last one stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `group=choice` (model=biggan) picks a file of a config group, `a.b=value` sets a value (TOML, else a string)
    overrides: Vec<String>,
    /// Run every combination of comma lists: `-m seed=0,1 model=dcgan,biggan`. A value that holds a comma is quoted:
    /// augment.policy='"translation,cutout","color"'
    #[arg(short, long)]
    multirun: bool,
    /// The run's folder, with -m the folder of the runs [default: runs/train/NAME-HASH, with -m runs/sweep/KEYS-HASH]
    #[arg(long)]
    out: Option<PathBuf>,
    /// A whole resolved config (`config.toml` of a run) to start from in place of the groups
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start from the weights of a trained model: a snapshot or a state of another run. Steps and optimisers start anew; with
    /// transfer.freeze_d=N and transfer.mode=scale_shift a part stays as it is
    #[arg(long, value_name = "FILE")]
    transfer: Option<PathBuf>,
    /// A folder of files GROUP/CHOICE.toml that stand before the built-in ones
    #[arg(long, value_name = "DIR")]
    configs: Option<PathBuf>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long)]
    device: Option<String>,
    /// Share each batch among N processes, one a GPU from the device's number up; with --device cpu they share the cores
    #[arg(long, value_name = "N")]
    gpus: Option<usize>,
    /// Print every value and where it came from; start nothing
    #[arg(long)]
    dry_run: bool,
}

/// Resolves, plans, trains.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let library = open_library(args.configs.as_deref())?;
    let mut arguments = training_arguments(&args.overrides, args.device.as_deref(), args.gpus)?;
    if let Some(from) = &args.transfer {
        if from.is_dir() {
            return Err(input(format!(
                "--transfer {}: that is a folder; give a file of it: snapshot-STEP.safetensors or state-STEP.safetensors",
                from.display()
            )));
        }
        let from = toml::Value::String(from.display().to_string());
        arguments.push(Argument::parse(&format!("transfer.from={from}"))?);
    }
    if args.multirun {
        return sweep::run(args, &library, &arguments);
    }
    let resolved = resolve(&start(args, &library, &arguments)?)?;
    if args.dry_run {
        print!("{}", annotated(&resolved)?);
        return Ok(ExitCode::SUCCESS);
    }
    print_overridden(&resolved);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("runs/train").join(run_name(&resolved.config)));
    let job =
        Job::plan(resolved.config.model.name().into(), &resolved, out.clone(), &mut frugan_train::Library::new())?;
    prepare_out(&out)?;
    let signals = Signals::listen()?;
    let ends = run_all(vec![job], &signals, |_, _| Ok(()))?;
    match &ends[0] {
        Ended::Interrupted => Ok(ExitCode::from(signals.exit_code())),
        Ended::Failed(_) => Ok(ExitCode::from(1)),
        Ended::Finished(_) => {
            println!("{}", out.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The layers: a whole config file, or groups, and the arguments over it.
fn start<'a>(args: &Args, library: &'a Library, arguments: &[Argument]) -> Result<Composer<'a>> {
    let Some(path) = &args.config else { return compose(library, arguments) };
    let text = std::fs::read_to_string(path).input(path.display())?;
    let mut composer = Composer::new(library);
    composer.whole(Layer::from_toml(&path.display().to_string(), &text)?);
    for argument in arguments {
        composer.argument(argument)?;
    }
    Ok(composer)
}

fn run_name(config: &Config) -> String {
    format!("{}-{}-s{}-{}", config.model.name(), config.data.name, config.seed, config.hash())
}
