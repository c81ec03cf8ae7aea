//! `frugan reproduce`: a table of a paper, ours against the published numbers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::Device;
use frugan_data::{DataName, Labels};
use frugan_train::{Config, Estimate, Outcome, Record, Status};

use super::{command_line, open_library, training_arguments};
use crate::config::{Argument, Library, annotated, leaves_of, show};
use crate::failure::input;
use crate::report::{Cell, Curve, Report, floor_lines, results_grid};
use crate::runs::{Ended, Job, evaluations, lift, prepare_out, run_all};
use crate::signals::Signals;
use crate::sources::{self, Allowed};
use crate::table::{Choice, Manifest, TablePlan, Work, deviations, plan, slug};

/// All cells are composed and checked before any run starts. The same command again skips the finished runs and goes
/// on with the broken one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A table (see `frugan config`), such as table1, or a manifest's path
    table: String,
    /// `group=choice` or `a.b=value`, laid over every cell
    overrides: Vec<String>,
    /// smoke, mini-cpu, mini or paper [default: smoke on a CPU, paper on CUDA]
    #[arg(long)]
    scale: Option<String>,
    /// auto, cpu, cuda or cuda:N
    #[arg(long)]
    device: Option<String>,
    /// Share each batch among N processes, one a GPU from the device's number up; with --device cpu they share the cores
    #[arg(long, value_name = "N")]
    gpus: Option<usize>,
    /// The folder of the report and of the runs [default: runs/TABLE-SCALE]
    #[arg(long)]
    out: Option<PathBuf>,
    /// Run every cell once a seed: `--seeds 0,1`
    #[arg(long, value_delimiter = ',', default_value = "0", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seeds: Vec<u64>,
    /// Only these rows: names with commas between, or the option again
    #[arg(long)]
    rows: Vec<String>,
    /// Only these columns: `--columns translation,cutout` is one column where the table has it; give the option again
    /// for more
    #[arg(long)]
    columns: Vec<String>,
    /// A folder of files GROUP/CHOICE.toml that stand before the built-in ones
    #[arg(long, value_name = "DIR")]
    configs: Option<PathBuf>,
    /// Print the runs, every value and where it came from; start nothing
    #[arg(long)]
    dry_run: bool,
}

