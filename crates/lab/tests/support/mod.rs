//! What the tests of the binary share: a scratch folder, a clean environment, tiny runs.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// No test's program runs longer on two slow cores; one that does hangs, and is to fail here and not at a runner's wall.
const LONGEST: Duration = Duration::from_secs(600);

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
        Ran::of(&mut self.frugan(args))
    }
}

pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::to_the_end(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a process's end; kills it with those that it started, and fails, if it does not come.
    #[track_caller]
    pub(crate) fn to_the_end(mut child: Child) -> Self {
        let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let text = |reader: JoinHandle<Vec<u8>>| String::from_utf8_lossy(&reader.join().unwrap()).into_owned();
        let code = code(&mut child);
        // Where it was killed, `code` fails; who holds its pipes beyond its end is a bug that the deadline is to show too.
        let deadline = Instant::now() + LONGEST;
        while !(out.is_finished() && err.is_finished()) {
            assert!(Instant::now() < deadline, "a process that it started lives on and holds its output");
            sleep(Duration::from_millis(5));
        }
        Self { code, out: text(out), err: text(err) }
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.err, self.out);
        self
    }
}

/// All that comes out of a pipe, if there is one.
fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut bytes = Vec::new();
        pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// The exit code of a process that ends in time.
#[track_caller]
pub(crate) fn code(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + LONGEST;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if Instant::now() >= deadline {
            let id = child.id();
            let started = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            for process in started.split_whitespace().chain([id.to_string().as_str()]) {
                let _ = Command::new("kill").args(["-KILL", process]).status();
            }
            panic!("process {id} did not end within {} s", LONGEST.as_secs());
        }
        sleep(Duration::from_millis(5));
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

/// A run of two steps, whatever the model.
pub(crate) const SHORT: [&str; 6] = [
    "data.num_images=64",
    "optim.batch=8",
    "eval.num_fakes=32",
    "train.steps=2",
    "train.tick_steps=2",
    "train.monitor_images=16",
];

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

/// Whether a run, which may be live, has a state after its start. Looks at names alone, for its files come and go.
pub(crate) fn has_state(run: &Path) -> bool {
    let names = fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let step = |name: &str| name.strip_prefix("state-")?.strip_suffix(".safetensors")?.parse::<u64>().ok();
    names.filter_map(|name| step(name.to_str()?)).any(|step| step > 0)
}

/// A run's files that are a function of its config alone: all but the log, the events and the lock.
pub(crate) fn results(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = contents(dir);
    files.retain(|name, _| !(name == "log.txt" || name == "lock" || name.starts_with("events.")));
    files
}

/// A snapshot of a run of two steps on 64 synthetic images: its path, as an argument.
pub(crate) fn snapshot(scratch: &Scratch, model: &str) -> String {
    let groups: &[&str] = match model {
        "stylegan2" => &[
            "model=stylegan2",
            "optim=stylegan2",
            "loss=stylegan2",
            "model.channel_max=16",
            "model.latent_dim=32",
            "model.w_dim=32",
            "model.mapping_layers=2",
        ],
        _ => &["model=biggan", "optim=biggan", "model.g_ch=4", "model.d_ch=4", "optim.num_d_steps=1"],
    };
    let run = [
        "data.num_images=64",
        "optim.batch=8",
        "eval.num_fakes=32",
        "eval.batch=16",
        "train.steps=2",
        "train.tick_steps=2",
        "train.monitor_images=16",
        "--out",
        "run",
    ];
    scratch.run(&[&["train", "data=synthetic", "eval=random"][..], groups, &run].concat()).succeeded();
    "run/snapshot-2.safetensors".into()
}

/// Weights of LPIPS by a formula, where the binary looks for them: not the trained ones, but a distance.
pub(crate) fn lpips_weights(scratch: &Scratch, net: frugan_metrics::LpipsNet) {
    let (mut header, mut body) = (serde_json::Map::new(), Vec::<u8>::new());
    let mut state = 1_u32;
    for (name, shape) in net.tensors() {
        let (count, start) = (shape.iter().product::<usize>(), body.len());
        let scale = (6.0 / shape[1..].iter().product::<usize>().max(1) as f32).sqrt();
        for _ in 0..count {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let uniform = (state >> 8) as f32 / 16_777_216.0;
            let value = match name.split_once('.') {
                Some((layer, _)) if layer.starts_with("lin") => uniform,
                Some((_, "bias")) => 0.0,
                _ => scale * (2.0 * uniform - 1.0),
            };
            body.extend(value.to_le_bytes());
        }
        let entry = serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [start, body.len()]});
        header.insert(name, entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(body);
    scratch.write(&format!("cache/frugan/weights/lpips-{}.safetensors", net.name()), bytes);
}
