//! From a manifest and the user's choice to cells and runs, all checked before any starts.

use std::collections::BTreeMap;

use anyhow::Result;
use figment::value::Value;
use frugan_data::DataName;
use frugan_train::Config;

use super::manifest::{Column, Row};
use super::{Manifest, Scale};
use crate::config::{Argument, Composer, Layer, Library, Resolved, leaves_of, show};
use crate::failure::{InputContext, input};
use crate::sources;

/// What of a table is to be run, and how.
#[derive(Clone, Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) scale: &'a str,
    pub(crate) rows: &'a [String],
    pub(crate) columns: &'a [String],
    pub(crate) seeds: &'a [u64],
    pub(crate) arguments: &'a [Argument],
    /// Values that the program sets, over the manifest's and under the user's.
    pub(crate) decisions: &'a [Layer],
    /// Whether cells count whose data are not here: nothing will be run.
    pub(crate) without_data: bool,
}

/// One training run; it can serve several cells.
#[derive(Clone, Debug)]
pub(crate) struct PlannedRun {
    /// The run directory's name: row, column where it matters, seed, config hash.
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) resolved: Resolved<Config>,
}

/// One cell of the table for one seed.
#[derive(Clone, Debug)]
pub(crate) struct PlannedCell {
    pub(crate) row: String,
    pub(crate) column: String,
    pub(crate) paper: BTreeMap<String, f64>,
    pub(crate) seed: u64,
    pub(crate) work: Work,
}

/// What fills a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// The run with this index in [`TablePlan::runs`].
    Run(usize),
    /// Nothing here, and why.
    Skipped(String),
}

impl PlannedCell {
    /// Whether the run with this index fills the cell.
    pub(crate) fn is_of(&self, index: usize) -> bool {
        self.work == Work::Run(index)
    }
}

/// All cells and runs.
#[derive(Clone, Debug)]
pub(crate) struct TablePlan {
    pub(crate) cells: Vec<PlannedCell>,
    pub(crate) runs: Vec<PlannedRun>,
    /// Values in which these runs differ from the published ones: key, ours, published.
    pub(crate) differences: Vec<(String, String, String)>,
}

/// Composes every cell. Nothing is written, no data is read.
pub(crate) fn plan(manifest: &Manifest, library: &Library, choice: &Choice<'_>) -> Result<TablePlan> {
    let (rows, columns) = (manifest.rows_named(choice.rows)?, manifest.columns_named(choice.columns)?);
    manifest.scale(choice.scale)?;
    let mut plan = TablePlan { cells: Vec::new(), runs: Vec::new(), differences: Vec::new() };
    for &seed in choice.seeds {
        for row in &rows {
            for column in &columns {
                let paper = row.paper.get(&column.name).cloned().unwrap_or_default();
                let work = match &row.paper_only {
                    Some(why) => Work::Skipped(why.clone()),
                    None => cell(manifest, library, choice, (row, column, seed), &mut plan)?,
                };
                let (row, column) = (row.name.clone(), column.name.clone());
                plan.cells.push(PlannedCell { row, column, paper, seed, work });
            }
        }
    }
    if plan.runs.is_empty() {
        let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
        for cell in &plan.cells {
            let Work::Skipped(why) = &cell.work else { continue };
            let place = format!("{} / {}", cell.row, cell.column);
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, places)) => places.push(place),
                None => reasons.push((why.clone(), vec![place])),
            }
        }
        let reasons: Vec<String> =
            reasons.into_iter().map(|(why, places)| format!("{}: {why}", places.join(", "))).collect();
        return Err(input(format!("no cell can be run here. {}", reasons.join("; "))));
    }
    name_shared_runs(&mut plan);
    Ok(plan)
}

