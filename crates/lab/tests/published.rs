//! A published config never changes: the resolved form of the papers' tables is kept beside this test.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::Path;

use support::Scratch;

/// The lines of a dry run without comments, which name files and their lines and may change.
fn resolved(args: &[&str]) -> String {
    let ran = Scratch::new().run(args).succeeded();
    let lines = ran.out.lines().filter(|line| !line.starts_with("# estimate: "));
    let lines = lines.map(|line| match line.starts_with("# run ") {
        // A run's name ends in its hash, which pins every value too.
        true => line,
        false => line.split("  #").next().unwrap_or_default().trim_end(),
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[track_caller]
fn check(name: &str, args: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published").join(name);
    let got = resolved(args);
    if std::env::var_os("FRUGAN_ACCEPT").is_some() {
        fs::write(&path, &got).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(got == kept, "{} differs; after a wanted change run the test with FRUGAN_ACCEPT=1\n{got}", path.display());
    got
}

#[test]
fn table1_as_published() {
    check("table1-paper.txt", &["reproduce", "table1", "--scale", "paper", "--dry-run"]);
}

#[test]
fn table1_at_mini() {
    check("table1-mini.txt", &["reproduce", "table1", "--scale", "mini", "--dry-run"]);
}

/// What a run costs is counted on the CPU, whatever arithmetic it is to have.
#[test]
fn a_dry_run_in_bf16_has_its_estimate() {
    let one = ["--rows", "BigGAN", "--columns", "10 %", "--dry-run", "precision=bf16"];
    let ran = Scratch::new().run(&[&["reproduce", "table5", "--scale", "mini"][..], &one].concat()).succeeded();
    assert!(ran.out.contains("# estimate: G ") && ran.out.contains("precision = \"bf16\""), "{}", ran.out);
}

#[test]
fn the_cifar_tables_as_published() {
    check("table5-paper.txt", &["reproduce", "table5", "--scale", "paper", "--dry-run"]);
    check("table6-paper.txt", &["reproduce", "table6", "--scale", "paper", "--dry-run"]);
    check("ada-cifar10-paper.txt", &["reproduce", "ada-cifar10", "--scale", "paper", "--dry-run"]);
}

#[test]
fn the_low_shot_table_as_published() {
    let text = check("low-shot-paper.txt", &["reproduce", "low-shot", "--scale", "paper", "--dry-run"]);
    assert!(text.starts_with("# low-shot: 10 runs fill 40 cells\n"), "each folder is a data set of its own");
}

#[test]
fn the_ffhq_table_as_published() {
    let text = check("ffhq-paper.txt", &["reproduce", "ffhq", "--scale", "paper", "--dry-run"]);
    assert!(text.starts_with("# ffhq: 18 runs fill 18 cells\n"), "each folder is a data set of its own");
}

#[test]
fn the_studies_at_a_tenth_of_the_data() {
    check("model-size-paper.txt", &["reproduce", "model-size", "--scale", "paper", "--dry-run"]);
    check("r1-strength-paper.txt", &["reproduce", "r1-strength", "--scale", "paper", "--dry-run"]);
}

#[test]
fn the_published_numbers_are_the_papers() {
    // BigGAN on CIFAR-10 as DiffAugment's scripts launch it.
    let text = resolved(&["reproduce", "table1", "--scale", "paper", "--dry-run"]);
    for line in [
        "name = \"biggan\"",
        "g_ch = 64",
        "latent_dim = 128",
        "bn_group = 25",
        "name = \"hinge\"",
        "name = \"cifar10\"",
        "mirror = true",
        "batch = 50",
        "num_d_steps = 4",
        "lr = 0.0002",
        "beta1 = 0.0",
        "beta2 = 0.999",
        "decay = 0.9999",
        "start_itr = 1000",
        "network = \"inception\"",
        "num_fakes = 10000",
        "reference = \"test\"",
        "every_steps = 4000",
        "generator_mode = \"batch\"",
        "steps = 250000",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    assert!(text.starts_with("# table1: 10 runs fill 12 cells\n"), "{text}");
}
