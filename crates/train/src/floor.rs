//! `floor.json`: what the reals of a run's metrics have against themselves, written at its first evaluation.

use std::collections::BTreeMap;
use std::path::Path;

use crate::atomic;
use crate::error::{Error, Result};
use crate::evaluation::Evaluation;

const FILE: &str = "floor.json";

/// Writes the file where there is none: no step of the run changes it.
pub(crate) fn write_once(dir: &Path, evaluation: &Evaluation) -> Result<()> {
    let path = dir.join(FILE);
    if path.exists() {
        return Ok(());
    }
    let text = serde_json::to_string(&evaluation.floor()?).expect("names and numbers can be written") + "\n";
    atomic::write(&path, text.as_bytes())
}

/// The floor of a run's metrics by their names ([`Evaluation::floor`]); nothing where the run has not measured yet.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read_floor(dir: &Path) -> Result<BTreeMap<String, f64>> {
    let path = dir.join(FILE);
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    serde_json::from_str(&text).map_err(|e| Error::state(&path, format!("{e}; remove it and run the command again")))
}
