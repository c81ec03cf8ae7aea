//! A resolved config as TOML in which every line tells where its value came from.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::Resolved;
use super::layer::lines_of;

/// The config as TOML, each value with a comment that names its source; defaults have none.
pub(crate) fn annotated<T: Serialize>(resolved: &Resolved<T>) -> Result<String> {
    let text = toml::to_string(&resolved.config)?;
    let mut keys_of_line: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (key, line) in lines_of(&text) {
        keys_of_line.entry(line).or_default().push(key);
    }
    let lines: Vec<&str> = text.lines().collect();
    let width = lines.iter().map(|l| l.chars().count()).filter(|w| *w <= 48).max().unwrap_or(0);
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        let keys = keys_of_line.get(&(i + 1)).map_or(&[][..], Vec::as_slice);
        let comments: Vec<String> = keys.iter().filter_map(|key| comment(resolved, key)).collect();
        match comments.is_empty() || line.starts_with('[') {
            true => out.push_str(line),
            false => out.push_str(&format!("{line:width$}  # {}", comments.join("; "))),
        }
        out.push('\n');
    }
    Ok(out)
}

fn comment<T>(resolved: &Resolved<T>, key: &str) -> Option<String> {
    let provenance = resolved.provenance.get(key)?;
    Some(match &provenance.over {
        Some((value, source)) => format!("{}, over {value} of {source}", provenance.source),
        None => provenance.source.clone(),
    })
}
