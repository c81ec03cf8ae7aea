//! Looking at a generator: pictures of a snapshot, and its samples beside their nearest training images.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use support::{Scratch, lpips_weights, snapshot};

/// Height and width of a picture of so many rows and columns of 32-pixel tiles.
fn size(rows: u32, columns: u32) -> (u32, u32) {
    (33 * columns + 1, 33 * rows + 1)
}

fn picture(scratch: &Scratch, name: &str) -> image::RgbImage {
    image::load_from_memory(&fs::read(scratch.path(name)).unwrap()).unwrap().to_rgb8()
}

fn tile(picture: &image::RgbImage, row: u32, column: u32) -> Vec<u8> {
    image::imageops::crop_imm(picture, 1 + 33 * column, 1 + 33 * row, 32, 32).to_image().into_raw()
}

#[test]
fn a_stylegan_is_looked_at_from_all_sides() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    let generate = |more: &[&str]| scratch.run(&[&["generate", file.as_str()], more].concat()).succeeded();

    generate(&["--classes", "1,4", "--per-class", "3", "--out", "grid.png"]);
    assert_eq!(picture(&scratch, "grid.png").dimensions(), size(2, 3));

    let ran = generate(&["--psi", "1,0.5,0", "--classes", "2,3", "--out", "psi.png"]);
    assert!(ran.err.contains("psi 1, 0.5, 0") && ran.err.contains("all layers"), "{}", ran.err);
    let sweep = picture(&scratch, "psi.png");
    assert_eq!(sweep.dimensions(), size(3, 2));
    assert_ne!(tile(&sweep, 0, 0), tile(&sweep, 0, 1));
    assert_eq!(tile(&sweep, 2, 0), tile(&sweep, 2, 1), "psi = 0 is the average, whatever z");
    generate(&["--psi", "0", "--cutoff", "1", "--classes", "2,3", "--out", "cutoff.png"]);
    let cut = picture(&scratch, "cutoff.png");
    assert_ne!(tile(&cut, 0, 0), tile(&cut, 0, 1), "the layers from the cutoff on keep their style");

    for space in ["z", "w"] {
        let ran = generate(&[
            "--interpolate",
            space,
            "--classes",
            "0,7",
            "--steps",
            "3",
            "--frames",
            "5",
            "--out",
            "way.png",
        ]);
        assert!(ran.out.contains("way.png") && ran.out.contains("way.gif"), "{}", ran.out);
        let strips = picture(&scratch, "way.png");
        assert_eq!(strips.dimensions(), size(2, 3));
        assert_ne!(tile(&strips, 0, 0), tile(&strips, 0, 2));
        let mut decoder = gif::Decoder::new(fs::File::open(scratch.path("way.gif")).unwrap()).unwrap();
        assert_eq!((u32::from(decoder.width()), u32::from(decoder.height())), size(1, 2));
        let mut frames = 0;
        while decoder.read_next_frame().unwrap().is_some() {
            frames += 1;
        }
        assert_eq!(frames, 8, "five there, three back: the ends are not shown twice");
    }

    generate(&["--mix", "0-3", "--per-class", "2", "--out", "mix.png"]);
    let mixed = picture(&scratch, "mix.png");
    assert_eq!(mixed.dimensions(), size(3, 3));
    assert!(tile(&mixed, 0, 0).iter().all(|byte| *byte == 255), "the corner is empty");
    generate(&["--mix", "0-7", "--per-class", "2", "--out", "all.png"]);
    let all = picture(&scratch, "all.png");
    assert_eq!(tile(&all, 1, 1), tile(&all, 0, 1), "all styles from above: the image above");
}

