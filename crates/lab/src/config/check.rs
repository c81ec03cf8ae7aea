//! Which value of a config's layers is wrong.

use anyhow::Result;
use figment::Figment;
use figment::error::Kind;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::layer::{Layer, collect_leaves, nested};
use super::suggest::nearest;
use super::words::reason;
use super::{did_you_mean, show};
use crate::failure::input;

/// An error unless `key` is one of the config's.
pub(super) fn check_key<T: DeserializeOwned>(defaults: &Dict, layer: &Layer, key: &str, value: &Value) -> Result<()> {
    let mut at = defaults;
    let parts: Vec<&str> = key.split('.').collect();
    for (i, part) in parts.iter().enumerate() {
        match at.get(*part) {
            Some(Value::Dict(_, inner)) => at = inner,
            // An absent optional table: its own keys are checked when the config is read.
            Some(Value::Empty(..)) => return Ok(()),
            Some(_) if i + 1 == parts.len() => return Ok(()),
            Some(value) => {
                let name = parts[..=i].join(".");
                let rule = format!("`{name}` is a value (such as {}), not a table", show(value));
                return Err(input(format!("`{key}` ({}): {rule}", layer.source(key))));
            }
            None => {
                // An optional value that is absent by default is not among the defaults: the config itself knows.
                let siblings = match alone::<T>(defaults, layer, key, value) {
                    Err((Kind::UnknownField(unknown, fields), path)) => {
                        // The path of the table ends in the unknown key itself.
                        let table = path.strip_suffix(&[unknown]).unwrap_or(&path);
                        fields.iter().map(|f| join(table, f)).collect::<Vec<_>>()
                    }
                    _ => return Ok(()),
                };
                let mut known = Vec::new();
                collect_leaves("", defaults, &mut known);
                let all: Vec<&str> =
                    known.iter().map(|(k, _)| k.as_str()).chain(siblings.iter().map(String::as_str)).collect();
                let near = match nearest(key, &all) {
                    Some(name) => format!("; did you mean `{name}`?"),
                    None => did_you_mean(&parts[..=i].join("."), siblings.iter().map(String::as_str)),
                };
                return Err(input(format!("unknown key `{key}` ({}){near}", layer.source(key))));
            }
        }
    }
    Ok(())
}

fn join(parts: &[String], last: &str) -> String {
    parts.iter().map(String::as_str).chain([last]).collect::<Vec<_>>().join(".")
}

/// Names the value behind a type error: the first one that fails on top of the defaults alone.
pub(super) fn culprit<T: DeserializeOwned>(defaults: &Dict, stack: &[Layer], error: figment::Error) -> anyhow::Error {
    for layer in stack.iter().rev() {
        for (key, value) in layer.leaves() {
            let shown = show(&value);
            if let Err((kind, _)) = alone::<T>(defaults, layer, &key, &value) {
                let base = Figment::from(Serialized::defaults(defaults));
                return input(format!(
                    "`{key} = {shown}` ({}): {}",
                    layer.source(&key),
                    reason::<T>(&base, &key, &kind)
                ));
            }
        }
    }
    let place = error.path.join(".");
    input(format!("{place}: {}", reason::<T>(&Figment::from(Serialized::defaults(defaults)), &place, &error.kind)))
}

/// Whether one value on top of the defaults makes a config; else what is wrong, and with which table.
fn alone<T: DeserializeOwned>(
    defaults: &Dict,
    layer: &Layer,
    key: &str,
    value: &Value,
) -> Result<(), (Kind, Vec<String>)> {
    let only = Layer { dict: nested(key, value.clone()), ..layer.clone() };
    let figment = Figment::from(Serialized::defaults(defaults)).merge(only);
    figment.extract::<T>().map(drop).map_err(|error| (error.kind, error.path))
}
