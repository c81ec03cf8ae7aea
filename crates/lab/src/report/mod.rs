//! A reproduced table: ours against the paper's, as JSON, Markdown and SVG.

mod figure;
mod grid;
mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::failure::InputContext;
use crate::runs::lift;
use crate::table::MetricSpec;

pub(crate) use grid::Grid;
pub(crate) use markdown::{floor_lines, is_part, mean_and_deviation, number, results_grid, spread};

/// Everything that the three renderings show.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) table: String,
    pub(crate) title: String,
    /// The paper.
    pub(crate) source: String,
    pub(crate) scale: String,
    /// What the scale is, in a sentence.
    pub(crate) summary: String,
    /// The published protocol's differences, a sentence each.
    pub(crate) deviations: Vec<String>,
    /// Values that differ from the published ones: key, ours, published.
    pub(crate) differences: Vec<(String, String, String)>,
    pub(crate) device: String,
    pub(crate) version: String,
    pub(crate) commit: String,
    /// The command that made it.
    pub(crate) command: String,
    pub(crate) cells: Vec<Cell>,
    /// What rows and columns are.
    #[serde(skip)]
    pub(crate) rows_are: String,
    #[serde(skip)]
    pub(crate) columns_are: String,
    #[serde(skip)]
    pub(crate) metrics: Vec<MetricSpec>,
    #[serde(skip)]
    pub(crate) curves: Vec<Curve>,
}

/// One cell for one seed.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cell {
    pub(crate) row: String,
    pub(crate) column: String,
    /// The paper's numbers by metric.
    pub(crate) paper: BTreeMap<String, f64>,
    /// Our numbers at the best snapshot; `null` is a metric that the network cannot give.
    pub(crate) ours: BTreeMap<String, Option<f64>>,
    /// The G step of the best snapshot.
    pub(crate) step: Option<u64>,
    /// Our numbers at the end of the run.
    pub(crate) last: BTreeMap<String, Option<f64>>,
    pub(crate) last_step: Option<u64>,
    /// D's accuracy on training images minus that on held-out ones, the mean over the run's last tenth.
    pub(crate) last_gap: Option<f64>,
    /// What the reals of these metrics have against themselves, one half against the other.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) floor: BTreeMap<String, f64>,
    /// The metrics of the run's own protocol, without those of `eval.also`.
    #[serde(skip)]
    pub(crate) own: Vec<String>,
    /// What a number means: fakes, statistics, reference, selection.
    pub(crate) protocol: String,
    pub(crate) data: String,
    pub(crate) num_images: usize,
    /// Of the training images' content.
    pub(crate) fingerprint: String,
    pub(crate) network: String,
    pub(crate) scale: String,
    pub(crate) seed: u64,
    /// The run's directory below the report's.
    pub(crate) run: String,
    /// Why the run came to no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// Why nothing was run for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

/// The metrics of one run over its length.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) row: String,
    pub(crate) column: String,
    pub(crate) points: Vec<(u64, BTreeMap<String, Option<f64>>)>,
    /// D's accuracy on training images minus that on held-out ones, a tick each.
    pub(crate) gaps: Vec<(u64, f64)>,
}

