//! `frugan data`: what `pack` writes trains, and the same source gives the same bytes; what `keep` writes is the set.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use frugan_data::{DataConfig, DataName, Dataset, open, synthetic};
use support::{Scratch, contents, tiny};

fn packed(scratch: &Scratch, name: &str) -> Dataset {
    let root = Some(scratch.path(name));
    open(&DataConfig { name: DataName::Zip, root, test_fraction: 0.0, ..Default::default() }).unwrap().train
}

/// Files in CIFAR-10's format with two images each, of classes 0 and 9.
fn write_cifar(scratch: &Scratch) {
    for (number, file) in frugan_data::cifar::CIFAR10.files().enumerate() {
        let record = |label: u8| [vec![label], vec![number as u8 * 10 + label; 3072]].concat();
        scratch.write(&format!("cifar/{}", file.name), [record(0), record(9)].concat());
    }
}

#[test]
fn cifar_is_packed_by_split_and_the_same_bytes_come_again() {
    let scratch = Scratch::new();
    write_cifar(&scratch);
    let pack = |out: &str, more: &[&str]| {
        let args = [&["data", "pack", "cifar10", out, "data.root=cifar", "data.verify=false"], more].concat();
        scratch.run(&args).succeeded()
    };
    let ran = pack("train.zip", &[]);
    assert!(ran.out.ends_with("train.zip\n") && ran.out.contains("| truck      |      5 |"), "{}", ran.out);
    assert!(ran.err.contains("cifar10 train: 10 images of 3x32x32, 10 classes, fingerprint "), "{}", ran.err);
    let train = packed(&scratch, "train.zip");
    assert_eq!((train.len(), train.class_counts()[9], train.image(3)[0]), (10, 5, 19));
    pack("again.zip", &[]);
    assert_eq!(fs::read(scratch.path("train.zip")).unwrap(), fs::read(scratch.path("again.zip")).unwrap());
    pack("test.zip", &["--split", "test"]);
    assert_eq!((packed(&scratch, "test.zip").len(), packed(&scratch, "test.zip").image(0)[0]), (2, 50));
    pack("none.zip", &["--labels", "none"]);
    assert_eq!(packed(&scratch, "none.zip").num_classes, 1);
    pack("few.zip", &["data.num_images=4", "data.subset_order=ada"]);
    let few = packed(&scratch, "few.zip");
    assert_eq!(few.len(), 4);
    let order = frugan_data::subset_indices(10, 4, 0, frugan_data::SubsetOrder::Sorted);
    assert!(order.iter().enumerate().all(|(place, index)| few.image(place) == train.image(*index as usize)));
}

#[test]
fn a_folder_of_mixed_sizes_is_packed_at_one_and_packed_again_unchanged() {
    let scratch = Scratch::new();
    fs::create_dir_all(scratch.path("pets/cat")).unwrap();
    fs::create_dir_all(scratch.path("pets/dog")).unwrap();
    for (name, width, height) in [("cat/a.png", 40, 30), ("cat/b.jpg", 33, 33), ("dog/c.png", 16, 16)] {
        let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8 * 5, y as u8 * 5, 90]));
        image.save(scratch.path("pets").join(name)).unwrap();
    }
    let ran = scratch.run(&["data", "pack", "pets", "pets.zip"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--resolution") && !scratch.path("pets.zip").exists(), "{}", ran.err);
    scratch.run(&["data", "pack", "pets", "pets.zip", "--resolution", "16"]).succeeded();
    let pets = packed(&scratch, "pets.zip");
    assert_eq!((pets.shape, &*pets.labels), ([3, 16, 16], &[0, 0, 1][..]));
    scratch.run(&["data", "pack", "pets.zip", "again.zip"]).succeeded();
    assert_eq!(fs::read(scratch.path("pets.zip")).unwrap(), fs::read(scratch.path("again.zip")).unwrap());
    // In place: the whole of the old file is read before the new one takes its name.
    scratch.run(&["data", "pack", "again.zip", "again.zip", "--labels", "none"]).succeeded();
    assert_eq!(packed(&scratch, "again.zip").num_classes, 1);
}

#[test]
fn a_packed_set_trains_as_the_set_itself() {
    let scratch = Scratch::new();
    scratch.run(&["data", "pack", "synthetic", "shapes.zip", "data.num_images=64"]).succeeded();
    let subset = frugan_data::subset_indices(5000, 64, 0, frugan_data::SubsetOrder::Drawn);
    let drawn = synthetic::train(32).select("drawn", &subset);
    assert_eq!(packed(&scratch, "shapes.zip").fingerprint, drawn.fingerprint);
    let ada = ["data.mirror=double", "data.sampler=infinite_window", "data.labels=none"];
    let zip = [&["data=zip", "data.root=shapes.zip", "data.num_images=50", "augment=none", "--out", "run"], &ada[..]]
        .concat();
    let ran = scratch.run(&tiny("train", &zip)).succeeded();
    assert!(ran.err.contains("shapes.zip train") || ran.out.contains("shapes.zip train"), "{}\n{}", ran.err, ran.out);
    let config = String::from_utf8(contents(&scratch.path("run")).remove("config.toml").unwrap()).unwrap();
    for line in ["mirror = \"double\"", "sampler = \"infinite_window\"", "labels = \"none\""] {
        assert!(config.lines().any(|l| l.starts_with(line)), "{line} is not in\n{config}");
    }
}

#[test]
fn a_kept_part_trains_as_the_set_it_is_of() {
    let scratch = Scratch::new();
    write_cifar(&scratch);
    let keep = |out: &str, more: &[&str]| scratch.run(&[&["data", "keep", "cifar10", out], more].concat());
    let ran = keep("part", &["data.root=cifar", "data.verify=false", "data.num_images=6"]).succeeded();
    assert!(ran.err.contains("6 of 10 training images and 2 test images of CIFAR-10"), "{}", ran.err);
    let read = |root: &str, num_images: usize| {
        let root = Some(scratch.path(root));
        let num_images = Some(num_images);
        open(&DataConfig { name: DataName::Cifar10, root, num_images, verify: false, ..Default::default() })
    };
    let (part, whole) = (read("part", 6).unwrap(), read("cifar", 6).unwrap());
    assert_eq!((part.train.fingerprint, part.test.fingerprint), (whole.train.fingerprint, whole.test.fingerprint));
    assert!(read("part", 7).is_err());
    for (args, word) in [
        (["data", "keep", "synthetic", "out", "data.num_images=6"], "only cifar10 and cifar100"),
        (["data", "keep", "cifar10", "out", "data.mirror=true"], "data.mirror=true"),
    ] {
        let ran = scratch.run(&args);
        assert!(ran.code == Some(2) && ran.err.contains(word), "{}", ran.err);
        assert!(!scratch.path("out").exists(), "{word}");
    }
}
