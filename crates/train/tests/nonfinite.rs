//! What happens when values are not finite: a learning rate that no network survives.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use frugan_train::{Config, Error, Interrupt, Library, Outcome, Plan, Silent, read_records};

const DOOMED: &str = r#"
device = "cpu"
[model]
name = "dcgan"
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 1
g = { lr = 1e38 }
[eval]
network = "random"
num_fakes = 16
metrics = ["fid"]
batch = 16
[train]
steps = 6
tick_steps = 1
save_every_steps = 1
monitor_images = 8
"#;

fn run(policy: &str, dir: &Path) -> Result<Outcome, Error> {
    let mut config = Config::from_toml(DOOMED).unwrap();
    config.train.nonfinite = policy.parse().unwrap();
    Plan::new(config, dir.into(), &mut Library::new()).unwrap().run(&Silent, &Interrupt::new())
}

#[test]
fn a_stop_names_tensor_op_state_and_replay() {
    let dir = tempfile::tempdir().unwrap();
    let error = run("stop", dir.path()).unwrap_err();
    assert!(matches!(error, Error::NonFinite(_)), "{error}");
    let text = error.to_string();
    for part in ["step ", "not finite", "first: op ", "last good state: state-", "replay: frugan train --config"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let log = std::fs::read_to_string(dir.path().join("log.txt")).unwrap();
    assert!(log.lines().last().unwrap().ends_with(&text), "{log}");
}

#[test]
fn skipping_stops_when_its_patience_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(run("skip:2", dir.path()).unwrap_err(), Error::NonFinite(_)));
    let skipped: f64 = read_records(&dir.path().join("stats.jsonl"))
        .unwrap()
        .iter()
        .filter_map(|record| record.get("nonfinite/skipped"))
        .sum();
    assert!((1.0..=2.0).contains(&skipped), "{skipped}");
}

#[test]
fn replacing_goes_on_and_counts_by_tensor() {
    let dir = tempfile::tempdir().unwrap();
    // Fakes that are not finite cannot be measured: the run may end there, but not in a training step.
    if let Err(error) = run("replace", dir.path()) {
        assert!(!matches!(error, Error::NonFinite(_)), "{error}");
    }
    let records = read_records(&dir.path().join("stats.jsonl")).unwrap();
    assert_eq!(records.last().unwrap().step, 6);
    let counted = |name: &String| name.starts_with("nonfinite/d.") || name.starts_with("nonfinite/g.");
    assert!(records.iter().any(|record| record.values.keys().any(counted)));
}
