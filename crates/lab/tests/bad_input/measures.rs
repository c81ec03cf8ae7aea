//! `frugan eval` and what draws from a snapshot.

use std::fs;

use crate::broken::{PIXEL, broken_images, other_weights};
use crate::case::{Case, case, prepared};

pub(crate) fn measures() -> Vec<Case> {
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
            &["no.safetensors"],
        ),
    ]
}
