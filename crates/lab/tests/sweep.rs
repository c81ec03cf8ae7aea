//! A sweep's folder, its tables and its JSON.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Ran, SHORT, Scratch};

/// A sweep of runs of two steps.
fn sweep(scratch: &Scratch, more: &[&str]) -> Ran {
    scratch.run(&[&["train", "-m", "model=mlp", "model.width=8"], &SHORT[..], more].concat())
}

/// The folders of the sweeps, sorted.
fn folders(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path("runs/sweep")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn json(scratch: &Scratch, folder: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(scratch.path(&format!("{folder}/sweep.json"))).unwrap()).unwrap()
}

#[test]
fn another_sweep_has_another_folder_and_the_same_one_finds_its_runs() {
    let scratch = Scratch::new();
    sweep(&scratch, &["seed=0,1"]).succeeded();
    let again = sweep(&scratch, &["seed=0,1"]).succeeded();
    assert_eq!(again.err.matches("finished before").count(), 2, "{}", again.err);
    assert_eq!(folders(&scratch).len(), 1);
    sweep(&scratch, &["seed=0,1", "optim.g.lr=1e-3"]).succeeded();
    let folders = folders(&scratch);
    assert!(folders.len() == 2 && folders.iter().all(|name| name.starts_with("seed-")), "{folders:?}");
}

#[test]
fn seeds_have_a_mean_and_a_spread() {
    let scratch = Scratch::new();
    let ran = sweep(&scratch, &["--out", "sweep", "seed=0,1", "augment=none,diffaugment"]).succeeded();
    let rows: Vec<&str> = ran.out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), (2 + 4) + (2 + 2), "{}", ran.out);
    assert!(rows[0].contains("| seed") && rows[0].contains("augment"), "{}", ran.out);
    assert!(!rows[6].contains("| seed ") && rows[6].contains("| seeds") && rows[8].contains("±"), "{}", ran.out);
    assert!(fs::read_to_string(scratch.path("sweep/sweep.md")).unwrap().contains(rows[8]));

    let json = json(&scratch, "sweep");
    let value = |run: usize| json["runs"][run]["metrics"]["frd32_test"].as_f64().unwrap();
    let runs = json["runs"].as_array().unwrap();
    let of = |run: usize| (&runs[run]["values"]["seed"], runs[run]["values"]["augment"].as_str().unwrap());
    assert_eq!((runs.len(), of(0), of(2)), (4, (&0.into(), "none"), (&1.into(), "none")));
    let mean = &json["over_seeds"][0];
    assert_eq!(mean["values"]["augment"], "none");
    let (expected, spread) = ((value(0) + value(2)) / 2.0, (value(0) - value(2)).abs() / 2f64.sqrt());
    let number = |key: &str| mean["metrics"]["frd32_test"][key].as_f64().unwrap();
    assert!((number("mean") - expected).abs() < 1e-9 * expected && (number("std") - spread).abs() < 1e-9 * expected);
    assert!(scratch.path("sweep").join(runs[0]["run"].as_str().unwrap()).join("config.toml").is_file());
}

#[test]
fn runs_without_a_frechet_distance_show_their_ends() {
    let scratch = Scratch::new();
    let ran = sweep(&scratch, &["--out", "sweep", "optim.g.lr=1e-3,1e-4", "eval.metrics=[\"kid\"]"]).succeeded();
    let rows: Vec<&str> = ran.out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 2 + 2, "no seed is swept: {}", ran.out);
    assert!(rows[0].contains("krd32_test") && rows[2].contains("2 (last)"), "{}", ran.out);
    let json = json(&scratch, "sweep");
    assert_eq!((&json["runs"][0]["is_best"], &json["over_seeds"]), (&false.into(), &serde_json::json!([])));
    assert!(json["runs"][0]["metrics"]["krd32_test"].is_number(), "{json}");
}
