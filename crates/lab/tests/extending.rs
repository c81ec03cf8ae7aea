//! docs/extending.md quotes files as they are, one line registers each example, and the two train together.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Scratch, contents};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The files that the page quotes, with the code of each: the path is the last one in backquotes ahead of the block.
fn quotes() -> Vec<(String, String)> {
    let page = read("docs/extending.md");
    let mut found = Vec::new();
    let mut file = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(path) = line.split('`').skip(1).step_by(2).find(|part| part.contains('/') && part.contains('.')) {
            file = path.into();
        }
        if line == "```rust" || line == "```toml" {
            let code: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((file.clone(), code.join("\n") + "\n"));
        }
    }
    found
}

#[test]
fn every_quote_is_its_file() {
    let quotes = quotes();
    let files: Vec<&str> = quotes.iter().map(|(file, _)| file.as_str()).collect();
    let expected = [
        "crates/augment/src/extras/grayscale.rs",
        "crates/augment/src/extras/mod.rs",
        "configs/augment/grayscale.toml",
        "crates/models/src/mlp.rs",
        "crates/models/src/lib.rs",
        "configs/model/mlp.toml",
    ];
    assert_eq!(files, expected);
    for (file, code) in &quotes {
        let text = read(file);
        // A registration is a line of its file; all else is quoted whole.
        let is_whole = code.lines().count() > 1;
        assert!(
            if is_whole { text == *code } else { text.contains(code.as_str()) },
            "docs/extending.md differs from {file}"
        );
    }
}

/// Lines of code below `crates/*/src` that have one of the words, but for the example's own file and for comments.
fn lines_with(words: &[&str], own: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (file, bytes) in contents(&root().join("crates")) {
        if !file.contains("/src/") || !file.ends_with(".rs") || format!("crates/{file}") == own {
            continue;
        }
        let text = String::from_utf8(bytes).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        found.extend(
            code.filter(|line| words.iter().any(|word| line.contains(word))).map(|line| format!("{file}: {line}")),
        );
    }
    found
}

#[test]
fn one_line_registers_each() {
    let grayscale = lines_with(&["grayscale", "Grayscale"], "crates/augment/src/extras/grayscale.rs");
    assert_eq!(grayscale, ["augment/src/extras/mod.rs:     grayscale::Grayscale,"]);
    let mlp = lines_with(&["mlp", "Mlp"], "crates/models/src/mlp.rs");
    assert_eq!(mlp, ["models/src/lib.rs:     Mlp: mod mlp::MlpConfig,"]);
}

#[test]
fn the_examples_train_together_and_their_snapshot_is_read_back() {
    let scratch = Scratch::new();
    let overrides = [
        "train",
        "--out",
        "run",
        "model=mlp",
        "augment=grayscale",
        "model.width=16",
        "model.latent_dim=8",
        "data.num_images=64",
        "optim.batch=8",
        "eval.num_fakes=32",
        "eval.batch=16",
        "eval.every_steps=4",
        "train.steps=4",
        "train.tick_steps=2",
        "train.save_every_steps=4",
        "train.monitor_images=16",
    ];
    scratch.run(&overrides).succeeded();
    let log = fs::read_to_string(scratch.path("run/log.txt")).unwrap();
    assert!(log.contains("mlp on synthetic") && log.contains("T = \"translation,cutout,grayscale\""), "{log}");
    let ran = scratch.run(&["generate", "run/snapshot-4.safetensors", "--out", "grid.png"]).succeeded();
    assert!(scratch.path("grid.png").exists(), "{}", ran.out);
    let page = scratch.run(&["config"]).succeeded().out;
    assert!(page.contains("mlp") && page.contains("grayscale"), "{page}");
}