/// Composes and checks one cell; gives the run that fills it, which is a new one where no earlier cell has its config.
fn cell(
    manifest: &Manifest,
    library: &Library,
    choice: &Choice<'_>,
    (row, column, seed): (&Row, &Column, u64),
    plan: &mut TablePlan,
) -> Result<Work> {
    let mut composer = Composer::new(library);
    manifest.compose(&mut composer, choice.scale, row, column)?;
    choice.decisions.iter().for_each(|layer| composer.layer(layer.clone()));
    composer.layer(Layer::single(format!("--seeds {seed}"), "seed", &toml::Value::Integer(seed as i64))?);
    for argument in choice.arguments {
        refuse_table_key(manifest, argument)?;
        // What some rows need is for these alone: the others would become another experiment.
        let mut needs = manifest.rows.iter().filter_map(|row| row.needs.as_ref());
        if needs.any(|needs| needs.key == argument.key) && row.needs.as_ref().is_none_or(|n| n.key != argument.key) {
            continue;
        }
        composer.argument(argument)?;
    }
    let mut resolved: Resolved<Config> = composer.resolve()?;
    if let Some(needs) = row.needs.as_ref().filter(|needs| !resolved.provenance.contains_key(&needs.key)) {
        return Ok(Work::Skipped(format!("needs {}: {}", needs.key, needs.how)));
    }
    let data = &mut resolved.config.data;
    match (&column.fetch, data.name, data.root.take()) {
        (Some(fetch), DataName::Folder | DataName::Zip, Some(root)) => match sources::find_root(&root) {
            Some(found) => data.root = Some(found),
            None if choice.without_data => data.root = Some(root),
            None => return Ok(Work::Skipped(format!("{} was not found: {fetch}", root.display()))),
        },
        // A scale that runs on other data leaves the column's folder unread.
        (Some(_), ..) => {}
        (None, _, root) => data.root = root,
    }
    resolved.config.check().or_input()?;
    if plan.runs.is_empty() && manifest.scales.contains_key("paper") {
        let mut published = Composer::new(library);
        manifest.compose(&mut published, "paper", row, column)?;
        plan.differences = differences(&resolved.config, &published.resolve::<Config>()?.config)?;
    }
    let hash = resolved.config.hash();
    let known = plan.runs.iter().position(|run| is_same_run(&run.resolved.config, &resolved.config));
    Ok(Work::Run(known.unwrap_or_else(|| {
        let name = format!("{}-{}-s{seed}-{hash}", slug(&row.name), slug(&column.name));
        plan.runs.push(PlannedRun { name, seed, resolved });
        plan.runs.len() - 1
    })))
}

/// Whether two configs are of one run. The hash leaves out where files lie and what computes; but two folders are two data sets,
/// and two devices are there to be compared.
pub(crate) fn is_same_run(one: &Config, other: &Config) -> bool {
    one.hash() == other.hash() && one.data.root == other.data.root && one.device == other.device
}

/// A run that serves several columns is named by its row alone, where no run on another data set would get that name too.
fn name_shared_runs(plan: &mut TablePlan) {
    let hashes: Vec<String> = plan.runs.iter().map(|run| run.resolved.config.hash()).collect();
    for (index, run) in plan.runs.iter_mut().enumerate() {
        let mut cells = plan.cells.iter().filter(|c| c.is_of(index));
        let alone = hashes.iter().filter(|hash| **hash == hashes[index]).count() == 1;
        if let (Some(first), Some(_), true) = (cells.next(), cells.next(), alone) {
            run.name = format!("{}-s{}-{}", slug(&first.row), run.seed, hashes[index]);
        }
    }
}

/// An override of what the rows and columns set would make all cells the same experiment.
fn refuse_table_key(manifest: &Manifest, argument: &Argument) -> Result<()> {
    let fixed = |what: &str| {
        Err(input(format!(
            "{}: {what}; use --rows and --columns, or `frugan train` for a run of your own",
            argument.name()
        )))
    };
    match argument.key.as_str() {
        "seed" => Err(input(format!("{}: the table's seeds are given by --seeds", argument.name()))),
        "scale" => Err(input(format!("{}: the table's scale is given by --scale", argument.name()))),
        key if manifest.sets_in_cells(key) => fixed("it is what the table's rows and columns vary"),
        _ => Ok(()),
    }
}

/// The values that differ, by key.
fn differences(ours: &Config, published: &Config) -> Result<Vec<(String, String, String)>> {
    let (ours, published) = (leaves_of(ours)?, leaves_of(published)?);
    let mut keys: Vec<&String> = ours.keys().chain(published.keys()).collect();
    keys.sort();
    keys.dedup();
    let text = |value: Option<&Value>| value.map_or_else(|| "none".to_string(), show);
    let of_run = |key: &str| matches!(key, "seed" | "device");
    let all = keys.into_iter().filter(|key| !of_run(key));
    let all = all.map(|key| (key.clone(), text(ours.get(key)), text(published.get(key))));
    Ok(all.filter(|(_, a, b)| a != b).collect())
}

/// A name as part of a file's name: lower case, `-` between words, `+` for commas.
pub(crate) fn slug(name: &str) -> String {
    let mapped = name.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
        ',' => '+',
        _ => '-',
    });
    mapped.collect()
}

/// The scale's sentences, then one for each thing the user changed.
pub(crate) fn deviations(scale: &Scale, choice: &Choice<'_>) -> Vec<String> {
    let mut sentences = scale.deviations.clone();
    sentences.extend(choice.decisions.iter().map(|layer| format!("{}.", layer.name)));
    sentences.extend(choice.arguments.iter().map(|a| format!("Changed by the {}.", a.name())));
    sentences
}
