//! A run under two protocols at once: both are measured on one set of fakes, its own chooses the snapshot.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use frugan_train::{Config, Interrupt, Library, Outcome, Plan, Record, Status, distance};

const TWO: &str = r#"
device = "cpu"
[model]
name = "dcgan"
[loss]
name = "hinge"
[data]
name = "synthetic"
num_images = 60
[optim]
batch = 8
num_d_steps = 1
[eval]
network = "random"
num_fakes = 32
reference = "full"
metrics = ["fid"]
also = ["fid16_test", "kid40_train"]
every_steps = 0
batch = 16
uint8 = "stylegan"
[train]
steps = 2
tick_steps = 2
save_every_steps = 2
sample_every_steps = 0
monitor_images = 16
"#;

#[test]
fn both_protocols_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::from_toml(TWO).unwrap();
    let plan = Plan::new(config.clone(), dir.path().into(), &mut Library::new()).unwrap();
    let line = plan.evaluation().describe();
    assert!(line.contains("32 fakes") && line.contains("and fid16_test, kid40_train"), "{line}");
    let whole = plan.evaluation().reference().len();
    assert!(whole > 60, "all {whole} training images, though the run trains on 60");
    let outcome = plan.run(&frugan_train::Silent, &Interrupt::new()).unwrap();
    let values = outcome.last.unwrap().values;
    let names: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(names, ["frd16_test", "frd32_full", "krd40_train", "krd40_train_std"]);
    assert!(values.values().all(Option::is_some), "{values:?}");
    assert_eq!(Outcome::read(dir.path(), Status::Finished, &config.eval).unwrap().best.unwrap().step, 2);
}

#[test]
fn the_runs_own_distance_chooses_the_snapshot() {
    let mut eval = Config::from_toml(TWO).unwrap().eval;
    let values = [("frd16_test", 1.0), ("frd32_full", 7.0), ("krd40_train", 0.1)];
    let values: BTreeMap<String, Option<f64>> = values.map(|(name, value)| (name.to_string(), Some(value))).into();
    let record = Record { step: 2, kimg: 0.0, values };
    assert_eq!(distance(&record, &eval), Some(7.0));
    eval.num_fakes = 64; // its own distance was not measured
    assert_eq!(distance(&record, &eval), Some(1.0));
}
