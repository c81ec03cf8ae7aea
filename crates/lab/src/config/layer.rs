//! One source of config values: a file, an argument, or a decision of the program.

use std::collections::BTreeMap;

use anyhow::Result;
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use toml::de::{DeTable, DeValue};

use crate::failure::{InputContext, input};

/// Values of one source, as a tree, with the line of each.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// What a user calls the source: a file's path, an argument as typed, or a sentence.
    pub(crate) name: String,
    pub(crate) dict: Dict,
    pub(super) lines: BTreeMap<String, usize>,
    /// Whether an argument is the source, or picked the file that is.
    pub(super) is_asked: bool,
}

impl Layer {
    /// All keys of a TOML text; `name` is the file's path.
    pub(crate) fn from_toml(name: &str, text: &str) -> Result<Self> {
        let table: toml::Table = toml::from_str(text).map_err(|e| toml_error(name, text, &e))?;
        Ok(Self { name: name.into(), dict: dict_of(&table)?, lines: lines_of(text), is_asked: false })
    }

    /// A part of a manifest: `table` is what stands under `prefix` in the file `name`.
    pub(crate) fn from_part(name: &str, text: &str, prefix: &str, table: &toml::Table) -> Result<Self> {
        let lines = lines_of(text);
        let below = format!("{prefix}.");
        let lines = lines.into_iter().filter_map(|(key, line)| Some((key.strip_prefix(&below)?.to_string(), line)));
        Ok(Self { name: name.into(), dict: dict_of(table)?, lines: lines.collect(), is_asked: false })
    }

    /// One value at a dotted key.
    pub(crate) fn single(name: String, key: &str, value: &toml::Value) -> Result<Self> {
        Ok(Self { name, dict: nested(key, Value::serialize(value)?), lines: BTreeMap::new(), is_asked: false })
    }

    /// The source of one key in words: `configs/model/biggan.toml:3`, or the argument.
    pub(crate) fn source(&self, key: &str) -> String {
        match self.lines.get(key) {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        }
    }

    /// Dotted keys of all values, in order; a table that is empty counts as a value.
    pub(crate) fn leaves(&self) -> Vec<(String, Value)> {
        let mut leaves = Vec::new();
        collect_leaves("", &self.dict, &mut leaves);
        leaves
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.dict.clone()))
    }
}

pub(crate) fn collect_leaves(prefix: &str, dict: &Dict, leaves: &mut Vec<(String, Value)>) {
    for (key, value) in dict {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Dict(_, inner) if !inner.is_empty() => collect_leaves(&path, inner, leaves),
            _ => leaves.push((path, value.clone())),
        }
    }
}

/// The tree that holds one value at a dotted key.
pub(super) fn nested(key: &str, value: Value) -> Dict {
    key.rsplit('.')
        .fold(value, |inner, part| Dict::from([(part.to_string(), inner)]).into())
        .into_dict()
        .unwrap_or_default()
}

/// One `key=value` of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Argument {
    pub(crate) key: String,
    /// The value's text as typed; [`Argument::value`] reads it.
    pub(crate) text: String,
}

impl Argument {
    pub(crate) fn parse(argument: &str) -> Result<Self> {
        let (key, text) = argument
            .split_once('=')
            .ok_or_else(|| input(format!("`{argument}` is not an override: write key=value, e.g. seed=1")))?;
        let good =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !key.split('.').all(good) {
            return Err(input(format!("`{key}` in `{argument}` is not a key: write a.b=value")));
        }
        Ok(Self { key: key.into(), text: text.into() })
    }

    /// The text as a TOML value; what is none is a string (`translation,cutout`, `runs/a`).
    pub(crate) fn value(&self) -> toml::Value {
        read_value(&self.text)
    }

    pub(crate) fn name(&self) -> String {
        format!("argument `{}={}`", self.key, self.text)
    }

    pub(crate) fn layer(&self) -> Result<Layer> {
        Ok(Layer { is_asked: true, ..Layer::single(self.name(), &self.key, &self.value())? })
    }
}

/// A value of the command line: TOML where it is TOML, else a string.
pub(crate) fn read_value(text: &str) -> toml::Value {
    match text.parse::<toml::Value>() {
        Ok(toml::Value::Datetime(_)) | Err(_) => toml::Value::String(text.into()),
        Ok(value) => value,
    }
}

fn dict_of(table: &toml::Table) -> Result<Dict> {
    match Value::serialize(table)? {
        Value::Dict(_, dict) => Ok(dict),
        other => Err(anyhow::anyhow!("a table became {}", other.to_actual())),
    }
}

/// The line (from 1) of each dotted key.
pub(crate) fn lines_of(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        collect_lines(text, "", table.get_ref(), &mut lines);
    }
    lines
}

fn collect_lines(text: &str, prefix: &str, table: &DeTable<'_>, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        let line = 1 + text[..key.span().start].matches('\n').count();
        match value.get_ref() {
            DeValue::Table(inner) => collect_lines(text, &path, inner, lines),
            DeValue::Array(items) => {
                for (i, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        collect_lines(text, &format!("{path}.{i}"), inner, lines);
                    }
                }
            }
            _ => {}
        }
        lines.insert(path, line);
    }
}

/// A TOML error as one line that names file and line.
pub(crate) fn toml_error(name: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let place = match error.span() {
        Some(span) => format!("{name}:{}", 1 + text[..span.start.min(text.len())].matches('\n').count()),
        None => name.to_string(),
    };
    Err::<(), _>(anyhow::anyhow!("{}", error.message().replace('\n', ", "))).input(place).expect_err("it is an error")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn values_are_toml_or_strings() {
        assert_eq!(read_value("2e-4"), toml::Value::Float(2e-4));
        assert_eq!(read_value("translation,cutout"), toml::Value::String("translation,cutout".into()));
        assert_eq!(read_value(""), toml::Value::String(String::new()));
        assert_eq!(read_value("2026-01-01"), toml::Value::String("2026-01-01".into()));
        assert!(read_value("{d_real=true}").is_table());
        assert_eq!(read_value("\"1\""), toml::Value::String("1".into()));
    }

    #[test]
    fn a_key_knows_its_line() {
        let layer = Layer::from_toml("x.toml", "seed = 1\n[a]\nb = 2\n\n[a.c]\nd.e = 3\n").unwrap();
        assert_eq!(layer.source("seed"), "x.toml:1");
        assert_eq!(layer.source("a.b"), "x.toml:3");
        assert_eq!(layer.source("a.c.d.e"), "x.toml:6");
        let keys: Vec<String> = layer.leaves().into_iter().map(|(k, _)| k).collect();
        assert_eq!(keys, ["a.b", "a.c.d.e", "seed"]);
    }

    #[test]
    fn a_broken_file_names_its_line() {
        let error = Layer::from_toml("x.toml", "a = 1\nb = = 2\n").unwrap_err();
        assert!(format!("{error:#}").starts_with("x.toml:2: "), "{error:#}");
    }

    #[test]
    fn an_argument_needs_a_key_and_a_value() {
        assert!(Argument::parse("seed").is_err());
        assert!(Argument::parse("a..b=1").is_err());
        assert_eq!(Argument::parse("a.b=c=d").unwrap().text, "c=d");
    }
}
