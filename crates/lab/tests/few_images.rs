//! What is measured against a few images: the scores, and of the floor what so few can give.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Ran, Scratch};

/// A folder of so many images of noise.
fn images(scratch: &Scratch, folder: &str, count: u32) {
    fs::create_dir_all(scratch.path(folder)).unwrap();
    for seed in 0..count {
        let pixel = |x: u32, y: u32| (x + 8 * y + 64 * seed).wrapping_mul(2_654_435_761).to_le_bytes();
        let image = image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([pixel(x, y)[1], pixel(x, y)[2], pixel(x, y)[3]]));
        image.save(scratch.path(&format!("{folder}/{seed}.png"))).unwrap();
    }
}

fn measure(scratch: &Scratch, args: &[&str]) -> Ran {
    let random = ["eval.network=random", "eval.metrics=[\"fid\"]"];
    scratch.run(&[&["eval"], args, &random].concat())
}

#[test]
fn a_floor_of_few_images_has_no_neighbours() {
    let scratch = Scratch::new();
    images(&scratch, "fakes", 12);
    images(&scratch, "reals", 10);
    let ran = measure(&scratch, &["fakes", "reals", "--out", "found.json"]).succeeded();
    assert!(ran.out.contains("frd12_folder") && ran.out.contains("5 of the reference images"), "{}", ran.out);
    assert!(ran.out.contains("precision_random_5_folder: n/a (fewer than 6 images on a side)"), "{}", ran.out);
    let found: serde_json::Value = serde_json::from_slice(&fs::read(scratch.path("found.json")).unwrap()).unwrap();
    assert!(found["scores"]["frd12_folder"].is_number() && found["floor"]["frd5_folder"].is_number(), "{found}");
    assert!(found["floor"]["precision_random_5_folder"].is_null(), "{found}");
}

#[test]
fn three_images_have_a_score_and_no_floor() {
    let scratch = Scratch::new();
    images(&scratch, "fakes", 12);
    images(&scratch, "reals", 3);
    let ran = measure(&scratch, &["fakes", "reals"]).succeeded();
    assert!(ran.out.contains("frd12_folder") && !ran.out.contains("floor"), "{}", ran.out);
}

#[test]
fn the_floor_of_a_small_data_set_is_measured() {
    let scratch = Scratch::new();
    images(&scratch, "photos", 20);
    let data = ["data=folder", "data.root=photos", "data.labels=none"];
    let floor = |fraction: &'static str| measure(&scratch, &[&["--floor"], &data[..], &[fraction]].concat());
    let ran = floor("data.test_fraction=0.1").succeeded();
    assert!(ran.out.contains("18 training images against 2 test images"), "{}", ran.out);
    assert!(ran.out.contains("n/a (fewer than 6 images on a side)"), "{}", ran.out);
    let none = floor("data.test_fraction=0.0");
    assert_eq!(none.code, Some(2), "{}", none.err);
    assert!(
        none.err.contains("20 training and 0 test images") && none.err.contains("data.test_fraction"),
        "{}",
        none.err
    );
}