#[test]
fn a_biggan_has_z_alone() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "biggan");
    let run = |more: &[&str]| scratch.run(&[&["generate", file.as_str()], more].concat());

    let ran = run(&["--threshold", "2,0.02", "--classes", "3", "--per-class", "4", "--out", "t.png"]).succeeded();
    assert!(ran.err.contains("z truncated at 2, 0.02"), "{}", ran.err);
    let sweep = picture(&scratch, "t.png");
    assert_eq!(sweep.dimensions(), size(2, 4));
    let apart = |row| {
        let (a, b) = (tile(&sweep, row, 0), tile(&sweep, row, 1));
        a.iter().zip(&b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    assert!(apart(1) < apart(0), "near z = 0 all samples are alike: {} against {}", apart(1), apart(0));

    run(&["--interpolate", "z", "--classes", "3", "--per-class", "1", "--out", "way.png"]).succeeded();
    assert_eq!(picture(&scratch, "way.png").dimensions(), size(1, 9));
    for (option, value, says) in
        [("--psi", "0.7", "--threshold"), ("--mix", "0-3", "StyleGAN2"), ("--interpolate", "w", "--interpolate z")]
    {
        let ran = run(&[option, value]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains("biggan has no styles") && ran.err.contains(says), "{}", ran.err);
        assert!(!scratch.path("samples.png").exists());
    }
}

#[test]
fn a_picture_that_cannot_be_is_refused_in_a_sentence() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    let cases: [(&[&str], &str); 9] = [
        (&["--psi", "1,nan"], "--psi NaN: expected finite numbers"),
        (&["--psi", "0.5", "--cutoff", "9"], "--cutoff 9: the snapshot has 8 layers"),
        (&["--psi", "0.5,1", "--mix", "0"], "--psi: 2 values"),
        (&["--mix", "4-8"], "--mix 4-8: expected layers of 0 to 7"),
        (&["--threshold", "1"], "give --psi"),
        (&["--classes", "10"], "the classes 0 to 9"),
        (&["--interpolate", "w", "--frames", "5"], "give --frames 9 or more"),
        (&["--interpolate", "w", "--out", "a.gif"], "name the PNG"),
        (&["--mix", "0", "--out", "no/folder/a.png"], "no/folder"),
    ];
    for (args, says) in cases {
        let ran = scratch.run(&[&["generate", file.as_str()][..], args].concat());
        assert_eq!(ran.code, Some(2), "{args:?}: {}", ran.err);
        let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(says), "{args:?}: {}", ran.err);
        assert!(!scratch.path("samples.png").exists(), "{args:?}");
    }
}

#[test]
fn the_same_seed_draws_the_same_picture() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    for (name, seed) in [("a", "3"), ("b", "3"), ("c", "4")] {
        let out = format!("{name}.png");
        let ways = ["--interpolate", "w", "--classes", "1", "--frames", "9", "--seed", seed, "--out", out.as_str()];
        scratch.run(&[&["generate", file.as_str()][..], &ways].concat()).succeeded();
    }
    let read = |name: &str| fs::read(scratch.path(name)).unwrap();
    assert!(read("a.png") == read("b.png") && read("a.gif") == read("b.gif"));
    assert!(read("a.png") != read("c.png") && read("a.gif") != read("c.gif"));
}

