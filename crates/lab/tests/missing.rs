//! What stands in for data and weights that are not here, and where nothing does.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Ran, Scratch, tiny};

const CELL: [&str; 7] = ["reproduce", "table1", "--out", "out", "--rows", "none", "--columns=translation"];

/// A cell of table 1, where no weights and no data are to be had.
fn cell(more: &[&str]) -> (Scratch, Ran) {
    let scratch = Scratch::new();
    let ran = scratch.run(&[&CELL[..], &["eval.download=false", "data.download=false"], more].concat());
    (scratch, ran)
}

#[track_caller]
fn refused((scratch, ran): (Scratch, Ran), says: &[&str]) {
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let error = ran.err.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(says.iter().all(|part| error.contains(part)), "{error}");
    assert!(!scratch.path("out").exists(), "nothing is begun");
}

const WEIGHTS: [&str; 2] = ["cargo xtask assets inception", "eval.network = \"random\""];

#[test]
fn a_run_is_not_measured_by_another_network_than_it_names() {
    let scratch = Scratch::new();
    let ran = scratch.run(&tiny("train", &["eval=diffaugment", "eval.download=false", "--out", "out"]));
    refused((scratch, ran), &WEIGHTS);
    refused(cell(&["data=synthetic", "--scale", "mini"]), &WEIGHTS);
    refused(cell(&["data=synthetic", "--scale", "paper"]), &WEIGHTS);
}

#[test]
fn what_a_group_choice_names_is_asked_for() {
    refused(cell(&["--scale", "smoke", "data=cifar10"]), &["cifar10 was not found"]);
    refused(cell(&["--scale", "smoke", "eval=ada"]), &WEIGHTS);
    refused(cell(&["--scale", "mini-cpu", "data=synthetic", "eval=diffaugment"]), &WEIGHTS);
}

#[test]
fn small_scales_run_without_and_a_dry_run_says_so() {
    let sentence = "the random-feature network measures (frd, no FID)";
    let dry = Scratch::new().run(&[&CELL[..], &["--scale", "mini-cpu", "--dry-run"]].concat()).succeeded();
    assert!(dry.err.contains("where a run cannot download them") && dry.err.contains(sentence), "{}", dry.err);
    assert!(dry.out.contains("network = \"random\""), "{}", dry.out);
    let small =
        ["model.g_ch=4", "model.d_ch=4", "optim.batch=4", "data.num_images=32", "eval.num_fakes=32", "train.steps=2"];
    let (scratch, ran) = cell(&[&["--scale", "mini-cpu", "data=synthetic"], &small[..]].concat());
    let ran = ran.succeeded();
    assert!(ran.err.contains(sentence) && ran.err.contains("network random"), "{}", ran.err);
    assert!(scratch.path("out/table1.md").is_file());
}
