//! The file format of an experiment: `experiments/<paper>/<table>.toml`.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use crate::config::{Composer, Layer, did_you_mean};
use crate::failure::{InputContext, input};

/// A table: rows and columns of config changes, the paper's numbers, and the scales at which it can be run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) title: String,
    /// The paper, in words that find it.
    pub(crate) source: String,
    /// What rows and columns are, as the report heads them.
    #[serde(default = "model")]
    pub(crate) rows_are: String,
    #[serde(default = "data")]
    pub(crate) columns_are: String,
    pub(crate) metrics: Vec<MetricSpec>,
    pub(crate) base: Change,
    pub(crate) rows: Vec<Row>,
    pub(crate) columns: Vec<Column>,
    pub(crate) scales: BTreeMap<String, Scale>,
    #[serde(skip)]
    pub(crate) path: String,
    #[serde(skip)]
    text: String,
}

fn model() -> String {
    "model".into()
}

fn data() -> String {
    "data".into()
}

/// A metric of the paper's numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricSpec {
    /// The key in `paper`, and the family of our metric's name (`is`, `fid`) or, where a run measures several of a
    /// family, the whole of it (`fid10k_test`, `fid50k_full`).
    pub(crate) name: String,
    pub(crate) label: String,
    /// Whether the snapshot to report is the one with the lowest value of this metric.
    #[serde(default)]
    pub(crate) select: bool,
}

/// Config changes: group files to pick, and values over them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) config: toml::Table,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The paper's numbers: column, then metric.
    #[serde(default)]
    pub(crate) paper: BTreeMap<String, BTreeMap<String, f64>>,
    /// Rows of one family share a scale's values: `biggan`, `stylegan2`.
    #[serde(default)]
    family: Option<String>,
    /// Why this row is never run here and stands with the paper's numbers alone.
    #[serde(default)]
    pub(crate) paper_only: Option<String>,
    /// What the row needs besides the data, such as `transfer.from`: without it its cells are skipped with this sentence.
    #[serde(default)]
    pub(crate) needs: Option<Needs>,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    config: toml::Table,
    /// What the row changes in one column only.
    #[serde(default)]
    at: BTreeMap<String, Change>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// What to fetch, and whither, for data that no command brings: where it is not found the column is skipped.
    #[serde(default)]
    pub(crate) fetch: Option<String>,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    config: toml::Table,
}

/// A value that the user must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Needs {
    /// The config key.
    pub(crate) key: String,
    /// How to come by it, in a sentence.
    pub(crate) how: String,
}

/// One size at which the table can be run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    pub(crate) summary: String,
    /// What differs from the published protocol, a sentence each.
    #[serde(default)]
    pub(crate) deviations: Vec<String>,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    config: toml::Table,
    /// Changes for the rows of one family.
    #[serde(default)]
    families: BTreeMap<String, Change>,
    /// Changes in one column.
    #[serde(default)]
    columns: BTreeMap<String, Change>,
    /// Changes in one row, such as how fast its controller is to react in a short run.
    #[serde(default)]
    rows: BTreeMap<String, Change>,
}

