//! A part of CIFAR that is carried in place of the whole.
#![allow(clippy::unwrap_used)]

use frugan_data::cifar::CIFAR10;
use frugan_data::{DataConfig, DataName, Dataset, Splits, SubsetOrder, kept, open, subset_indices};
use std::path::Path;

const PIXELS: usize = 3 * 32 * 32;

/// Images with a pattern of their own each.
fn split(name: &str, images: usize) -> Dataset {
    let pixel = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
    let labels = (0..images as u32).map(|i| i % 10).collect();
    let names = CIFAR10.class_names.iter().map(ToString::to_string).collect();
    Dataset::new(name, [3, 32, 32], (0..images * PIXELS).map(pixel).collect(), labels, names).unwrap()
}

fn whole() -> Splits {
    Splits { train: split("cifar10 train", 50), test: split("cifar10 test", 7) }
}

fn config(root: &Path, num_images: Option<usize>) -> DataConfig {
    DataConfig { name: DataName::Cifar10, root: Some(root.to_owned()), num_images, ..DataConfig::default() }
}

#[test]
fn a_kept_subset_is_the_subset_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = whole();
    kept::write(&CIFAR10, &whole, &subset_indices(50, 20, 0, SubsetOrder::Drawn), folder.path()).unwrap();
    for size in [20, 13] {
        let splits = open(&config(folder.path(), Some(size))).unwrap();
        let indices = subset_indices(50, size, 0, SubsetOrder::Drawn);
        assert_eq!(splits.train.fingerprint, whole.train.select("subset", &indices).fingerprint);
        assert_eq!(splits.test.fingerprint, whole.test.fingerprint);
    }
}

#[test]
fn what_was_not_kept_is_not_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    kept::write(&CIFAR10, &whole(), &subset_indices(50, 20, 0, SubsetOrder::Drawn), folder.path()).unwrap();
    let other_seed = DataConfig { subset_seed: 1, ..config(folder.path(), Some(20)) };
    for config in [config(folder.path(), None), config(folder.path(), Some(21)), other_seed] {
        let error = open(&config).unwrap_err().to_string();
        assert!(error.contains("holds 20 of 50 training images") && error.contains("data.root"), "{error}");
    }
}

#[test]
fn damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    kept::write(&CIFAR10, &whole(), &[3, 1, 4], folder.path()).unwrap();
    let index = folder.path().join("kept.json");
    let text = std::fs::read_to_string(&index).unwrap();
    for (damaged, word) in [
        (text.replace("cifar10", "cifar100"), "cifar10 is wanted"),
        (text.replace("[1,3,4]", "[3,1,4]"), "do not rise"),
        (text.replace("[1,3,4]", "[1,3,50]"), "below 50"),
        (text[..text.len() / 2].to_owned(), "frugan data keep"),
        (text.replacen("sha256\":\"", "sha256\":\"0", 1), "sha256"),
    ] {
        assert_ne!(damaged, text);
        std::fs::write(&index, damaged).unwrap();
        let error = open(&config(folder.path(), Some(1))).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    std::fs::write(&index, text).unwrap();
    std::fs::write(folder.path().join("train.png"), b"no picture").unwrap();
    let error = open(&config(folder.path(), Some(1))).unwrap_err().to_string();
    assert!(error.contains("train.png"), "{error}");
}

#[test]
fn an_index_outside_the_set_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = kept::write(&CIFAR10, &whole(), &[50], &folder.path().join("out")).unwrap_err().to_string();
    assert!(error.contains("50 given") && !folder.path().join("out").exists(), "{error}");
}
