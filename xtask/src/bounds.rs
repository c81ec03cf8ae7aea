//! `cargo xtask bounds TABLE.json BOUNDS.toml`: a reproduced table against committed bounds.
//!
//! A bounds file names its scale, data and network, so that numbers of different protocols are never compared:
//! ```toml
//! scale = "smoke"
//! data = "synthetic"
//! network = "random"
//!
//! [[cells]]
//! row = "DiffAugment"
//! column = "translation,cutout"
//! metric = "frd500_test"
//! at_most = 250.0
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;
use toml::Table;

use crate::input_error;

/// The regression gate of a table
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What `reproduce` wrote, such as OUT/table1.json
    table: PathBuf,
    /// Committed bounds, such as tests/bounds/table1-smoke.toml
    bounds: PathBuf,
}

/// Prints a line for every bound and fails when one does not hold.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let table: Value = serde_json::from_str(&read(&args.table)?)
        .map_err(|error| input_error(format!("{}: not JSON: {error}", args.table.display())))?;
    let bounds: Table = read(&args.bounds)?
        .parse()
        .map_err(|error| input_error(format!("{}: not TOML: {error}", args.bounds.display())))?;
    let report = compare(&table, &bounds).with_context(|| args.bounds.display().to_string())?;
    for line in &report.lines {
        println!("{line}");
    }
    println!("bounds: {} checked, {} failed", report.lines.len(), report.num_failed);
    Ok(if report.num_failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| input_error(format!("{}: {error}", path.display())))
}

#[derive(Debug)]
struct Report {
    lines: Vec<String>,
    num_failed: usize,
}

/// What a cell must say for a bound to be about it.
const PROTOCOL_KEYS: [&str; 3] = ["scale", "data", "network"];

fn compare(table: &Value, bounds: &Table) -> Result<Report> {
    let cells = table["cells"].as_array().ok_or_else(|| input_error("the table has no list `cells`"))?;
    let wanted = bounds.get("cells").and_then(|cells| cells.as_array()).filter(|cells| !cells.is_empty());
    let wanted = wanted.ok_or_else(|| input_error("no [[cells]]: a bounds file without bounds checks nothing"))?;
    let mut report = Report { lines: Vec::new(), num_failed: 0 };
    for bound in wanted {
        let bound = Bound::parse(bound)?;
        let verdict = bound.check(cells, bounds)?;
        report.num_failed += usize::from(!verdict.holds);
        report.lines.push(verdict.line);
    }
    Ok(report)
}

struct Bound<'a> {
    row: &'a str,
    column: &'a str,
    metric: &'a str,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

struct Verdict {
    holds: bool,
    line: String,
}

impl<'a> Bound<'a> {
    fn parse(value: &'a toml::Value) -> Result<Self> {
        let text = |key: &str| {
            value
                .get(key)
                .and_then(toml::Value::as_str)
                .ok_or_else(|| input_error(format!("[[cells]]: `{key}` is missing")))
        };
        let number = |key: &str| value.get(key).and_then(|v| v.as_float().or_else(|| v.as_integer().map(|i| i as f64)));
        let bound = Bound {
            row: text("row")?,
            column: text("column")?,
            metric: text("metric")?,
            at_least: number("at_least"),
            at_most: number("at_most"),
        };
        if bound.at_least.is_none() && bound.at_most.is_none() {
            let Bound { row, column, .. } = bound;
            return Err(input_error(format!("{row} / {column}: neither `at_least` nor `at_most` is a number")));
        }
        Ok(bound)
    }

