//! A state in a snapshot's place, a class that is none, a run that stops: each is one sentence.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Ran, SHORT, Scratch};

/// The sentence of a command that is refused.
fn refused(scratch: &Scratch, args: &[&str]) -> String {
    let ran = scratch.run(args);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", ran.err);
    errors[0].into()
}

#[test]
fn a_state_is_told_from_a_snapshot() {
    let scratch = Scratch::new();
    scratch.run(&[&["train", "model=mlp", "model.width=8"], &SHORT[..], &["--out", "run"]].concat()).succeeded();
    scratch.write("a.png", "no picture");
    let state = "run/state-2.safetensors";
    for args in [&["generate", state][..], &["eval", state], &["project", state, "a.png"]] {
        let sentence = refused(&scratch, args);
        assert!(sentence.contains("that is a state") && sentence.contains("snapshot-STEP.safetensors"), "{sentence}");
    }
    let negative = refused(&scratch, &["generate", "run/snapshot-2.safetensors", "--threshold", "-1"]);
    assert!(negative.contains("--threshold -1: expected numbers from 0.01 up"), "{negative}");
}

#[test]
fn a_class_begins_a_conditional_models_projection() {
    let scratch = Scratch::new();
    let model = [
        "train",
        "model=stylegan2",
        "optim=stylegan2",
        "loss=stylegan2",
        "model.conditional=true",
        "model.channel_max=16",
        "model.latent_dim=32",
        "model.w_dim=32",
        "model.mapping_layers=2",
    ];
    scratch.run(&[&model[..], &SHORT, &["--out", "run"]].concat()).succeeded();
    image::RgbImage::new(32, 32).save(scratch.path("a.png")).unwrap();
    let project = ["project", "run/snapshot-2.safetensors", "a.png", "--distance", "pixels", "--steps", "2", "--class"];
    scratch.run(&[&project[..], &["1"]].concat()).succeeded();
    let sentence = refused(&scratch, &[&project[..], &["10"]].concat());
    assert!(sentence.contains("--class 10: the snapshot has the classes 0 to 9"), "{sentence}");
    std::fs::copy(scratch.path("a.png"), scratch.path("projection/projection.png")).unwrap();
    let over = ["project", "run/snapshot-2.safetensors", "projection/projection.png", "--steps", "2"];
    let sentence = refused(&scratch, &over);
    assert!(sentence.contains("--out projection/projection.png: that file is read here"), "{sentence}");
}

#[test]
fn no_backtrace_stands_in_the_sentence_of_a_stop() {
    let scratch = Scratch::new();
    let rates = ["optim.g.lr=1e30", "optim.d.lr=1e30", "train.steps=20"];
    let args = [&["train", "model=mlp", "model.width=8"], &SHORT[..], &["--out", "run"], &rates].concat();
    let ran = Ran::of(scratch.frugan(&args).env("RUST_BACKTRACE", "1"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    let line = ran.err.lines().find(|line| line.contains("are not finite")).unwrap();
    assert!(line.contains("first: op ") && line.contains("; last good state: "), "{}", ran.err);
}
