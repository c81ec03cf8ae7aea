//! `frugan train -m`: one run for each combination of the overrides' values, then a table of them all.

mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use frugan_data::checksum::sha256;
use frugan_train::Config;

use super::{Args, resolve, start};
use crate::config::{Argument, Library, Resolved, annotated, product};
use crate::failure::input;
use crate::runs::{Ended, Job, lift, prepare_out, run_all};
use crate::signals::Signals;
use crate::table::{is_same_run, slug};
use table::{Line, json, page};

/// One run of the sweep.
struct Point {
    /// Of the keys that have several values, this run's.
    values: Vec<Argument>,
    resolved: Resolved<Config>,
}

/// Composes and checks all runs, runs them, writes `sweep.md` and `sweep.json`.
pub(super) fn run(args: &Args, library: &Library, arguments: &[Argument]) -> Result<ExitCode> {
    let points = points(args, library, arguments)?;
    if args.dry_run {
        for point in &points {
            println!("# {}\n{}", point.name(), annotated(&point.resolved)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let out = args.out.clone().unwrap_or_else(|| folder_of(&points));
    let mut shared = frugan_train::Library::new();
    let job = |point: &Point| Job::plan(point.name(), &point.resolved, out.join(point.folder()), &mut shared);
    let jobs = points.iter().map(job).collect::<Result<Vec<_>>>()?;
    prepare_out(&out)?;
    let signals = Signals::listen()?;
    let ends = run_all(jobs, &signals, |_, _| Ok(()))?;
    let line =
        |(index, point): (usize, &Point)| Line::new(point.values.clone(), point.folder(), ends.get(index).cloned());
    let lines: Vec<Line> = points.iter().enumerate().map(line).collect();
    let page = page(&lines);
    print!("{page}");
    for (name, text) in [("sweep.json", json(&lines)?), ("sweep.md", page)] {
        let path = out.join(name);
        frugan_train::write_atomic(&path, text.as_bytes()).map_err(lift)?;
        println!("{}", path.display());
    }
    Ok(match ends.last() {
        Some(Ended::Interrupted) => ExitCode::from(signals.exit_code()),
        _ if ends.iter().any(|end| matches!(end, Ended::Failed(_))) => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// All combinations, each another run.
fn points(args: &Args, library: &Library, arguments: &[Argument]) -> Result<Vec<Point>> {
    let mut points: Vec<Point> = Vec::new();
    for chosen in product(arguments)? {
        let resolved = resolve(&start(args, library, &chosen)?)?;
        let several = chosen.into_iter().zip(arguments).filter(|(value, list)| value.text != list.text);
        let point = Point { values: several.map(|(value, _)| value).collect(), resolved };
        point.values.iter().try_for_each(|value| refuse_repeats(&value.key, arguments))?;
        let is_twin = |other: &&Point| {
            is_same_run(&other.resolved.config, &point.resolved.config) || other.folder() == point.folder()
        };
        if let Some(twin) = points.iter().find(is_twin) {
            let names = [twin.name(), point.name()].join(" and ");
            return Err(input(format!("two runs of the sweep are the same: {names}; leave one out")));
        }
        points.push(point);
    }
    Ok(points)
}

/// Of two arguments the last would win, and the table would show the values of both.
fn refuse_repeats(key: &str, arguments: &[Argument]) -> Result<()> {
    let names: Vec<String> = arguments.iter().filter(|argument| argument.key == key).map(Argument::name).collect();
    if names.len() == 1 {
        return Ok(());
    }
    let names = names.join(" and ");
    Err(input(format!("{names}: what a sweep varies stands once; write all its values in one argument, {key}=A,B")))
}

/// `runs/sweep/KEYS-HASH`: the same command finds its runs again, another sweep has another folder.
fn folder_of(points: &[Point]) -> PathBuf {
    let keys: Vec<&str> = points[0].values.iter().map(|value| value.key.as_str()).collect();
    let keys = if keys.is_empty() { "one".into() } else { slug(&keys.join(",")) };
    let runs: Vec<String> = points.iter().map(Point::folder).collect();
    let hash = sha256(runs.join("\n").as_bytes());
    PathBuf::from("runs/sweep").join(format!("{keys}-{}", &hash[..12]))
}

impl Point {
    /// `seed=1 lr=0.01`; the model where nothing is swept.
    fn name(&self) -> String {
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_string();
        let parts = self.values.iter().map(|value| format!("{}={}", last(&value.key), shown(value)));
        let name = parts.collect::<Vec<_>>().join(" ");
        if name.is_empty() { self.resolved.config.model.name().into() } else { name }
    }

    /// Of the run, below the sweep's.
    fn folder(&self) -> String {
        format!("{}-{}", slug(&self.name()), self.resolved.config.hash())
    }
}

/// A value as the command line has it, without its quotes.
fn shown(value: &Argument) -> &str {
    value.text.trim_matches('"')
}
