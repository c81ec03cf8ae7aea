//! The CIFAR readers: small files in their format, and the real set where it is.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use frugan_data::cifar::{CIFAR10, CIFAR100, Format};
use frugan_data::{DataConfig, DataName, locate, open};
use std::path::Path;

/// Writes every file of a set with two records each, of classes 0 and `last`.
fn write_small(format: &Format, folder: &Path, last: u8) {
    for (number, file) in format.files().enumerate() {
        let mut bytes = Vec::new();
        for label in [0, last] {
            let mut record = vec![number as u8; format.record_bytes()];
            record[..format.label_bytes].fill(19);
            record[format.label_bytes - 1] = label;
            bytes.extend(record);
        }
        std::fs::write(folder.join(file.name), bytes).unwrap();
    }
}

fn config(name: DataName, root: &Path) -> DataConfig {
    DataConfig { name, root: Some(root.to_owned()), verify: false, ..DataConfig::default() }
}

#[test]
fn records_come_in_the_files_order() {
    let root = tempfile::tempdir().unwrap();
    write_small(&CIFAR10, root.path(), 9);
    let splits = open(&config(DataName::Cifar10, root.path())).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (10, 2));
    assert_eq!((splits.train.shape, splits.train.num_classes), ([3, 32, 32], 10));
    assert_eq!(splits.train.class_counts(), [5, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert!((0..10).all(|i| splits.train.image(i).iter().all(|pixel| usize::from(*pixel) == i / 2)));
    assert!(splits.test.image(0).iter().all(|pixel| *pixel == 5));
}

#[test]
fn cifar100_uses_the_fine_label() {
    let root = tempfile::tempdir().unwrap();
    write_small(&CIFAR100, root.path(), 99);
    let splits = open(&config(DataName::Cifar100, root.path())).unwrap();
    assert_eq!((&*splits.train.labels, splits.train.num_classes), (&[0, 99][..], 100));
    assert_eq!(splits.train.class_names[99], "worm");
    assert!(splits.train.image(0).iter().all(|pixel| *pixel == 0));
}

#[test]
fn a_set_is_found_in_the_archives_own_folder() {
    let root = tempfile::tempdir().unwrap();
    let inner = root.path().join("cifar-10-batches-bin");
    std::fs::create_dir(&inner).unwrap();
    write_small(&CIFAR10, &inner, 9);
    assert_eq!(locate::locate(&config(DataName::Cifar10, root.path())), Some(inner));
    assert!(!locate::is_available(&config(DataName::Cifar100, root.path())));
}

#[test]
fn a_subset_keeps_the_drawn_order() {
    let root = tempfile::tempdir().unwrap();
    write_small(&CIFAR10, root.path(), 9);
    let all = open(&config(DataName::Cifar10, root.path())).unwrap().train;
    let some = DataConfig { num_images: Some(4), ..config(DataName::Cifar10, root.path()) };
    let some = open(&some).unwrap().train;
    let drawn = frugan_data::subset_indices(10, 4, 0, frugan_data::SubsetOrder::Drawn);
    for (place, index) in drawn.iter().enumerate() {
        assert_eq!(some.image(place), all.image(*index as usize));
    }
    assert_eq!(some.name, "cifar10 train, 4 of 10 images (seed 0)");
    assert_ne!(some.fingerprint, all.fingerprint);
}

#[test]
fn the_real_cifar10_is_whole() {
    let config = DataConfig { name: DataName::Cifar10, download: false, ..DataConfig::default() };
    if !locate::is_available(&config) {
        return println!("skipped: CIFAR-10 lies neither in FRUGAN_DATA nor in the user's cache");
    }
    let splits = open(&config).unwrap();
    assert_eq!(splits.train.class_counts(), [5000; 10]);
    assert_eq!(splits.test.class_counts(), [1000; 10]);
    assert_eq!(splits.train.labels[..8], [6, 9, 9, 4, 1, 1, 2, 7]);
    let tenth = open(&DataConfig { fraction: Some(0.1), ..config }).unwrap().train;
    assert_eq!((tenth.len(), tenth.image(0)), (5000, splits.train.image(11_841)));
}
