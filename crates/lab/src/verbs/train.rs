//! `frugan train`: one run, or with `-m` one for each combination of the overrides' values.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_train::Config;

use super::{compose, open_library, print_overridden, resolve, training_arguments};
use crate::config::{Argument, Composer, Layer, Library, Resolved, annotated, product};
use crate::failure::{InputContext, input};
use crate::report::{Grid, number};
use crate::runs::{Ended, Job, lift, prepare_out, run_all};
use crate::signals::Signals;
use crate::sources::{Allowed, stand_ins};
use crate::table::slug;

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
    /// The run's folder, with -m the folder of the runs [default: runs/train/NAME-HASH, with -m runs/sweep/KEYS]
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
        let from = toml::Value::String(from.display().to_string());
        arguments.push(Argument::parse(&format!("transfer.from={from}"))?);
    }
    if args.multirun {
        return sweep(args, &library, &arguments);
    }
    let mut composer = start(args, &library, &arguments)?;
    if args.dry_run {
        print!("{}", annotated(&resolve(&composer)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let resolved = settle(&mut composer)?;
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
    composer.layer(Layer::from_toml(&path.display().to_string(), &text)?);
    for argument in arguments {
        composer.argument(argument)?;
    }
    Ok(composer)
}

/// The config, with the random-feature network where Inception's weights are nowhere; says so.
fn settle(composer: &mut Composer<'_>) -> Result<Resolved<Config>> {
    for layer in stand_ins(&resolve(composer)?, Allowed { data: false, network: true })? {
        eprintln!("{}", layer.name);
        composer.layer(layer);
    }
    resolve(composer)
}

fn run_name(config: &Config) -> String {
    format!("{}-{}-s{}-{}", config.model.name(), config.data.name, config.seed, config.hash())
}

/// One run of a sweep.
struct Point {
    values: Vec<Argument>,
    resolved: Resolved<Config>,
}

fn sweep(args: &Args, library: &Library, arguments: &[Argument]) -> Result<ExitCode> {
    let mut points = Vec::new();
    for values in product(arguments)? {
        let resolved = resolve(&start(args, library, &values)?)?;
        points.push(Point { values, resolved });
    }
    let swept: Vec<&str> = arguments
        .iter()
        .filter(|a| points.iter().any(|p| value_of(p, &a.key) != value_of(&points[0], &a.key)))
        .map(|a| a.key.as_str())
        .collect();
    if args.dry_run {
        for point in &points {
            println!("# {}\n{}", point_name(point, &swept), annotated(&point.resolved)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let keys = if swept.is_empty() { "one".into() } else { slug(&swept.join(",")) };
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("runs/sweep").join(keys));
    let mut shared = frugan_train::Library::new();
    let mut jobs: Vec<Job> = Vec::new();
    for point in &mut points {
        point.resolved = settle(&mut start(args, library, &point.values)?)?;
        let name = point_name(point, &swept);
        let dir = out.join(format!("{}-{}", slug(&name), point.resolved.config.hash()));
        if jobs.iter().any(|job| job.plan.dir() == dir) {
            return Err(input(format!("two runs of the sweep are the same: {name}")));
        }
        jobs.push(Job::plan(name, &point.resolved, dir, &mut shared)?);
    }
    prepare_out(&out)?;
    let signals = Signals::listen()?;
    let ends = run_all(jobs, &signals, |_, _| Ok(()))?;
    let table = table(&points, &swept, &ends).render();
    let path = out.join("sweep.md");
    frugan_train::write_atomic(&path, table.as_bytes()).map_err(lift)?;
    print!("{table}");
    println!("{}", path.display());
    Ok(match ends.last() {
        Some(Ended::Interrupted) => ExitCode::from(signals.exit_code()),
        _ if ends.iter().any(|end| matches!(end, Ended::Failed(_))) => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

fn value_of<'a>(point: &'a Point, key: &str) -> &'a str {
    point.values.iter().find(|a| a.key == key).map_or("", |a| a.text.as_str())
}

fn point_name(point: &Point, swept: &[&str]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
    let parts = swept.iter().map(|key| format!("{}={}", last(key), value_of(point, key).trim_matches('"')));
    parts.collect::<Vec<_>>().join(" ")
}

/// All runs of the sweep: the swept values, the metrics at the best snapshot.
fn table(points: &[Point], swept: &[&str], ends: &[Ended]) -> Grid {
    let best = |index: usize| match ends.get(index) {
        Some(Ended::Finished(outcome)) => outcome.best.as_ref(),
        _ => None,
    };
    let mut names: Vec<&String> = (0..points.len()).filter_map(best).flat_map(|record| record.values.keys()).collect();
    names.sort();
    names.dedup();
    let mut head: Vec<String> = swept.iter().map(|key| key.to_string()).collect();
    head.push("best at step".into());
    head.extend(names.iter().map(|name| name.to_string()));
    let mut grid = Grid::new(head);
    for (index, point) in points.iter().enumerate() {
        let mut row: Vec<String> = swept.iter().map(|key| value_of(point, key).trim_matches('"').to_string()).collect();
        row.push(match ends.get(index) {
            Some(Ended::Finished(_)) => best(index).map_or("-".into(), |record| record.step.to_string()),
            Some(Ended::Failed(_)) => "not finite".into(),
            Some(Ended::Interrupted) => "interrupted".into(),
            None => "not started".into(),
        });
        row.extend(names.iter().map(|name| best(index).and_then(|r| r.get(name)).map_or("-".into(), number)));
        grid.row(row);
    }
    grid
}
