//! Runs in sequence: skips the finished, goes on with the broken, stops at a signal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use frugan_autograd::Device;
use frugan_train::{Config, Error, Outcome, Plan, Record, Status};

use crate::config::{Resolved, annotated};
use crate::failure::{InputContext, input, sentence};
use crate::launch::launch;
use crate::progress::Progress;
use crate::signals::Signals;

/// A planned run and what to call it.
pub(crate) struct Job {
    pub(crate) label: String,
    pub(crate) plan: Plan,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) enum Ended {
    /// It ran to its end now, or had before.
    Finished(Outcome),
    /// A signal stopped it at a state from which it goes on.
    Interrupted,
    /// Its values are not finite any more; other runs may still be sound.
    Failed(String),
}

impl Job {
    /// Opens and checks everything the run needs; writes nothing.
    pub(crate) fn plan(
        label: String,
        resolved: &Resolved<Config>,
        dir: PathBuf,
        library: &mut frugan_train::Library,
    ) -> Result<Self> {
        let mut plan = Plan::new(resolved.config.clone(), dir, library).map_err(lift)?;
        check_ranks(&plan)?;
        plan.config_text = annotated(resolved)?;
        Ok(Self { label, plan })
    }
}

/// Ranks on the CPU share its cores, and are for trying out what runs on GPUs: no more than a machine has of either.
fn check_ranks(plan: &Plan) -> Result<()> {
    const GPUS_OF_A_MACHINE: usize = 8;
    let (count, cores) = (plan.config().ranks.count, std::thread::available_parallelism().map_or(1, usize::from));
    let most = cores.max(GPUS_OF_A_MACHINE);
    if plan.device() == Device::Cpu && count > most {
        return Err(input(format!(
            "ranks.count = {count} on the CPU: a process each would share {cores} cores; want {most} ranks at most"
        )));
    }
    Ok(())
}

/// Runs the jobs one after another; `after` sees each end.
pub(crate) fn run_all(
    jobs: Vec<Job>,
    signals: &Signals,
    mut after: impl FnMut(usize, &Ended) -> Result<()>,
) -> Result<Vec<Ended>> {
    let count = jobs.len();
    if let Some(job) = jobs.first() {
        tell_choice(&job.plan.config().device);
    }
    let mut ends = Vec::new();
    for (index, job) in jobs.into_iter().enumerate() {
        let label = if count == 1 { job.label.clone() } else { format!("[{}/{count}] {}", index + 1, job.label) };
        let end = run_one(job, label, signals)?;
        after(index, &end)?;
        let stop = matches!(end, Ended::Interrupted);
        ends.push(end);
        if stop {
            break;
        }
    }
    Ok(ends)
}

/// Says what `auto` took and why.
pub(crate) fn tell_choice(device: &str) {
    if device == "auto" {
        eprintln!("device auto is {}", Device::choose().1);
    }
}

fn run_one(job: Job, label: String, signals: &Signals) -> Result<Ended> {
    if job.plan.is_finished().map_err(lift)? {
        eprintln!("{label}: finished before, in {}", job.plan.dir().display());
        let outcome = Outcome::read(job.plan.dir(), Status::Finished, &job.plan.config().eval).map_err(lift)?;
        return Ok(Ended::Finished(outcome));
    }
    let progress = Progress::new(label.clone(), job.plan.config().train.steps);
    let outcome = match job.plan.config().ranks.count {
        1 => job.plan.run(&progress, &signals.interrupt()),
        _ => {
            let (member, _followers) = launch(&job.plan)?;
            job.plan.lead(member, &progress, &signals.interrupt())
        }
    };
    progress.finish();
    match outcome {
        Ok(Outcome { status: Status::Interrupted, .. }) => Ok(Ended::Interrupted),
        Ok(outcome) => Ok(Ended::Finished(outcome)),
        Err(Error::NonFinite(reason)) => {
            eprintln!("{label}: {reason}");
            Ok(Ended::Failed(reason))
        }
        Err(error) => Err(lift(error)),
    }
}

/// All evaluations of a run directory, oldest first: the lines of its `metric-*.jsonl` by step.
pub(crate) fn evaluations(dir: &Path) -> Result<Vec<Record>> {
    let mut steps: BTreeMap<u64, Record> = BTreeMap::new();
    for entry in std::fs::read_dir(dir).input(dir.display())? {
        let path = entry.input(dir.display())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !(name.starts_with("metric-") && name.ends_with(".jsonl")) {
            continue;
        }
        for record in frugan_train::read_records(&path).map_err(lift)? {
            steps.entry(record.step).or_insert_with(|| record.clone()).values.extend(record.values);
        }
    }
    Ok(steps.into_values().collect())
}

/// A folder for output: it can be made and written in, else one sentence of the user's.
pub(crate) fn prepare_out(dir: &Path) -> Result<()> {
    if dir.exists() && !dir.is_dir() {
        return Err(input(format!("--out {}: that is a file; give a folder", dir.display())));
    }
    let place = format!("--out {}: cannot write there", dir.display());
    std::fs::create_dir_all(dir).input(&place)?;
    tempfile::tempfile_in(dir).input(&place)?;
    Ok(())
}

/// An error of the training crate, as the user's or as ours.
pub(crate) fn lift(error: Error) -> anyhow::Error {
    let whose = error.is_input();
    let error = anyhow::Error::new(error);
    if whose { input(sentence(&error)) } else { error }
}
