//! What the tests of the binary share: a scratch folder, a clean environment, tiny runs.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for one test; the binary's caches and data lie in it too, so nothing of the user's is seen.
pub(crate) struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The binary, run inside the folder.
    pub(crate) fn frugan(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frugan"));
        command.args(args).current_dir(self.dir.path());
        command.env_remove("FRUGAN_DATA").env_remove("FRUGAN_WEIGHTS");
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    /// Runs to the end; the output's texts.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.frugan(args).output().unwrap())
    }
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.err, self.out);
        self
    }
}

/// Overrides that make a run last seconds: a narrow DCGAN on a few synthetic images.
pub(crate) const TINY: [&str; 12] = [
    "model=dcgan",
    "model.g_ch=8",
    "model.d_ch=8",
    "data.num_images=64",
    "optim.batch=8",
    "eval.num_fakes=32",
    "eval.batch=16",
    "eval.every_steps=6",
    "train.steps=12",
    "train.tick_steps=2",
    "train.save_every_steps=2",
    "train.monitor_images=16",
];

/// `verb`, the tiny overrides, then `more`.
pub(crate) fn tiny<'a>(verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [verb].into_iter().chain(TINY).chain(more.iter().copied()).collect()
}

/// Every file below a folder with its content; nothing where the folder is missing.
pub(crate) fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    collect(dir, dir, &mut files);
    files
}

fn collect(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// A run's files that are a function of its config alone: all but the log, the events and the lock.
pub(crate) fn results(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(dir);
    files.retain(|name, _| !(name == "log.txt" || name == "lock" || name.starts_with("events.")));
    files
}
