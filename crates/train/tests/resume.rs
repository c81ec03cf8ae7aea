//! A run that was interrupted ends with the same bytes as one that was not.
#![allow(clippy::unwrap_used, clippy::explicit_write, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use frugan_autograd::Device;
use frugan_train::{Config, Interrupt, Library, Observer, Outcome, Plan, Record, Snapshot, Status, newest_state};

const TINY: &str = r#"
seed = 3
device = "cpu"
[model]
name = "dcgan"
[augment]
policy = "color,translation,cutout"
[loss]
name = "hinge"
lecam = { weight = 0.3, start_itr = 3 }
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 2
ema = { decay = 0.9, start_itr = 2 }
[eval]
network = "random"
num_fakes = 32
every_steps = 4
batch = 16
[train]
steps = 9
tick_steps = 2
save_every_steps = 3
sample_every_steps = 5
monitor_images = 16
"#;

/// StyleGAN2 with ADA, lazy R1 and path length at intervals of their own, and a p that moves: what has state of its own.
const STYLE: &str = concat!(
    "seed = 3\ndevice = \"cpu\"",
    support::stylegan2!(),
    r#"
num_images = 60
[augment.ada]
pipe = "bgc"
controller = "rt"
target = -0.9
kimg = 0.2
interval = 2
[loss.r1]
gamma = 1.0
[loss.path_length]
[optim]
batch = 8
num_d_steps = 1
first = "g"
lazy = { g_interval = 2, d_interval = 3 }
ema = { halflife_kimg = 0.05, rampup = 0.5 }
g = { lr = 0.002, beta1 = 0.0, beta2 = 0.99, eps = 1e-8 }
d = { lr = 0.002, beta1 = 0.0, beta2 = 0.99, eps = 1e-8 }
[eval]
network = "random"
num_fakes = 32
every_steps = 4
batch = 16
[train]
steps = 9
tick_steps = 2
save_every_steps = 3
sample_every_steps = 5
monitor_images = 16
nonfinite = "replace"
"#
);

/// The tricks with draws or a state of their own, all at once.
const TRICKS: &str = r#"
seed = 3
device = "cpu"
[model]
name = "dcgan"
d_labels = "classifier"
minibatch_kernels = 4
[augment]
policy = "cutout"
[loss]
name = "bce"
label_smoothing = 0.1
label_flip = 0.2
bcr = {}
zcr = {}
gradient_penalty = { kind = "dragan" }
apa = { target = -0.9, kimg = 0.2, interval_steps = 2 }
feature_matching = {}
instance_noise = { until_kimg = 0.1 }
acgan = {}
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 2
d = { lr = 0.01 }
ema = { decay = 0.9, start_itr = 2 }
[eval]
network = "random"
num_fakes = 32
every_steps = 4
batch = 16
[train]
steps = 9
tick_steps = 2
save_every_steps = 3
sample_every_steps = 5
monitor_images = 16
early_stop = { patience = 5 }
"#;

fn plan(dir: &Path) -> Plan {
    plan_of(TINY, dir)
}

fn plan_of(config: &str, dir: &Path) -> Plan {
    Plan::new(Config::from_toml(config).unwrap(), dir.into(), &mut Library::new()).unwrap()
}

/// Asks for a stop at a step, as a signal would.
struct StopAt<'a>(u64, &'a Interrupt);

impl Observer for StopAt<'_> {
    fn step(&self, done: u64, _: u64) {
        if done == self.0 {
            self.1.request();
        }
    }
}