    fn check(&self, cells: &[Value], file: &Table) -> Result<Verdict> {
        let name = format!("{} / {} {}", self.row, self.column, self.metric);
        let failed = |why: String| Verdict { holds: false, line: format!("FAILED {name}: {why}") };
        // One cell a seed.
        let cells: Vec<&Value> =
            cells.iter().filter(|cell| cell["row"] == self.row && cell["column"] == self.column).collect();
        if cells.is_empty() {
            return Ok(failed("the table has no such cell".into()));
        }
        let mut values = Vec::new();
        for cell in cells {
            for key in PROTOCOL_KEYS {
                if let Some(expected) = file.get(key).and_then(toml::Value::as_str)
                    && cell[key] != expected
                {
                    let message = format!("{name}: the bound is for {key} {expected:?}, the cell's is {}", cell[key]);
                    return Err(input_error(message));
                }
            }
            match metric_value(cell, self.metric) {
                Some(value) => values.push(value),
                None => return Ok(failed(format!("no such number among {}", cell["ours"]))),
            }
        }
        let shown = values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(", ");
        let range = match (self.at_least, self.at_most) {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (Some(low), None) => format!("at least {low}"),
            (None, high) => format!("at most {}", high.unwrap_or(f64::INFINITY)),
        };
        // NaN fails both comparisons, as it must.
        let holds = values.iter().all(|&value| {
            self.at_least.is_none_or(|low| value >= low) && self.at_most.is_none_or(|high| value <= high)
        });
        Ok(if holds {
            Verdict { holds, line: format!("ok     {name}: {shown} ({range})") }
        } else {
            failed(format!("{shown}, expected {range}"))
        })
    }
}

/// `ours` is an object of metrics, each a number.
fn metric_value(cell: &Value, metric: &str) -> Option<f64> {
    cell["ours"].get(metric)?.as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputError;

    const BOUNDS: &str = r#"
        scale = "smoke"
        [[cells]]
        row = "D and G"
        column = "cutout"
        metric = "frd500_test"
        at_least = 10
        at_most = 20.0
    "#;

    fn table(ours: &str) -> Value {
        let text =
            format!(r#"{{"cells": [{{"row": "D and G", "column": "cutout", "scale": "smoke", "ours": {ours}}}]}}"#);
        serde_json::from_str(&text).expect("the test's JSON is valid")
    }

    fn num_failed(ours: &str) -> Result<usize> {
        Ok(compare(&table(ours), &BOUNDS.parse()?)?.num_failed)
    }

    #[test]
    fn values_inside_pass_and_all_else_fails() -> Result<()> {
        assert_eq!(num_failed(r#"{"frd500_test": 15.5}"#)?, 0);
        for outside in [r#"{"frd500_test": 9.9}"#, r#"{"frd500_test": 20.1}"#, r#"{"frd500_test": null}"#, "{}"] {
            assert_eq!(num_failed(outside)?, 1, "{outside}");
        }
        Ok(())
    }

    #[test]
    fn every_seed_must_hold() -> Result<()> {
        let mut table = table(r#"{"frd500_test": 15}"#);
        let mut other = table["cells"][0].clone();
        other["ours"]["frd500_test"] = 25.into();
        table["cells"].as_array_mut().context("a list")?.push(other);
        assert_eq!(compare(&table, &BOUNDS.parse()?)?.num_failed, 1);
        Ok(())
    }

    #[test]
    fn a_missing_cell_fails() -> Result<()> {
        let empty = serde_json::json!({"cells": []});
        assert_eq!(compare(&empty, &BOUNDS.parse()?)?.num_failed, 1);
        Ok(())
    }

    #[test]
    fn another_protocol_is_the_users_error() -> Result<()> {
        let bounds = BOUNDS.replace("smoke", "mini").parse()?;
        let error = compare(&table(r#"{"frd500_test": 15}"#), &bounds).expect_err("the scales differ");
        assert!(error.downcast_ref::<InputError>().is_some(), "{error}");
        Ok(())
    }

    #[test]
    fn a_file_that_checks_nothing_is_an_error() -> Result<()> {
        assert!(compare(&table("{}"), &"scale = 'smoke'".parse()?).is_err());
        assert!(
            compare(&table("{}"), &BOUNDS.replace("at_least = 10", "").replace("at_most = 20.0", "").parse()?).is_err()
        );
        Ok(())
    }
}