/// Composes all cells, runs what is not finished, writes the report.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let library = open_library(args.configs.as_deref())?;
    let (path, text) = library.experiment(&args.table)?;
    let manifest = Manifest::read(&path, &text)?;
    let arguments = training_arguments(&args.overrides, args.device.as_deref(), args.gpus)?;
    let scale = args.scale.clone().unwrap_or_else(|| default_scale(&arguments).into());
    let (table, choice_of) = settle(args, &manifest, &library, &scale, &arguments)?;
    if args.dry_run {
        return dry_run(&manifest, &table);
    }
    let out =
        args.out.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{}-{}", manifest.name, slug(&scale))));
    let jobs = jobs(&table, &out)?;
    prepare_out(&out)?;
    let signals = Signals::listen()?;
    let mut report = report(&manifest, &scale, choice_of, &table, &jobs);
    for line in announcement(&manifest, &report, &table) {
        eprintln!("{line}");
    }
    let ends = run_all(jobs, &signals, |index, end| {
        if matches!(end, Ended::Interrupted) {
            return Ok(());
        }
        fill(&mut report, &table, index, &out.join(&table.runs[index].name))?;
        if let Ended::Failed(reason) = end {
            let cells = report.cells.iter_mut().zip(&table.cells).filter(|(_, planned)| planned.is_of(index));
            cells.for_each(|(cell, _)| cell.error = Some(reason.clone()));
        }
        report.write(&out).map(drop)
    })?;
    let paths = report.write(&out)?;
    print!("{}", results_grid(&report).render());
    floor_lines(&report).iter().for_each(|line| println!("{line}"));
    println!("scale {}: {}", report.scale, report.summary);
    report.deviations.iter().for_each(|sentence| println!("- {sentence}"));
    println!("{}", paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" "));
    Ok(match ends.last() {
        Some(Ended::Interrupted) => ExitCode::from(signals.exit_code()),
        _ if ends.iter().any(|end| matches!(end, Ended::Failed(_))) => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

/// `paper` where CUDA is asked for, else `smoke`.
fn default_scale(arguments: &[Argument]) -> &'static str {
    let device = arguments.iter().rev().find(|a| a.key == "device").map_or("auto", |a| a.text.as_str());
    if device.starts_with("cuda") { "paper" } else { "smoke" }
}

/// The plan of all cells, with what stands in for data or weights that are not there, and the deviations in words.
fn settle(
    args: &Args,
    manifest: &Manifest,
    library: &Library,
    scale: &str,
    arguments: &[Argument],
) -> Result<(TablePlan, Vec<String>)> {
    let mut seeds = args.seeds.clone();
    seeds.sort_unstable();
    if let Some(twice) = seeds.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(input(format!("--seeds: {} stands there twice; a run's seed fills a cell once", twice[0])));
    }
    let mut choice = Choice {
        scale,
        rows: &args.rows,
        columns: &args.columns,
        seeds: &args.seeds,
        arguments,
        decisions: &[],
        without_data: args.dry_run,
    };
    let first = plan(manifest, library, &choice)?;
    let resolved = &first.runs.first().ok_or_else(|| input("--seeds: give at least one seed"))?.resolved;
    let decisions = sources::stand_ins(resolved, Allowed::at_scale(scale), !args.dry_run)?;
    choice.decisions = &decisions;
    let table = if decisions.is_empty() { first } else { plan(manifest, library, &choice)? };
    for decision in &decisions {
        eprintln!("{}", decision.name);
    }
    let sentences = deviations(manifest.scale(scale)?, &choice);
    Ok((table, sentences))
}

fn jobs(table: &TablePlan, out: &Path) -> Result<Vec<Job>> {
    let mut shared = frugan_train::Library::new();
    let label = |index: usize| {
        let mut cells = table.cells.iter().filter(|cell| cell.is_of(index));
        let first = cells.next().expect("every run has a cell");
        let name = match cells.next() {
            Some(_) => first.row.clone(),
            None => format!("{}, {}", first.row, first.column),
        };
        if table.runs.iter().any(|run| run.seed != first.seed) { format!("{name}, seed {}", first.seed) } else { name }
    };
    let planned = table.runs.iter().enumerate();
    planned.map(|(index, run)| Job::plan(label(index), &run.resolved, out.join(&run.name), &mut shared)).collect()
}