#[test]
fn copies_are_seen_beside_their_originals() {
    let scratch = Scratch::new();
    // Five training images of noise; the "samples" are the third, and the first in a mirror.
    let noise = |seed: u32| {
        image::RgbImage::from_fn(32, 32, |x, y| {
            let hash = (x + 32 * y + 1024 * seed).wrapping_mul(2_654_435_761);
            image::Rgb([hash as u8, (hash >> 8) as u8, (hash >> 16) as u8])
        })
    };
    fs::create_dir_all(scratch.path("train")).unwrap();
    fs::create_dir_all(scratch.path("fakes")).unwrap();
    for seed in 0..5 {
        noise(seed).save(scratch.path(&format!("train/{seed}.png"))).unwrap();
    }
    noise(2).save(scratch.path("fakes/0.png")).unwrap();
    image::imageops::flip_horizontal(&noise(0)).save(scratch.path("fakes/1.png")).unwrap();
    lpips_weights(&scratch, frugan_metrics::LpipsNet::AlexNet);
    let search = ["--nearest", "l1,lpips", "--samples", "2", "--neighbours", "2", "--out", "found.json"];
    let data = ["data=folder", "data.root=train", "data.labels=none", "data.test_fraction=0.0"];
    let ran = scratch.run(&[&["eval", "fakes"][..], &data, &search].concat()).succeeded();
    assert!(ran.out.contains("0, mirrored") && ran.out.contains("nearest.png"), "{}", ran.out);
    let found: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(scratch.path("found.json")).unwrap()).unwrap();
    for name in ["l1", "lpips"] {
        let nearest = &found["nearest"][name]["samples"];
        assert_eq!(
            (&nearest[0][0]["index"], &nearest[0][0]["distance"]),
            (&2.into(), &0.0.into()),
            "{name}: {nearest}"
        );
        assert_eq!(
            (&nearest[1][0]["index"], &nearest[1][0]["mirrored"]),
            (&0.into(), &true.into()),
            "{name}: {nearest}"
        );
        assert!(nearest[0][1]["distance"].as_f64().unwrap() > 0.0);
    }
    let drawn = picture(&scratch, "nearest.png");
    assert_eq!(drawn.dimensions(), size(2, 7));
    assert_eq!(tile(&drawn, 1, 0), tile(&drawn, 1, 2), "the sample and its copy");
    assert_eq!(tile(&drawn, 1, 0), tile(&drawn, 1, 5));
}

#[test]
fn a_snapshots_samples_are_put_beside_its_training_images() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    let ran = scratch.run(&["eval", &file, "--nearest", "l1", "--samples", "4", "--picture", "near.png"]).succeeded();
    assert!(ran.err.contains("4 samples of") && ran.err.contains("the 64 training images"), "{}", ran.err);
    assert!(!ran.err.contains("not the images"), "{}", ran.err);
    assert!(ran.out.contains("l1: median distance"), "{}", ran.out);
    assert_eq!(picture(&scratch, "near.png").dimensions(), size(4, 5));
    let other = scratch.run(&["eval", &file, "--nearest", "l1", "data.num_images=32"]).succeeded();
    assert!(other.err.contains("not the images that the snapshot was trained on"), "{}", other.err);

    let ran = scratch.run(&["eval", &file, "--nearest", "lpips"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("cargo xtask assets lpips"), "{}", ran.err);
}

#[test]
fn a_path_length_is_measured_where_its_weights_are() {
    let scratch = Scratch::new();
    let file = snapshot(&scratch, "stylegan2");
    let measure = |subject: &str, more: &[&str]| {
        let also = "eval.also=[\"ppl2_wend_4\",\"ppl_zfull_4\"]";
        let args = [&["eval", subject, "eval.network=random", "eval.num_fakes=32", also][..], more].concat();
        scratch.run(&args).succeeded().out
    };
    let without = measure(&file, &[]);
    assert!(without.contains("ppl2_wend_4: n/a (no weights of LPIPS") && without.contains("assets lpips"), "{without}");
    lpips_weights(&scratch, frugan_metrics::LpipsNet::Vgg16);
    let with = measure(&file, &[]);
    let value = |name: &str| {
        let line = with.lines().find(|line| line.contains(name)).unwrap();
        line.split('|').nth(2).unwrap().trim().parse::<f64>().unwrap()
    };
    assert!(value("ppl2_wend_4") > 0.0 && value("ppl_zfull_4") > 0.0, "{with}");
    fs::create_dir(scratch.path("photos")).unwrap();
    for i in 0..32 {
        let grey = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * y + i) as u8; 3]));
        grey.save(scratch.path(&format!("photos/{i}.png"))).unwrap();
    }
    let images = measure("photos", &["data=synthetic"]);
    assert!(images.contains("ppl2_wend_4: n/a (images lie on no path"), "{images}");
}
