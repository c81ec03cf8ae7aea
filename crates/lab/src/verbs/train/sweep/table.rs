//! What a sweep came to: a line a run, the mean over its seeds, and the same as JSON.

use anyhow::Result;
use frugan_train::Record;
use serde_json::{Map, Value, json};

use super::shown;
use crate::config::Argument;
use crate::report::{Grid, is_part, mean_and_deviation, number, spread};
use crate::runs::Ended;
use crate::verbs::command_line;

/// A run of the sweep.
pub(super) struct Line {
    values: Vec<Argument>,
    folder: String,
    end: Option<Ended>,
}

impl Line {
    /// `end` is none where the sweep stopped before the run.
    pub(super) fn new(values: Vec<Argument>, folder: String, end: Option<Ended>) -> Self {
        Self { values, folder, end }
    }

    /// What stands for the run: its best snapshot by Fréchet distance, or its end where it measures none.
    fn record(&self) -> Option<&Record> {
        match &self.end {
            Some(Ended::Finished(outcome)) => outcome.best.as_ref().or(outcome.last.as_ref()),
            _ => None,
        }
    }

    fn is_best(&self) -> bool {
        matches!(&self.end, Some(Ended::Finished(outcome)) if outcome.best.is_some())
    }

    fn get(&self, metric: &str) -> Option<f64> {
        self.record()?.get(metric)
    }

    fn end(&self) -> &'static str {
        match self.end {
            Some(Ended::Finished(_)) => "finished",
            Some(Ended::Failed(_)) => "not finite",
            Some(Ended::Interrupted) => "interrupted",
            None => "not started",
        }
    }
}

/// The runs with the same values but for the seed.
struct Group<'a> {
    values: Vec<Argument>,
    lines: Vec<&'a Line>,
}

impl Group<'_> {
    /// A metric of the runs that have it.
    fn numbers(&self, metric: &str) -> Vec<f64> {
        self.lines.iter().filter_map(|line| line.get(metric)).collect()
    }
}

/// A group for each combination of the other values; none where the seed is not swept.
fn groups(lines: &[Line]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for line in lines.iter().filter(|line| line.values.iter().any(|value| value.key == "seed")) {
        let values: Vec<Argument> = line.values.iter().filter(|value| value.key != "seed").cloned().collect();
        match groups.iter_mut().find(|group| cells(&group.values) == cells(&values)) {
            Some(group) => group.lines.push(line),
            None => groups.push(Group { values, lines: vec![line] }),
        }
    }
    groups
}

/// The metrics of all runs, in the alphabet's order.
fn metrics(lines: &[Line]) -> Vec<&str> {
    let mut names: Vec<&str> =
        lines.iter().filter_map(Line::record).flat_map(|record| record.values.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The tables in Markdown.
pub(super) fn page(lines: &[Line]) -> String {
    let metrics: Vec<&str> = metrics(lines).into_iter().filter(|name| !is_part(name)).collect();
    let grid = |values: &[Argument], between: &str| {
        let keys = values.iter().map(|value| value.key.as_str());
        Grid::new(keys.chain([between]).chain(metrics.iter().copied()))
    };
    let mut runs = grid(&lines[0].values, "at step");
    for line in lines {
        let mut row = cells(&line.values);
        row.push(match line.record() {
            Some(record) if line.is_best() => record.step.to_string(),
            Some(record) => format!("{} (last)", record.step),
            None => line.end().into(),
        });
        row.extend(metrics.iter().map(|name| line.get(name).map_or("-".into(), number)));
        runs.row(row);
    }
    let mut page = runs.render();
    page.push_str("\nA run's metrics at its best Fréchet distance; (last): at its end, where it measures none.\n");
    let groups = groups(lines);
    if let Some(first) = groups.first() {
        let mut means = grid(&first.values, "seeds");
        for group in &groups {
            let mut row = cells(&group.values);
            row.push(group.lines.iter().filter(|line| line.record().is_some()).count().to_string());
            row.extend(metrics.iter().map(|name| spread(&group.numbers(name))));
            means.row(row);
        }
        page.push_str(&format!("\nOver the seeds, mean ± standard deviation:\n\n{}", means.render()));
    }
    page
}

fn cells(values: &[Argument]) -> Vec<String> {
    values.iter().map(|value| shown(value).to_string()).collect()
}

/// The tables with all metrics.
pub(super) fn json(lines: &[Line]) -> Result<String> {
    let metrics = metrics(lines);
    let values = |values: &[Argument]| -> Map<String, Value> {
        values.iter().map(|value| (value.key.clone(), json!(value.value()))).collect()
    };
    let run = |line: &Line| {
        let record = line.record();
        json!({
            "values": values(&line.values),
            "run": line.folder,
            "end": line.end(),
            "step": record.map(|record| record.step),
            "is_best": line.is_best(),
            "metrics": record.map(|record| &record.values),
        })
    };
    let mean = |group: &Group<'_>| {
        let of = |name: &&str| {
            let numbers = group.numbers(name);
            let (mean, std) = mean_and_deviation(&numbers)?;
            Some((name.to_string(), json!({"mean": mean, "std": std, "seeds": numbers.len()})))
        };
        let of_all: Map<String, Value> = metrics.iter().filter_map(of).collect();
        json!({"values": values(&group.values), "metrics": of_all})
    };
    let all = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("FRUGAN_COMMIT"),
        "command": command_line(),
        "runs": lines.iter().map(run).collect::<Vec<_>>(),
        "over_seeds": groups(lines).iter().map(mean).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}