fn dry_run(manifest: &Manifest, table: &TablePlan) -> Result<ExitCode> {
    println!("# {}: {} runs fill {} cells", manifest.name, table.runs.len(), table.cells.len());
    let first = leaves_of(&table.runs[0].resolved.config)?;
    let mut estimates = Estimates::default();
    for (index, run) in table.runs.iter().enumerate() {
        let cells = table.cells.iter().filter(|cell| cell.is_of(index));
        let cells: Vec<String> = cells.map(|cell| format!("{} / {}", cell.row, cell.column)).collect();
        println!("\n# run {}: {}", run.name, cells.join("; "));
        println!("# estimate: {}", estimates.line(&run.resolved.config)?);
        if index == 0 {
            print!("{}", annotated(&run.resolved)?);
            continue;
        }
        println!("# as the first, but");
        for (key, value) in leaves_of(&run.resolved.config)? {
            if first.get(&key).map(show) != Some(show(&value)) {
                let source = run.resolved.provenance.get(&key).map_or("default", |p| p.source.as_str());
                println!("{key} = {}  # {source}", show(&value));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// FLOPs a second that a run is taken to sustain on one GPU: an assumption that no measurement stands behind yet.
const ASSUMED_RATE: f64 = 60e12;

/// Estimates of configs that differ in no value that an iteration depends on are made once.
#[derive(Default)]
struct Estimates(Vec<((Config, usize, usize), Estimate)>);

impl Estimates {
    /// Parameters, length, time and disk of a run, in a line.
    fn line(&mut self, config: &Config) -> Result<String> {
        let e = self.of(config)?;
        let steps = config.train.steps as f64;
        let flops = e.flops_per_step * steps;
        Ok(format!(
            "G {} and D {} parameters, {:.0} kimg, {} of products: {} of a GPU that sustains {:.0} TFLOP/s \
             (an assumption), {:.0} MiB of disk",
            grouped(e.g_weights),
            grouped(e.d_weights),
            steps * (config.optim.batch * config.optim.num_d_steps) as f64 / 1000.0,
            arithmetic(flops),
            duration(flops / ASSUMED_RATE),
            ASSUMED_RATE / 1e12,
            e.disk_bytes as f64 / 1024.0 / 1024.0
        ))
    }

    fn of(&mut self, config: &Config) -> Result<Estimate> {
        let (classes, resolution) = match config.data.name {
            DataName::Cifar10 | DataName::Synthetic => (10, 32),
            DataName::Cifar100 => (100, 32),
            DataName::Folder | DataName::Zip => (1, 256),
        };
        let classes = if config.data.labels == Labels::None { 1 } else { classes };
        let resolution = config.data.resolution.unwrap_or(resolution);
        // Counted on the CPU, so in its arithmetic.
        let Config { data, eval, train, precision, .. } = Config::default();
        let key = (Config { data, eval, train, precision, ..config.clone() }, classes, resolution);
        if let Some((_, known)) = self.0.iter().find(|(known, _)| *known == key) {
            return Ok(*known);
        }
        let estimate = Estimate::of(&key.0, classes, resolution).map_err(lift)?;
        self.0.push((key, estimate));
        Ok(estimate)
    }
}

/// 4,304,387.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let commas = |(i, digit): (usize, char)| match (digits.len() - i) % 3 {
        0 if i > 0 => format!(",{digit}"),
        _ => digit.to_string(),
    };
    digits.chars().enumerate().map(commas).collect()
}

/// Floating point operations in the unit that keeps the number readable.
fn arithmetic(flops: f64) -> String {
    let (scale, unit) = match flops {
        f if f >= 1e17 => (1e18, "EFLOP"),
        f if f >= 1e14 => (1e15, "PFLOP"),
        _ => (1e12, "TFLOP"),
    };
    format!("{:.1} {unit}", flops / scale)
}

/// A time in the unit that keeps the number readable.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 3600.0 => format!("{:.1} hours", s / 3600.0),
        s if s >= 60.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{s:.1} seconds"),
    }
}

/// What runs on what, before anything starts.
fn announcement(manifest: &Manifest, report: &Report, table: &TablePlan) -> Vec<String> {
    // A plan without any run is refused, so some cell is not skipped.
    let cell = report.cells.iter().find(|cell| cell.skipped.is_none()).unwrap_or(&report.cells[0]);
    let skipped = report.cells.iter().filter(|cell| cell.skipped.is_some()).count();
    let mut lines = vec![
        format!("{}: {} ({})", manifest.name, manifest.title, manifest.source),
        format!(
            "device {}, data {} ({} images, {}), network {}, scale {}: {} runs fill {} cells",
            report.device,
            cell.data,
            cell.num_images,
            cell.fingerprint,
            cell.network,
            report.scale,
            table.runs.len(),
            table.cells.len()
        ),
        format!("{}: {}", report.scale, report.summary),
    ];
    if skipped > 0 {
        lines.push(format!("{skipped} cells are skipped; the report says why and what they need"));
    }
    lines
}