impl Report {
    /// Writes `<table>.json`, `.md` and `.svg` into `dir`, each whole or not at all; returns their paths.
    pub(crate) fn write(&self, dir: &Path) -> Result<Vec<PathBuf>> {
        fs::create_dir_all(dir).input(dir.display())?;
        let texts = [
            ("json", serde_json::to_string_pretty(self)? + "\n"),
            ("svg", figure::svg(self)?),
            ("md", markdown::page(self)),
        ];
        let mut paths = Vec::new();
        for (extension, text) in texts {
            let path = dir.join(format!("{}.{extension}", self.table));
            frugan_train::write_atomic(&path, text.as_bytes()).map_err(lift)?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// The names of our metrics that stand beside the paper's `spec`: the same name; or the same family, those of the
    /// runs' own protocol first; and for a distance the random network's stand-in under its own name.
    pub(crate) fn ours_for(&self, spec: &MetricSpec) -> Option<&str> {
        let own = || self.cells.iter().flat_map(|cell| &cell.own);
        let all = || self.cells.iter().flat_map(|cell| cell.ours.keys().chain(cell.last.keys()));
        let of = |wanted: &str| {
            all().find(|name| *name == wanted).or_else(|| own().chain(all()).find(|name| family(name) == wanted))
        };
        let stand_in = || spec.name.strip_prefix("fid").and_then(|rest| of(&format!("frd{rest}")));
        of(&spec.name).or_else(stand_in).map(String::as_str)
    }

    /// The metric by which the best snapshot is chosen.
    pub(crate) fn selecting(&self) -> &MetricSpec {
        self.metrics.iter().find(|m| m.select).unwrap_or(&self.metrics[0])
    }
}

/// `fid10k_test` is of the family `fid`.
pub(crate) fn family(metric: &str) -> &str {
    let end = metric.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(metric.len());
    &metric[..end]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A small table with two seeds, one metric without a value and one run that is not there yet.
    fn report() -> Report {
        let spec = |name: &str, label: &str, select| MetricSpec { name: name.into(), label: label.into(), select };
        let mut cells = Vec::new();
        let mut curves = Vec::new();
        for (row, paper, ours) in [("none", 9.59, 30.0), ("D only", 114.14, 80.0)] {
            for column in ["translation,cutout", "translation"] {
                for seed in [0, 1] {
                    let value = ours + seed as f64;
                    let values = BTreeMap::from([("frd256_test".into(), Some(value)), ("is256".into(), None)]);
                    let unfinished = row == "D only" && column == "translation";
                    let points =
                        vec![(30, BTreeMap::from([("frd256_test".into(), Some(2.0 * value))])), (60, values.clone())];
                    let gaps = vec![(20, 0.1), (40, 0.2), (60, 0.3)];
                    curves.push(Curve { row: row.into(), column: column.into(), points, gaps });
                    cells.push(Cell {
                        row: row.into(),
                        column: column.into(),
                        paper: BTreeMap::from([("fid".into(), paper), ("is".into(), 9.06)]),
                        ours: if unfinished { BTreeMap::new() } else { values.clone() },
                        step: (!unfinished).then_some(60),
                        last: if unfinished { BTreeMap::new() } else { values },
                        last_step: (!unfinished).then_some(60),
                        last_gap: (!unfinished).then_some(0.3),
                        protocol: "256 fakes".into(),
                        data: "synthetic".into(),
                        num_images: 200,
                        fingerprint: "0123456789ab".into(),
                        network: "random".into(),
                        scale: "smoke".into(),
                        seed,
                        run: format!("{row}-{seed}"),
                        ..Cell::default()
                    });
                }
            }
        }
        Report {
            table: "table1".into(),
            title: "Where T acts".into(),
            source: "the paper".into(),
            scale: "smoke".into(),
            summary: "minutes".into(),
            deviations: vec!["Fewer steps.".into()],
            differences: vec![("optim.batch".into(), "16".into(), "50".into())],
            device: "cpu".into(),
            version: "0.1.0".into(),
            commit: "0123".into(),
            command: "frugan reproduce table1".into(),
            rows_are: "where T acts".into(),
            columns_are: "T".into(),
            metrics: vec![spec("is", "IS", false), spec("fid", "FID", true)],
            cells,
            curves,
        }
    }

    #[test]
    fn the_table_shows_ours_beside_the_papers() {
        let text = results_grid(&report()).render();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + 4, "{text}");
        assert!(lines[0].contains("paper FID") && lines[0].contains("ours frd256_test"), "{text}");
        assert!(lines[2].contains("none") && lines[2].contains("9.59") && lines[2].contains("30.50 ± 0.707"), "{text}");
        assert!(lines[2].contains("n/a (no logits)"), "{text}");
        assert!(lines[0].contains("D's gap") && lines[2].contains("0.300"), "{text}");
        assert!(lines[5].contains("D only") && lines[5].contains("| -"), "{text}");
    }

    #[test]
    fn a_metric_named_whole_is_that_one_and_a_family_its_first() {
        let mut report = report();
        for cell in &mut report.cells {
            cell.ours.insert("frd512_full".into(), Some(1.0));
            cell.ours.insert("frd100_train".into(), Some(1.0));
            cell.own = vec!["frd256_test".into()];
        }
        let ours = |name: &str| {
            let spec = MetricSpec { name: name.into(), label: "FID".into(), select: true };
            report.ours_for(&spec).map(str::to_owned)
        };
        assert_eq!(ours("fid").as_deref(), Some("frd256_test"));
        assert_eq!(ours("fid512_full").as_deref(), Some("frd512_full"));
        assert_eq!(ours("fid50k_full"), None);
    }

    #[test]
    fn the_floor_stands_once_for_all_columns_or_by_column() {
        let mut report = report();
        assert!(markdown::floor_lines(&report).is_empty());
        for cell in &mut report.cells {
            cell.floor = [("frd128_test", 0.5), ("krd128_test", 0.001), ("krd128_test_std", 0.2)].map(owned).into();
        }
        report.cells[0].floor.extend([("frd64_full", 0.75)].map(owned));
        let lines = markdown::floor_lines(&report);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with("has frd128_test 0.500, frd64_full 0.750, krd128_test 0.00100"), "{lines:?}");
        report.cells.retain(|cell| cell.column == "translation");
        let alone = "floor: one half of the reals against the other has frd128_test 0.500, krd128_test 0.00100";
        assert_eq!(markdown::floor_lines(&report), [alone]);
    }

    fn owned((name, value): (&str, f64)) -> (String, f64) {
        (name.to_string(), value)
    }

    #[test]
    fn a_report_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let paths = report().write(dir.path()).unwrap();
        assert_eq!(paths.len(), 3);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no temporary file stays");
        let json: serde_json::Value = serde_json::from_str(&fs::read_to_string(&paths[0]).unwrap()).unwrap();
        let cell = &json["cells"][0];
        for key in ["row", "column", "paper", "ours", "protocol", "data", "network", "scale", "seed", "run"] {
            assert!(cell.get(key).is_some(), "{key}");
        }
        assert_eq!(cell["ours"]["frd256_test"], 30.0);
        let svg = fs::read_to_string(&paths[1]).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        let page = fs::read_to_string(&paths[2]).unwrap();
        assert!(
            page.contains("Fewer steps.") && page.contains("`optim.batch`") && page.contains("seeds: 0, 1"),
            "{page}"
        );
    }
}
