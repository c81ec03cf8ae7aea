//! A table from the command to its report, in a shrunk form; sweeps, measuring and drawing on what it leaves.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Scratch, contents, results, tiny};

const SHRUNK: [&str; 8] = [
    "model.g_ch=4",
    "model.d_ch=4",
    "optim.batch=4",
    "data.num_images=32",
    "eval.num_fakes=32",
    "eval.every_steps=2",
    "train.steps=4",
    "train.tick_steps=2",
];

fn reproduce<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["reproduce", "table1", "--out", "out"].into_iter().chain(SHRUNK).chain(more.iter().copied()).collect()
}

#[test]
fn a_table_runs_each_config_once_and_reports_every_cell() {
    let scratch = Scratch::new();
    let rows = ["--columns", "translation,cutout", "--columns", "translation", "--rows", "none,D only"];
    let ran = scratch.run(&reproduce(&rows)).succeeded();
    assert!(ran.err.contains("3 runs fill 4 cells"), "{}", ran.err);
    assert!(ran.err.contains("cifar10 was not found") && ran.err.contains("cargo xtask assets cifar10"), "{}", ran.err);
    assert!(
        ran.err.contains("device cpu, data synthetic (32 images") && ran.err.contains("network random"),
        "{}",
        ran.err
    );

    let json: serde_json::Value = serde_json::from_slice(&fs::read(scratch.path("out/table1.json")).unwrap()).unwrap();
    let cells = json["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    for cell in cells {
        assert!(cell["ours"]["frd32_test"].as_f64().unwrap() > 0.0, "{cell}");
        assert!(cell["ours"]["is32"].is_null(), "{cell}");
        assert_eq!(
            (&cell["data"], &cell["network"], &cell["scale"]),
            (&"synthetic".into(), &"random".into(), &"smoke".into())
        );
        assert!(scratch.path("out").join(cell["run"].as_str().unwrap()).join("config.toml").is_file());
    }
    assert_eq!(cells[0]["run"], cells[1]["run"], "the baseline stands in both columns");
    assert_eq!(cells[0]["paper"]["fid"], 9.59);
    let command = json["command"].as_str().unwrap();
    assert!(command.starts_with("frugan reproduce table1 ") && command.ends_with(" --rows 'none,D only'"), "{command}");
    let sentences = json["deviations"].to_string();
    assert!(sentences.contains("synthetic set") && sentences.contains("argument `optim.batch=4`"), "{sentences}");
    let keys = json["differences"].to_string();
    assert!(keys.contains("optim.batch") && keys.contains("data.name"), "{keys}");

    // The same command skips what is there and changes nothing.
    let before = contents(&scratch.path("out"));
    let again = scratch.run(&reproduce(&rows)).succeeded();
    assert_eq!(again.err.matches("finished before").count(), 3, "{}", again.err);
    let after = contents(&scratch.path("out"));
    assert!(before == after, "a finished table is left as it is");
}

#[test]
fn a_run_that_ended_early_is_finished() {
    let scratch = Scratch::new();
    // Rates at which nothing is learned: the second evaluation is no better than the first.
    let still = [
        "model=dcgan",
        "optim.g.lr=1e-30",
        "optim.d.lr=1e-30",
        "train.early_stop.patience=1",
        "eval.every_steps=1",
        "--columns",
        "translation",
        "--rows",
        "none",
    ];
    let ran = scratch.run(&reproduce(&still)).succeeded();
    assert!(ran.err.contains("ended early at step 2 of 4: frd32_test was best at step 1"), "{}", ran.err);
    assert!(ran.err.contains("train.early_stop.patience = 1: one unlucky evaluation"), "{}", ran.err);
    let first = contents(&scratch.path("out"));
    let again = scratch.run(&reproduce(&still)).succeeded();
    assert!(again.err.contains("finished before"), "{}", again.err);
    let table = |files: &std::collections::BTreeMap<String, Vec<u8>>| files["table1.json"].clone();
    assert_eq!(table(&first), table(&contents(&scratch.path("out"))));
}

