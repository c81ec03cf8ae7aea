//! The w of an image: the projection comes far nearer to a target than the mean style, and is a function of its seed.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Ran, Scratch, lpips_weights, snapshot};

/// A target of the generator's own: the first image of a grid.
fn target(scratch: &Scratch, file: &str) {
    let one = ["--classes", "1", "--per-class", "1", "--seed", "5", "--out", "grid.png"];
    scratch.run(&[&["generate", file][..], &one].concat()).succeeded();
    let grid = image::load_from_memory(&fs::read(scratch.path("grid.png")).unwrap()).unwrap();
    grid.crop_imm(1, 1, 32, 32).save(scratch.path("target.png")).unwrap();
}

/// The distances of a run's steps, the mean style's first.
fn distances(scratch: &Scratch, folder: &str) -> Vec<f64> {
    let text = fs::read_to_string(scratch.path(&format!("{folder}/distance.jsonl"))).unwrap();
    let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["distance"].as_f64().unwrap();
    text.lines().map(of).collect()
}

fn project(scratch: &Scratch, file: &str, out: &str, more: &[&str]) -> Ran {
    scratch.run(&[&["project", file, "target.png", "--out", out][..], more].concat())
}

#[test]
fn a_generators_own_image_is_found_again() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    target(&scratch, &file);
    let ran = project(&scratch, &file, "found", &["--steps", "150", "--seed", "1"]).succeeded();
    assert!(ran.err.contains("distance in pixels, for there are no weights of LPIPS"), "{}", ran.err);
    assert!(ran.err.contains("step 15 of 150") && ran.out.contains("at the mean style"), "{}\n{}", ran.err, ran.out);
    let distances = distances(&scratch, "found");
    assert_eq!(distances.len(), 151);
    assert!(distances[150] < 0.2 * distances[0], "{} from {}", distances[150], distances[0]);

    let picture = image::open(scratch.path("found/projection.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (3 * 33 + 1, 34));
    let tile = |column: u32| image::imageops::crop_imm(&picture, 1 + 33 * column, 1, 32, 32).to_image().into_raw();
    let apart = |column: u32| {
        let squares = tile(0).into_iter().zip(tile(column)).map(|(a, b)| u64::from(a.abs_diff(b)).pow(2));
        squares.sum::<u64>()
    };
    assert!(3 * apart(2) < 2 * apart(1), "the projection {} and the mean style {}", apart(2), apart(1));
    let bytes = fs::read(scratch.path("found/w.safetensors")).unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
    assert_eq!(tensors["w"].dims(), [32]);
    assert_eq!(tensors["noise0"].dims(), [1, 1, 4, 4]);

    for (out, seed) in [("again", "1"), ("other", "2")] {
        project(&scratch, &file, out, &["--steps", "150", "--seed", seed]).succeeded();
    }
    let w = |folder: &str| fs::read(scratch.path(&format!("{folder}/w.safetensors"))).unwrap();
    assert!(w("again") == bytes, "the same seed gives the same bytes");
    assert!(w("other") != bytes);
}

#[test]
fn lpips_is_the_distance_where_its_weights_are() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    target(&scratch, &file);
    lpips_weights(&scratch, frugan_metrics::LpipsNet::Vgg16);
    let ran = project(&scratch, &file, "found", &["--steps", "4"]).succeeded();
    assert!(ran.err.contains("distance by LPIPS on vgg16"), "{}", ran.err);
    assert!(distances(&scratch, "found").iter().all(|distance| *distance > 0.0));
    let ran = project(&scratch, &file, "pixels", &["--steps", "4", "--distance", "pixels"]).succeeded();
    assert!(ran.err.contains("distance in pixels;"), "{}", ran.err);
}

#[test]
fn what_cannot_be_projected_is_refused_in_a_sentence() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    target(&scratch, &file);
    scratch.write("text.png", "no picture");
    let refuse = |args: &[&str], says: &str| {
        let ran = scratch.run(args);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains(says) && !scratch.path("projection").exists(), "{}", ran.err);
    };
    refuse(&["project", &file, "absent.png"], "absent.png");
    refuse(&["project", &file, "text.png"], "text.png: cannot be read as a PNG or JPEG");
    refuse(
        &["project", &file, "target.png", "--class", "1"],
        "--class 1 has no effect, for the snapshot is unconditional",
    );
    refuse(&["project", &file, "target.png", "--steps", "0"], "--steps");
    refuse(&["project", &file, "target.png", "--distance", "lpips"], "cargo xtask assets lpips");
    refuse(&["project", &file, "target.png", "--out", "text.png"], "that is a file");
    let other = Scratch::new();
    let biggan = snapshot(&other, "biggan");
    other.write("target.png", fs::read(scratch.path("target.png")).unwrap());
    let ran = other.run(&["project", &biggan, "target.png"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("biggan has no styles w; give a snapshot of StyleGAN2"), "{}", ran.err);
}
