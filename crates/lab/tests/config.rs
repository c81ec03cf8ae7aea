//! What a command line resolves to: groups over a whole config, files by their own names, the commands that docs print.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use support::{Scratch, snapshot};

#[test]
fn a_group_choice_replaces_its_part_of_a_whole_config() {
    let scratch = Scratch::new();
    let whole = scratch.run(&["train", "--dry-run", "model=mlp", "data.num_images=64"]).succeeded().out;
    scratch.write("c.toml", whole);
    let over =
        |more: &[&str]| scratch.run(&[&["train", "--dry-run", "--config", "c.toml"], more].concat()).succeeded().out;
    assert!(over(&[]).contains("policy = \"translation,cutout\""));
    assert!(over(&["augment=none"]).contains("policy = \"\""));
    let other = over(&["model=biggan-quarter", "data=cifar10", "eval=ada", "scale=paper"]);
    assert!(other.contains("name = \"biggan\"") && !other.contains("layers = "), "{other}");
    assert!(other.contains("name = \"cifar10\"") && !other.contains("num_images"), "{other}");
    assert!(other.contains("reference = \"full\"") && other.contains("steps = 250000"), "{other}");
    let sweep = over(&["-m", "augment=none,diffaugment-color"]);
    assert!(sweep.contains("policy = \"\"") && sweep.contains("policy = \"color,translation,cutout\""), "{sweep}");
}

#[test]
fn a_snapshot_is_measured_by_the_protocol_that_is_asked_for() {
    let scratch = Scratch::new();
    let snapshot = snapshot(&scratch, "biggan");
    let own = scratch.run(&["eval", &snapshot]).succeeded().out;
    assert!(own.contains("frd32_test"), "{own}");
    let other =
        scratch.run(&["eval", &snapshot, "eval=low-shot", "eval.network=random", "eval.num_fakes=48"]).succeeded();
    assert!(other.out.contains("frd48_train"), "{}", other.out);
    let elsewhere = scratch.run(&["eval", &snapshot, "data=cifar10", "data.download=false"]);
    assert_eq!(elsewhere.code, Some(2), "{}", elsewhere.err);
    assert!(elsewhere.err.contains("cifar10 was not found"), "{}", elsewhere.err);
    let inception = scratch.run(&["eval", &snapshot, "eval=low-shot", "eval.download=false"]);
    assert_eq!(inception.code, Some(2), "{}", inception.err);
    assert!(inception.err.contains("cargo xtask assets inception"), "{}", inception.err);
}

#[test]
fn a_users_file_is_called_as_it_is() {
    let scratch = Scratch::new();
    scratch.write("mine/optim/o.toml", "[optim]\nbatch = 24\n");
    scratch.write("mine/loss/l.toml", "[loss]\nname = \"hing\"\n");
    let out = scratch.run(&["config", "--configs", "mine", "optim=o"]).succeeded().out;
    assert!(out.contains("# mine/optim/o.toml:2") && out.contains("# configs/data/synthetic.toml:3"), "{out}");
    let wrong = scratch.run(&["config", "--configs", "mine", "loss=l"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("(mine/loss/l.toml:2)"), "{}", wrong.err);
}

/// What stands between backquotes after **Config.** on a page of docs/tricks.md, where it is arguments alone.
fn commands_of_the_tricks() -> Vec<Vec<String>> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tricks.md")).unwrap();
    let paragraphs = page.split("\n\n").filter_map(|paragraph| paragraph.trim_start().strip_prefix("**Config.**"));
    let quoted = paragraphs.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2));
    let commands = quoted.map(|text| text.split_whitespace().map(|word| word.replace('"', "")).collect::<Vec<_>>());
    let is_argument =
        |word: &String| word.split_once('=').is_some_and(|(key, value)| !key.is_empty() && !value.is_empty());
    commands.filter(|words| words.iter().all(is_argument)).collect()
}

#[test]
fn the_tricks_commands_resolve() {
    let scratch = Scratch::new();
    let commands = commands_of_the_tricks();
    assert!(commands.len() >= 14, "{commands:?}");
    for command in commands {
        let args: Vec<&str> = ["config"].into_iter().chain(command.iter().map(String::as_str)).collect();
        let ran = scratch.run(&args);
        assert_eq!(ran.code, Some(0), "{command:?}: {}", ran.err);
    }
}
