//! What a run came to, as its files tell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use frugan_metrics::EvalConfig;

use crate::error::Result;
use crate::stats::{Record, read_records};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All its steps are done, or its metric ended it early.
    Finished,
    /// It was asked to stop; the same command goes on.
    Interrupted,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// All metrics at the step where the first FID-like one was best.
    pub best: Option<Record>,
    /// All metrics of the last evaluation.
    pub last: Option<Record>,
}

impl Outcome {
    /// From the metric files of a run directory; no records if there are none. `eval` says by which metric the best one
    /// is chosen ([`distance`]).
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read(dir: &Path, status: Status, eval: &EvalConfig) -> Result<Self> {
        let all = evaluations(dir)?;
        let best = all.iter().filter_map(|r| distance(r, eval).map(|d| (d, r))).min_by(|a, b| a.0.total_cmp(&b.0));
        Ok(Self { status, best: best.map(|(_, record)| record.clone()), last: all.last().cloned() })
    }
}

/// All evaluations of a run directory, oldest first: the lines of its `metric-*.jsonl` by step.
///
/// # Errors
/// If a file cannot be read.
pub(crate) fn evaluations(dir: &Path) -> Result<Vec<Record>> {
    let mut steps: BTreeMap<u64, Record> = BTreeMap::new();
    let mut names: Vec<PathBuf> = match std::fs::read_dir(dir) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect(),
        Err(_) => Vec::new(),
    };
    names.retain(|path| {
        path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("metric-") && n.ends_with(".jsonl"))
    });
    names.sort();
    for path in names {
        for record in read_records(&path)? {
            let merged =
                steps.entry(record.step).or_insert_with(|| Record { values: BTreeMap::new(), ..record.clone() });
            merged.values.extend(record.values);
        }
    }
    Ok(steps.into_values().collect())
}

/// The Fréchet distance of an evaluation, which the best snapshot is chosen by (as DiffAugment's code does): that of the
/// run's own protocol, or the first of `eval.also` where `eval.metrics` has none.
pub fn distance(record: &Record, eval: &EvalConfig) -> Option<f64> {
    let distances = || record.values.keys().filter(|name| name.starts_with("fid") || name.starts_with("frd"));
    distances().filter(|name| eval.is_own(name)).chain(distances()).find_map(|name| record.get(name))
}