/// Every file whose content is a function of the configuration.
fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [dir.to_path_buf(), dir.join("samples")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            if path.is_file() && !name.starts_with("events.") && !["lock", "log.txt"].contains(&name.as_str()) {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn interrupted_runs_end_like_unbroken_ones() {
    ends_like_unbroken(TINY, &STOPS);
}

/// There iterations are graphs, and what they tell waits for the tick's end: none of it is lost by a stop within a tick.
#[test]
fn interrupted_runs_on_a_device_end_like_unbroken_ones() {
    if let Err(error) = Device::Emulated.open() {
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return;
    }
    let config = [
        ("device = \"cpu\"", "device = \"emulated\""),
        ("name = \"non_saturating\"", "name = \"non_saturating\"\nlecam = { weight = 0.3, start_itr = 3 }"),
        ("every_steps = 4", "every_steps = 9"),
        ("num_fakes = 32", "num_fakes = 16"),
        ("tick_steps = 2", "tick_steps = 3"),
    ];
    let config = config.iter().fold(STYLE.to_owned(), |text, (from, to)| text.replace(from, to));
    let stats = ends_like_unbroken(&config, &[5]);
    assert!(stats.iter().all(|record| record.get("loss/d").is_some() && record.get("grad_norm/g").is_some()));
}

#[test]
fn interrupted_runs_with_a_moving_p_and_lazy_penalties_end_like_unbroken_ones() {
    let stats = ends_like_unbroken(STYLE, &STOPS);
    let p: Vec<f64> = stats.iter().map(|record| record.get("augment/p").unwrap()).collect();
    assert!(p.windows(2).any(|pair| pair[0] != pair[1]) && p.last() > Some(&0.0), "{p:?}");
    assert!(stats.iter().any(|record| record.get("loss/r1").is_some()));
    assert!(stats.iter().any(|record| record.get("loss/path_length").is_some()));
}

#[test]
fn interrupted_runs_with_the_tricks_end_like_unbroken_ones() {
    let stats = ends_like_unbroken(TRICKS, &STOPS);
    let p: Vec<f64> = stats.iter().map(|record| record.get("apa/p").unwrap()).collect();
    assert!(p.windows(2).any(|pair| pair[0] != pair[1]) && p.last() > Some(&0.0), "{p:?}");
    let losses = ["bcr", "zcr_d", "zcr_g", "gradient_penalty", "feature_matching", "acgan_d", "acgan_g"];
    for name in losses.map(|name| format!("loss/{name}")) {
        assert!(stats.iter().all(|record| record.get(&name).is_some()), "no {name}");
    }
    let noise: Vec<f64> = stats.iter().map(|record| record.get("instance_noise/std").unwrap()).collect();
    assert!(noise[0] > 0.0 && noise.last() == Some(&0.0), "{noise:?}");
}

/// In the first tick, at one's end, and within another.
const STOPS: [u64; 3] = [1, 4, 5];

/// Gives the ticks of the run.
fn ends_like_unbroken(config: &str, stops: &[u64]) -> Vec<Record> {
    let plan = |dir: &Path| plan_of(config, dir);
    let unbroken = tempfile::tempdir().unwrap();
    let outcome = plan(unbroken.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    assert_eq!(outcome.status, Status::Finished);
    assert_eq!(outcome.last.as_ref().map(|record: &Record| record.step), Some(9));
    let want = content(unbroken.path());
    assert!(want.contains_key("state-9.safetensors") && want.contains_key("stats.jsonl"), "{:?}", want.keys());
    for &stop in stops {
        let broken = tempfile::tempdir().unwrap();
        let interrupt = Interrupt::new();
        let outcome = plan(broken.path()).run(&StopAt(stop, &interrupt), &interrupt).unwrap();
        assert_eq!(outcome.status, Status::Interrupted);
        assert_eq!(newest_state(broken.path()).unwrap(), Some(stop));
        let outcome = plan(broken.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
        assert_eq!(outcome.status, Status::Finished);
        let mut got = content(broken.path());
        // The older of two states is the one that the stop wrote, or the last regular one.
        got.retain(|name, _| want.contains_key(name));
        let mut expected = want.clone();
        expected.retain(|name, _| got.contains_key(name));
        for name in ["state-9.safetensors", "snapshot-9.safetensors", "stats.jsonl", "0000009.png"] {
            assert!(got.contains_key(name), "stop at {stop}: no {name}");
        }
        for (name, bytes) in &expected {
            assert!(*bytes == got[name], "stop at {stop}: {name} differs");
        }
        assert!(plan(broken.path()).is_finished().unwrap());
    }
    frugan_train::read_records(&unbroken.path().join("stats.jsonl")).unwrap()
}

#[test]
fn a_damaged_newest_state_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let interrupt = Interrupt::new();
    plan(dir.path()).run(&StopAt(7, &interrupt), &interrupt).unwrap();
    let newest = dir.path().join("state-7.safetensors");
    let bytes = fs::read(&newest).unwrap();
    fs::write(&newest, &bytes[..bytes.len() / 2]).unwrap();

    #[derive(Default)]
    struct Notes(Mutex<Vec<String>>);
    impl Observer for Notes {
        fn note(&self, line: &str) {
            self.0.lock().unwrap().push(line.into());
        }
    }
    let notes = Notes::default();
    let outcome = plan(dir.path()).run(&notes, &Interrupt::new()).unwrap();
    assert_eq!(outcome.status, Status::Finished);
    let notes = notes.0.into_inner().unwrap().join("\n");
    assert!(notes.contains("passed over a state") && notes.contains("resumed at step 6"), "{notes}");
}

#[test]
fn a_snapshot_rebuilds_its_generator() {
    let dir = tempfile::tempdir().unwrap();
    plan(dir.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let snapshot = Snapshot::load(&dir.path().join("snapshot-9.safetensors"), &Device::Cpu).unwrap();
    assert_eq!((snapshot.about.step, snapshot.about.resolution, snapshot.about.num_classes), (9, 32, 10));
    let mut pixels = Vec::new();
    let (mode, rule) = (frugan_nn::Mode::Batch, frugan_metrics::Uint8Rule::Diffaugment);
    let draw = frugan_train::Draw { count: 20, batch: 8, mode, seed: 0, rule, labels: None };
    frugan_train::fakes(snapshot.generator.as_ref(), draw, &Device::Cpu, |batch| {
        pixels.extend_from_slice(batch);
        Ok(())
    })
    .unwrap();
    assert_eq!(pixels.len(), 20 * 3 * 32 * 32);
    assert!(pixels.iter().any(|p| *p != pixels[0]));
}

#[test]
fn the_outcome_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let outcome = plan(dir.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let eval = Config::from_toml(TINY).unwrap().eval;
    assert_eq!(Outcome::read(dir.path(), Status::Finished, &eval).unwrap(), outcome);
    let best = outcome.best.unwrap();
    let last = outcome.last.unwrap();
    assert!(frugan_train::distance(&best, &eval).unwrap() <= frugan_train::distance(&last, &eval).unwrap());
}

#[test]
fn another_configuration_is_refused_in_the_same_folder() {
    let dir = tempfile::tempdir().unwrap();
    plan(dir.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::from_toml(TINY).unwrap();
        change(&mut config);
        // Ahead of the run, and so ahead of the question whether it is finished.
        let error = Plan::new(config, dir.path().into(), &mut Library::new()).map(drop).unwrap_err();
        assert!(error.is_input() && error.to_string().contains("state-9.safetensors: "), "{error}");
        error.to_string()
    };
    let error = refused(|config| (config.seed, config.optim.batch) = (4, 16));
    assert!(error.contains("another configuration: optim.batch = 16 (there 8), seed = 4 (there 3); go on"), "{error}");
    let error = refused(|config| config.train.steps = 6);
    assert!(error.contains("another configuration: train.steps = 6 (there 9);"), "{error}");
}

#[test]
fn a_run_whose_steps_are_raised_goes_on_like_one_that_was_as_long_from_the_start() {
    // All that is due at the shorter run's end is due there in the longer one too.
    let config = |steps: u64| {
        let mut config = Config::from_toml(TINY).unwrap();
        (config.train.steps, config.train.save_every_steps, config.train.sample_every_steps) = (steps, 4, 4);
        config
    };
    let [longer, raised] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let plan = |steps, dir: &Path| Plan::new(config(steps), dir.into(), &mut Library::new()).unwrap();
    plan(8, longer.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    plan(4, raised.path()).run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let plan = plan(8, raised.path());
    assert!(!plan.is_finished().unwrap());
    plan.run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let [want, got] = [longer, raised].map(|dir| content(dir.path()));
    let differing: Vec<&String> = want.keys().filter(|name| got.get(*name) != want.get(*name)).collect();
    // What the shorter run wrote says how long that was to be.
    assert!(
        differing.iter().all(|name| ["snapshot-4.safetensors", "state-4.safetensors"].contains(&name.as_str())),
        "{differing:?}"
    );
    assert_eq!((got.len(), got.contains_key("state-8.safetensors")), (want.len(), true));
}