impl Manifest {
    /// Reads and checks a manifest; `path` names it in errors.
    pub(crate) fn read(path: &str, text: &str) -> Result<Self> {
        let mut manifest: Self = toml::from_str(text).map_err(|e| crate::config::toml_error(path, text, &e))?;
        manifest.path = path.into();
        manifest.text = text.into();
        manifest.check().input(path)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            return Err(input(format!(
                "name = {:?}: the report's files are named by it, so want letters, digits, - and _ only",
                self.name
            )));
        }
        let selected = self.metrics.iter().filter(|m| m.select).count();
        if selected != 1 {
            return Err(input(format!("exactly one metric must have select = true, not {selected}")));
        }
        if self.rows.is_empty() || self.columns.is_empty() || self.scales.is_empty() {
            return Err(input("a table needs rows, columns and scales"));
        }
        unique("row", self.rows.iter().map(|r| r.name.as_str()))?;
        unique("column", self.columns.iter().map(|c| c.name.as_str()))?;
        self.check_parts()?;
        for row in &self.rows {
            for (column, numbers) in &row.paper {
                if !self.columns.iter().any(|c| c.name == *column) {
                    let near = did_you_mean(column, self.columns.iter().map(|c| c.name.as_str()));
                    return Err(input(format!("row `{}`: paper has no column `{column}`{near}", row.name)));
                }
                for (metric, value) in numbers {
                    if !self.metrics.iter().any(|m| m.name == *metric) || !value.is_finite() {
                        let near = did_you_mean(metric, self.metrics.iter().map(|m| m.name.as_str()));
                        return Err(input(format!("row `{}`: paper's `{metric} = {value}` is none{near}", row.name)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Changes for a part of the table name a part that is there.
    fn check_parts(&self) -> Result<()> {
        let columns: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let rows: Vec<&str> = self.rows.iter().map(|r| r.name.as_str()).collect();
        let families: Vec<&str> = self.rows.iter().filter_map(|r| r.family.as_deref()).collect();
        let known = |place: String, name: &str, all: &[&str]| match all.contains(&name) {
            true => Ok(()),
            false => {
                Err(input(format!("{place}: the table has no `{name}`{}", did_you_mean(name, all.iter().copied()))))
            }
        };
        for row in &self.rows {
            row.at.keys().try_for_each(|name| known(format!("row `{}`, at", row.name), name, &columns))?;
        }
        for (scale, at) in &self.scales {
            at.columns.keys().try_for_each(|name| known(format!("scales.{scale}.columns"), name, &columns))?;
            at.families.keys().try_for_each(|name| known(format!("scales.{scale}.families"), name, &families))?;
            at.rows.keys().try_for_each(|name| known(format!("scales.{scale}.rows"), name, &rows))?;
        }
        Ok(())
    }

    /// The scale of this name.
    pub(crate) fn scale(&self, name: &str) -> Result<&Scale> {
        self.scales.get(name).ok_or_else(|| {
            let near = did_you_mean(name, self.scales.keys().map(String::as_str));
            input(format!("--scale {name}: the table `{}` has no such scale{near}", self.name))
        })
    }

    /// Lays base, column, row and scale over each other, each whole ahead of what is for a part of the table only.
    pub(crate) fn compose(&self, composer: &mut Composer<'_>, scale: &str, row: &Row, column: &Column) -> Result<()> {
        let at = self.scale(scale)?;
        let row_index = self.rows.iter().position(|r| r.name == row.name).unwrap_or_default();
        let column_index = self.columns.iter().position(|c| c.name == column.name).unwrap_or_default();
        let part = |prefix: String, change: &'_ Change| (prefix, change.groups.clone(), change.config.clone());
        let mut parts = vec![
            part("base".into(), &self.base),
            (format!("columns.{column_index}"), column.groups.clone(), column.config.clone()),
            (format!("rows.{row_index}"), row.groups.clone(), row.config.clone()),
        ];
        parts.extend(row.at.get(&column.name).map(|c| part(format!("rows.{row_index}.at.{}", column.name), c)));
        parts.push((format!("scales.{scale}"), at.groups.clone(), at.config.clone()));
        let family = row.family.as_ref().and_then(|name| at.families.get_key_value(name));
        parts.extend(family.map(|(name, change)| part(format!("scales.{scale}.families.{name}"), change)));
        let narrow = at.columns.get_key_value(&column.name);
        parts.extend(narrow.map(|(name, change)| part(format!("scales.{scale}.columns.{name}"), change)));
        let single = at.rows.get_key_value(&row.name);
        parts.extend(single.map(|(name, change)| part(format!("scales.{scale}.rows.{name}"), change)));
        for (prefix, groups, config) in parts {
            for (group, choice) in &groups {
                composer.pick(group, choice, &self.path)?;
            }
            composer.layer(Layer::from_part(&self.path, &self.text, &format!("{prefix}.config"), &config)?);
        }
        Ok(())
    }

    /// Whether a row or column sets `key`, or a group or table that contains it.
    pub(crate) fn sets_in_cells(&self, key: &str) -> bool {
        let rows = self.rows.iter().map(|r| (&r.groups, &r.config));
        let columns = self.columns.iter().map(|c| (&c.groups, &c.config));
        let cells = self.rows.iter().flat_map(|r| r.at.values()).map(|c| (&c.groups, &c.config));
        rows.chain(columns).chain(cells).any(|(groups, config)| groups.contains_key(key) || reaches(config, key))
    }

    /// The rows that `wanted` names, all where it is empty; in the table's order.
    pub(crate) fn rows_named(&self, wanted: &[String]) -> Result<Vec<&Row>> {
        let keep = named("row", wanted, self.rows.iter().map(|r| r.name.as_str()).collect())?;
        Ok(self.rows.iter().filter(|r| keep.contains(&r.name.as_str())).collect())
    }

    /// The columns that `wanted` names, all where it is empty; in the table's order.
    pub(crate) fn columns_named(&self, wanted: &[String]) -> Result<Vec<&Column>> {
        let keep = named("column", wanted, self.columns.iter().map(|c| c.name.as_str()).collect())?;
        Ok(self.columns.iter().filter(|c| keep.contains(&c.name.as_str())).collect())
    }
}

/// Whether `key` is one of the table's values, lies in one, or contains one.
fn reaches(table: &toml::Table, key: &str) -> bool {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    match table.get(first) {
        Some(toml::Value::Table(inner)) if !rest.is_empty() => reaches(inner, rest),
        Some(_) => true,
        None => false,
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(input(format!("two {what}s are named `{name}`")));
        }
        seen.push(name);
    }
    Ok(())
}

/// The names that a filter keeps. An item is a whole name or several with commas between; case and all signs but
/// letters and digits do not matter (`reals-only`, `translation+cutout`).
fn named<'a>(what: &str, wanted: &[String], all: Vec<&'a str>) -> Result<Vec<&'a str>> {
    let bare = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let find = |name: &str| all.iter().copied().find(|known| bare(known) == bare(name));
    if wanted.is_empty() {
        return Ok(all);
    }
    let mut keep = Vec::new();
    for item in wanted {
        if let Some(name) = find(item) {
            keep.push(name);
            continue;
        }
        for part in item.split(',') {
            let near = || did_you_mean(part.trim(), all.iter().copied());
            keep.push(find(part).ok_or_else(|| input(format!("--{what}s: there is no {what} `{part}`{}", near())))?);
        }
    }
    Ok(keep)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn filters_take_names_with_commas_and_lists() {
        let all = vec!["color,translation,cutout", "translation,cutout", "translation"];
        let pick =
            |wanted: &[&str]| named("column", &wanted.iter().map(|s| s.to_string()).collect::<Vec<_>>(), all.clone());
        assert_eq!(pick(&["translation,cutout"]).unwrap(), ["translation,cutout"]);
        assert_eq!(pick(&["translation-cutout", "translation"]).unwrap(), ["translation,cutout", "translation"]);
        assert!(pick(&["colour"]).is_err());
    }
}
