//! The folder of a run: its lock, its names, what is in it.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A run's folder, held by this process.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    // The system lets go of the lock when the file closes, also after kill -9.
    _lock: File,
}

impl RunDir {
    /// Makes the folder if need be and takes its lock.
    ///
    /// # Errors
    /// If another process holds it, or the folder cannot be made.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::file("create", path))?;
        let name = path.join("lock");
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(Error::file("create", &name))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder).map_err(Error::file("read", &name))?;
                return Err(Error::Locked { dir: path.into(), holder: holder.trim().into() });
            }
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", &name)(source)),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "process {}", std::process::id()))
            .map_err(Error::file("write", &name))?;
        fs::create_dir_all(path.join("samples")).map_err(Error::file("create", path.join("samples")))?;
        Ok(Self { path: path.into(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `state-<step>.safetensors`.
    pub fn state(&self, step: u64) -> PathBuf {
        Self::state_in(&self.path, step)
    }

    /// [`RunDir::state`] of a folder that another process holds.
    pub(crate) fn state_in(path: &Path, step: u64) -> PathBuf {
        path.join(format!("state-{step}.safetensors"))
    }

    /// `snapshot-<step>.safetensors`.
    pub fn snapshot(&self, step: u64) -> PathBuf {
        self.file(&format!("snapshot-{step}.safetensors"))
    }

    /// `samples/<step>.png`.
    pub fn samples(&self, step: u64) -> PathBuf {
        self.path.join("samples").join(format!("{step:07}.png"))
    }

    /// `metric-<name>.jsonl`.
    pub fn metric(&self, name: &str) -> PathBuf {
        self.file(&format!("metric-{name}.jsonl"))
    }

    /// The steps of the states in the folder, newest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn states(&self) -> Result<Vec<u64>> {
        numbered(&self.path, "state-")
    }

    /// The steps of the snapshots in the folder, newest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn snapshots(&self) -> Result<Vec<u64>> {
        numbered(&self.path, "snapshot-")
    }

    /// Files `metric-*.jsonl`.
    pub(crate) fn metrics(&self) -> Result<Vec<PathBuf>> {
        Ok(names(&self.path)?
            .into_iter()
            .filter(|name| name.starts_with("metric-") && name.ends_with(".jsonl"))
            .map(|name| self.file(&name))
            .collect())
    }
}

/// The newest state's step in a folder that may not be ours, to see how far a run is.
///
/// # Errors
/// If the folder exists and cannot be read.
pub fn newest_state(path: &Path) -> Result<Option<u64>> {
    if !path.is_dir() {
        return Ok(None);
    }
    Ok(numbered(path, "state-")?.first().copied())
}

fn names(path: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| entry.map(|e| e.file_name())).collect::<std::io::Result<Vec<_>>>())
        .map_err(Error::file("read", path))?
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

fn numbered(path: &Path, prefix: &str) -> Result<Vec<u64>> {
    let mut steps: Vec<u64> = names(path)?
        .iter()
        .filter_map(|name| name.strip_prefix(prefix)?.strip_suffix(".safetensors")?.parse().ok())
        .collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who() {
        let dir = tempfile::tempdir().unwrap();
        let first = RunDir::open(dir.path()).unwrap();
        let error = RunDir::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        RunDir::open(dir.path()).unwrap();
    }

    #[test]
    fn states_come_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::open(dir.path()).unwrap();
        for step in [9, 100, 20] {
            fs::write(run.state(step), b"").unwrap();
        }
        assert_eq!(run.states().unwrap(), [100, 20, 9]);
    }
}
