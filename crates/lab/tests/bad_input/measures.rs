//! `frugan eval` and what draws from a snapshot.

use std::fs;

use crate::broken::{PIXEL, broken_images, other_weights, two_sizes};
use crate::case::{Case, case, prepared};

pub(crate) fn measures() -> Vec<Case> {
    let generate = |more: &[&'static str]| [&["generate", "no.safetensors"], more].concat();
    vec![
        case("no such snapshot", vec!["eval", "no.safetensors"], &["no.safetensors"]),
        prepared(
            "damaged snapshot",
            |s| drop(s.write("s.safetensors", [7u8; 40])),
            vec!["eval", "s.safetensors"],
            &["s.safetensors"],
        ),
        prepared(
            "weights for a snapshot",
            other_weights,
            vec!["eval", "w.safetensors", "eval.network=random"],
            &["w.safetensors"],
        ),
        prepared(
            "folder without images to measure",
            |s| drop(s.write("images/readme.txt", "none")),
            vec!["eval", "images", "eval.network=random"],
            &["images"],
        ),
        prepared("broken images to measure", broken_images, vec!["eval", "images", "eval.network=random"], &["a.png"]),
        prepared(
            "unknown key for eval",
            broken_images,
            vec!["eval", "images", "eval.num_fake=10"],
            &["did you mean `eval.num_fakes`?"],
        ),
        case("a key that eval does not read", vec!["eval", "no.safetensors", "optim.batch=10"], &["optim.batch"]),
        case("steps that belong to no way", vec!["generate", "no.safetensors", "--steps", "4"], &["--interpolate"]),
        case("a cutoff of no psi", vec!["generate", "no.safetensors", "--cutoff", "4"], &["--psi"]),
        case(
            "two pictures at once",
            vec!["generate", "no.safetensors", "--mix", "0", "--interpolate", "w"],
            &["--interpolate", "cannot be used with", "--mix"],
        ),
        case("no such way", vec!["generate", "no.safetensors", "--interpolate", "x"], &["--interpolate", "z, w"]),
        case("no such distance", vec!["eval", "no.safetensors", "--nearest", "l2"], &["--nearest", "l1, lpips"]),
        case("neighbours of nothing", vec!["eval", "no.safetensors", "--neighbours", "2"], &["--nearest"]),
        prepared(
            "near to nothing",
            |s| drop(s.write("images/a.png", PIXEL)),
            vec!["eval", "images", "--nearest", "l1", "--samples", "1"],
            &["near to what?", "data=cifar10"],
        ),
        prepared(
            "more samples than images",
            |s| drop(s.write("images/a.png", PIXEL)),
            vec!["eval", "images", "images", "--nearest", "l1"],
            &["--samples 10", "1 images"],
        ),
        case("no such snapshot to draw from", vec!["generate", "no.safetensors"], &["no.safetensors"]),
        prepared(
            "out of generate is a folder",
            |s| fs::create_dir(s.path("d")).unwrap(),
            vec!["generate", "no.safetensors", "--out", "d"],
            &["--out d", "ends in .png"],
        ),
        case("a picture of another kind", generate(&["--out", "a.jpg"]), &["--out a.jpg", "ends in .png"]),
        case("a picture in no folder", generate(&["--out", "no/a.png"]), &["--out no/a.png", "there is no folder no"]),
        prepared(
            "a picture over what it is drawn from",
            |s| drop(s.write("a.png", [7u8; 40])),
            vec!["generate", "a.png", "--out", "./a.png"],
            &["--out ./a.png", "that file is read here"],
        ),
        case("a negative seed to draw from", generate(&["--seed", "-1"]), &["'-1' for '--seed", "0 or more"]),
        case("a negative threshold", generate(&["--threshold", "-1"]), &["no.safetensors"]),
        case("numbers in no folder", vec!["eval", "no.safetensors", "--out", "no/a.json"], &["there is no folder no"]),
        prepared(
            "numbers over the snapshot",
            |s| drop(s.write("s.safetensors", [7u8; 40])),
            vec!["eval", "s.safetensors", "--out", "s.safetensors"],
            &["--out s.safetensors", "that file is read here"],
        ),
        case(
            "a picture of neighbours of another kind",
            vec!["eval", "no.safetensors", "--nearest", "l1", "--picture", "a.jpg"],
            &["--picture a.jpg", "ends in .png"],
        ),
        prepared(
            "near to images of another size",
            two_sizes,
            vec!["eval", "small", "large", "--nearest", "l1", "--samples", "1"],
            &["the samples are 3x8x8", "3x16x16", "data.resolution=8"],
        ),
        prepared(
            "a folder for a snapshot",
            |s| fs::create_dir(s.path("run")).unwrap(),
            vec!["generate", "run"],
            &["run: that is a folder", "snapshot-STEP.safetensors"],
        ),
        prepared(
            "a zip for a snapshot",
            |s| drop(s.write("a.zip", "PK")),
            vec!["eval", "a.zip", "images"],
            &["a.zip: that is a zip", "a folder"],
        ),
        prepared(
            "a reference of one image",
            two_sizes,
            vec!["eval", "small", "large", "eval.network=random", "eval.metrics=[\"fid\"]", "eval.num_fakes=2"],
            &["large: 1 images to measure against", "2 or more"],
        ),
        case(
            "a floor of no test images",
            vec!["eval", "--floor", "data=synthetic", "data.num_images=3", "eval.network=random"],
            &["--floor: 3 training and 1000 test images"],
        ),
    ]
}