#[test]
fn rows_that_start_from_a_trained_model_wait_for_it_and_take_it_alone() {
    let dry = |more: &[&str]| {
        let args = [&["reproduce", "low-shot", "--scale", "smoke", "--dry-run", "--columns", "Obama"], more].concat();
        Scratch::new().run(&args)
    };
    let waiting = dry(&["--rows", "FreezeD,Scale/shift"]);
    assert_eq!(waiting.code, Some(2));
    assert!(waiting.err.contains("FreezeD / Obama: needs transfer.from: give transfer.from=FILE"), "{}", waiting.err);
    let given = dry(&["--rows", "FreezeD", "transfer.from=state-9.safetensors"]).succeeded().out;
    assert!(given.contains("freeze_d = 2") && given.contains("from = \"state-9.safetensors\""), "{given}");
    let scratch = dry(&["--rows", "StyleGAN2", "transfer.from=state-9.safetensors"]).succeeded().out;
    assert!(!scratch.contains("transfer"), "a row from scratch stays one: {scratch}");
    let both = dry(&["transfer.from=state-9.safetensors"]).succeeded().out;
    assert!(both.starts_with("# low-shot: 7 runs fill 8 cells\n"), "{both}");
}

#[test]
fn a_config_file_of_a_run_runs_the_same_again() {
    let scratch = Scratch::new();
    scratch.run(&tiny("train", &["--out", "a"])).succeeded();
    let config = fs::read_to_string(scratch.path("a/config.toml")).unwrap();
    assert!(config.contains("# argument `optim.batch=8`"), "{config}");
    scratch.run(&["train", "--config", "a/config.toml", "--out", "b"]).succeeded();
    let (mut a, mut b) = (results(&scratch.path("a")), results(&scratch.path("b")));
    // Its comments name another source.
    a.remove("config.toml");
    b.remove("config.toml");
    assert!(a == b, "{:?} {:?}", a.keys(), b.keys());
}

#[test]
fn a_sweep_ends_in_a_table_of_its_runs() {
    let scratch = Scratch::new();
    let args = tiny(
        "train",
        &["-m", "--out", "sweep", "seed=0,1", "augment.policy=\"\",\"translation,cutout\"", "train.steps=2"],
    );
    let ran = scratch.run(&args).succeeded();
    let table: Vec<&str> = ran.out.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(table.len(), (2 + 4) + (2 + 2), "runs, then means over the seeds: {}", ran.out);
    assert!(
        table[0].contains("seed") && table[0].contains("augment.policy") && table[0].contains("frd32_test"),
        "{}",
        ran.out
    );
    assert!(scratch.path("sweep/sweep.md").is_file());
    let again = scratch.run(&args).succeeded();
    assert_eq!(again.err.matches("finished before").count(), 4, "{}", again.err);
}

#[test]
fn a_snapshot_is_measured_and_drawn() {
    let scratch = Scratch::new();
    scratch.run(&tiny("train", &["--out", "run"])).succeeded();
    let snapshot = "run/snapshot-12.safetensors";
    let eval = scratch.run(&["eval", snapshot, "--out", "eval.json"]).succeeded();
    let json: serde_json::Value = serde_json::from_slice(&fs::read(scratch.path("eval.json")).unwrap()).unwrap();
    let line = fs::read_to_string(scratch.path("run/metric-frd32_test.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
    assert_eq!(json["scores"]["frd32_test"], last["values"]["frd32_test"], "{}", eval.out);
    assert!(json["scores"]["leak"].is_number(), "{}", eval.out);
    assert!(json["floor"].as_object().unwrap().keys().any(|name| name.starts_with("frd")), "{json}");

    scratch.run(&["generate", snapshot, "--seed", "3", "--classes", "1,2", "--out", "a.png"]).succeeded();
    scratch.run(&["generate", snapshot, "--seed", "3", "--classes", "1,2", "--out", "b.png"]).succeeded();
    let (a, b) = (fs::read(scratch.path("a.png")).unwrap(), fs::read(scratch.path("b.png")).unwrap());
    assert!(a == b && a.starts_with(b"\x89PNG"));
    let bad = scratch.run(&["generate", snapshot, "--classes", "10"]);
    assert_eq!(bad.code, Some(2), "{}", bad.err);
    assert!(bad.err.contains("classes 0 to 9"), "{}", bad.err);
    assert!(!scratch.path("samples.png").exists());
}