/// The report before any run has ended.
fn report(manifest: &Manifest, scale: &str, deviations: Vec<String>, table: &TablePlan, jobs: &[Job]) -> Report {
    let cells = table.cells.iter().map(|cell| {
        let bare = Cell {
            row: cell.row.clone(),
            column: cell.column.clone(),
            paper: cell.paper.clone(),
            scale: scale.into(),
            seed: cell.seed,
            ..Cell::default()
        };
        let index = match &cell.work {
            Work::Run(index) => *index,
            Work::Skipped(why) => return Cell { skipped: Some(why.clone()), ..bare },
        };
        let (run, plan) = (&table.runs[index], &jobs[index].plan);
        let train = &plan.splits().train;
        Cell {
            protocol: sources::protocol(plan),
            data: plan.config().data.name.to_string(),
            num_images: train.len(),
            fingerprint: train.fingerprint.chars().take(12).collect(),
            network: sources::network_name(plan.config()),
            run: run.name.clone(),
            ..bare
        }
    });
    Report {
        table: manifest.name.clone(),
        title: manifest.title.clone(),
        source: manifest.source.clone(),
        scale: scale.into(),
        summary: manifest.scales[scale].summary.clone(),
        deviations,
        differences: table.differences.clone(),
        device: device_name(jobs[0].plan.config()),
        version: env!("CARGO_PKG_VERSION").into(),
        commit: env!("FRUGAN_COMMIT").into(),
        command: command_line(),
        cells: cells.collect(),
        rows_are: manifest.rows_are.clone(),
        columns_are: manifest.columns_are.clone(),
        metrics: manifest.metrics.clone(),
        curves: Vec::new(),
    }
}

/// The device by its full name, `auto` resolved.
fn device_name(config: &Config) -> String {
    config.device.parse::<Device>().map_or_else(|_| config.device.clone(), |device| device.to_string())
}

/// Enters a run's results into its cells.
fn fill(report: &mut Report, table: &TablePlan, index: usize, dir: &Path) -> Result<()> {
    let records = evaluations(dir)?;
    let ticks = frugan_train::read_records(&dir.join("stats.jsonl")).map_err(lift)?;
    let gaps: Vec<(u64, f64)> = ticks.iter().filter_map(|tick| Some((tick.step, tick.get("d/gap")?))).collect();
    let eval = &table.runs[index].resolved.config.eval;
    let outcome = Outcome::read(dir, Status::Finished, eval).map_err(lift)?;
    let floor = frugan_train::read_floor(dir).map_err(lift)?;
    let values = |record: &Option<Record>| record.as_ref().map(|r| r.values.clone()).unwrap_or_default();
    for (cell, planned) in report.cells.iter_mut().zip(&table.cells).filter(|(_, planned)| planned.is_of(index)) {
        cell.ours = values(&outcome.best);
        cell.step = outcome.best.as_ref().map(|r| r.step);
        cell.last = values(&outcome.last);
        cell.own = cell.last.keys().chain(cell.ours.keys()).filter(|name| eval.is_own(name)).cloned().collect();
        cell.floor.clone_from(&floor);
        cell.last_step = outcome.last.as_ref().map(|r| r.step);
        let end = &gaps[gaps.len() - gaps.len().div_ceil(10)..];
        cell.last_gap = (!end.is_empty()).then(|| end.iter().map(|(_, gap)| gap).sum::<f64>() / end.len() as f64);
        report.curves.push(Curve {
            row: planned.row.clone(),
            column: planned.column.clone(),
            points: records.iter().map(|r| (r.step, r.values.clone())).collect(),
            gaps: gaps.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_readable_at_every_scale() {
        assert_eq!(
            (arithmetic(4.1e18), arithmetic(3e14), arithmetic(2e9)),
            ("4.1 EFLOP".into(), "0.3 PFLOP".into(), "0.0 TFLOP".into())
        );
        assert_eq!(
            (duration(9000.0), duration(125.0), duration(1.25)),
            ("2.5 hours".into(), "2 minutes".into(), "1.2 seconds".into())
        );
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
