//! Lines of `stats.jsonl` and `metric-*.jsonl`, and sums over a tick.
//!
//! These files are a function of the configuration alone: times go to TensorBoard and to the log. So a resumed run's
//! files equal an unbroken run's, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Error, Result};

/// One line: a step and named values. A value that does not exist is `null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// G steps done.
    pub step: u64,
    /// Thousands of real images shown to D.
    pub kimg: f64,
    /// By name, in alphabetical order.
    pub values: BTreeMap<String, Option<f64>>,
}

impl Record {
    /// A value that is there and finite.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied().flatten().filter(|v| v.is_finite())
    }

    pub(crate) fn append_to(&self, path: &Path) -> Result<()> {
        atomic::append_line(path, &serde_json::to_string(self).expect("numbers and texts"))
    }
}

/// All whole lines of a file, oldest first; none if it is absent. A line torn by a crash is left out.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn read_records(path: &Path) -> Result<Vec<Record>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::file("read", path)(source)),
    }
}

/// Leaves the lines up to `step`: a resumed run writes the later ones again.
pub(crate) fn cut_after(path: &Path, step: u64) -> Result<()> {
    let Ok(text) = fs::read_to_string(path) else { return Ok(()) };
    let kept: String = text
        .lines()
        .filter(|line| serde_json::from_str::<Record>(line).is_ok_and(|record| record.step <= step))
        .map(|line| format!("{line}\n"))
        .collect();
    if kept == text { Ok(()) } else { atomic::write(path, kept.as_bytes()) }
}

/// Count, sum and sum of squares by name, since the last tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sums(BTreeMap<String, [f64; 3]>);

impl Sums {
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        let sums = self.0.entry(name.to_string()).or_default();
        sums[0] += 1.0;
        sums[1] += value;
        sums[2] += value * value;
    }

    pub(crate) fn mean(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|[count, sum, _]| sum / count)
    }

    pub(crate) fn total(&self, name: &str) -> f64 {
        self.0.get(name).map_or(0.0, |[_, sum, _]| *sum)
    }

    /// The population variance.
    pub(crate) fn variance(&self, name: &str) -> Option<f64> {
        self.0.get(name).map(|[count, sum, squares]| (squares / count - (sum / count).powi(2)).max(0.0))
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// As bits, for a decimal text may not give the same number back.
    pub(crate) fn to_bits(&self) -> BTreeMap<String, [u64; 3]> {
        self.0.iter().map(|(name, sums)| (name.clone(), sums.map(f64::to_bits))).collect()
    }

    pub(crate) fn from_bits(bits: &BTreeMap<String, [u64; 3]>) -> Self {
        Self(bits.iter().map(|(name, sums)| (name.clone(), sums.map(f64::from_bits))).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(step: u64) -> Record {
        Record {
            step,
            kimg: step as f64 * 0.2,
            values: BTreeMap::from([("loss/d".into(), Some(0.1)), ("is10k".into(), None)]),
        }
    }

    #[test]
    fn a_torn_line_and_later_steps_are_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stats.jsonl");
        for step in [10, 20, 30] {
            record(step).append_to(&path).unwrap();
        }
        atomic::append_line(&path, "{\"step\":40,\"ki").unwrap();
        assert_eq!(read_records(&path).unwrap().len(), 3);
        cut_after(&path, 20).unwrap();
        assert_eq!(read_records(&path).unwrap(), [record(10), record(20)]);
    }

    #[test]
    fn sums_survive_as_bits() {
        let mut sums = Sums::default();
        for value in [0.1, 0.7, -3.3] {
            sums.add("x", value);
        }
        let back = Sums::from_bits(&serde_json::from_str(&serde_json::to_string(&sums.to_bits()).unwrap()).unwrap());
        assert_eq!(back, sums);
        assert!((sums.variance("x").unwrap() - 3.102_222).abs() < 1e-5);
    }
}
