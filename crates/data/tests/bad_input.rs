//! Every bad input ends in one sentence that names the value, the rule and the fix.
#![allow(clippy::unwrap_used)]

use frugan_data::cifar::CIFAR10;
use frugan_data::{DataConfig, DataName, Loader, Mirror, Sampler, Sampling, SubsetOrder, open, synthetic};
use std::path::Path;

fn synthetic() -> DataConfig {
    DataConfig::default()
}

fn cifar(root: &Path) -> DataConfig {
    DataConfig { name: DataName::Cifar10, root: Some(root.to_owned()), ..DataConfig::default() }
}

fn folder() -> DataConfig {
    DataConfig { name: DataName::Folder, ..DataConfig::default() }
}

fn zip(root: &Path) -> DataConfig {
    DataConfig { name: DataName::Zip, root: Some(root.to_owned()), ..DataConfig::default() }
}

fn assert_says(config: &DataConfig, parts: &[&str]) {
    let message = open(config).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    assert!(!message.contains('\n'), "one sentence: {message}");
}

#[test]
fn values() {
    let table: [(DataConfig, &[&str]); 19] = [
        (
            DataConfig { num_images: Some(10), fraction: Some(0.5), ..synthetic() },
            &["data.num_images = 10", "data.fraction = 0.5", "set one of them"],
        ),
        (DataConfig { num_images: Some(0), ..synthetic() }, &["data.num_images = 0", "at least 1"]),
        (
            DataConfig { num_images: Some(5001), ..synthetic() },
            &["data.num_images = 5001", "5000 training images of synthetic"],
        ),
        (DataConfig { fraction: Some(0.0), ..synthetic() }, &["data.fraction = 0 is not in (0, 1]"]),
        (DataConfig { fraction: Some(-0.1), ..synthetic() }, &["data.fraction = -0.1 is not in (0, 1]"]),
        (DataConfig { fraction: Some(10.0), ..synthetic() }, &["data.fraction = 10 is not in (0, 1]"]),
        (DataConfig { fraction: Some(f64::NAN), ..synthetic() }, &["data.fraction = NaN is not in (0, 1]"]),
        (DataConfig { fraction: Some(1e-5), ..synthetic() }, &["data.fraction = 0.00001 of 5000", "is none"]),
        (DataConfig { resolution: Some(8), ..synthetic() }, &["data.resolution = 8 is not in 16 to 256"]),
        (DataConfig { resolution: Some(1 << 40), ..synthetic() }, &["is not in 16 to 256"]),
        (
            DataConfig { resolution: Some(64), ..cifar("/nowhere".as_ref()) },
            &["data.resolution = 64", "cifar10 are 32x32"],
        ),
        (
            DataConfig { root: Some("photos".into()), ..synthetic() },
            &["data.root = photos has no effect", "set data=folder"],
        ),
        (folder(), &["needs data.root"]),
        (DataConfig { root: Some("/nowhere".into()), ..folder() }, &["/nowhere is not a folder", "data.root"]),
        (DataConfig { resolution: Some(0), root: Some("/nowhere".into()), ..folder() }, &["data.resolution = 0"]),
        (DataConfig { root: None, ..zip("".as_ref()) }, &["\"zip\" needs data.root"]),
        (DataConfig { resolution: Some(0), ..zip("/nowhere.zip".as_ref()) }, &["data.resolution = 0"]),
        (zip("/nowhere.zip".as_ref()), &["cannot read /nowhere.zip", "No such file"]),
        (DataConfig { test_fraction: 1.0, ..folder() }, &["data.test_fraction = 1 is not in [0, 1)"]),
    ];
    for (config, parts) in table {
        assert_says(&config, parts);
    }
}

#[test]
fn keys_and_kinds() {
    let table = [
        ("nmae = 'cifar10'", "unknown field `nmae`"),
        ("name = 'cifar-10'", "unknown variant `cifar-10`, expected one of `synthetic`, `cifar10`"),
        ("subset_seed = -1", "expected u32"),
        ("num_images = 'all'", "expected usize"),
        ("subset_order = 'random'", "unknown variant `random`"),
        ("mirror = 'twice'", "unknown variant `twice`, expected `coin` or `double`"),
        ("mirror = 2", "expected true, false, \"coin\" or \"double\""),
        ("sampler = 'shuffle'", "unknown variant `shuffle`"),
    ];
    for (text, part) in table {
        let message = toml::from_str::<DataConfig>(text).unwrap_err().to_string();
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn ada() -> DataConfig {
    DataConfig {
        mirror: Mirror::Double,
        sampler: Sampler::InfiniteWindow,
        subset_order: SubsetOrder::Sorted,
        ..zip("cifar10.zip".as_ref())
    }
}

#[test]
fn the_papers_names_for_their_rules_are_known() {
    let text =
        "name = 'zip'\nroot = 'cifar10.zip'\nmirror = 'double'\nsampler = 'infinite-window'\nsubset_order = 'ada'";
    assert_eq!(toml::from_str::<DataConfig>(text).unwrap(), ada());
    assert_eq!(toml::from_str::<DataConfig>("subset_order = 'biggan'\nlabels = 'own'").unwrap(), DataConfig::default());
}

/// A config that names nothing new is written as before there was anything new to name.
#[test]
fn defaults_are_written_as_ever() {
    let text = toml::to_string(&DataConfig::default()).unwrap();
    assert!(text.contains("mirror = true\n") && !text.contains("sampler"), "{text}");
}

#[test]
fn the_configuration_comes_back_as_it_was_written() {
    for config in [synthetic(), cifar("/data".as_ref()), DataConfig { fraction: Some(0.1), ..folder() }, ada()] {
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<DataConfig>(&text).unwrap(), config);
    }
    assert_eq!(toml::from_str::<DataConfig>("").unwrap(), DataConfig::default());
}

/// Six files of one record; then each test spoils one.
fn small_cifar() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in CIFAR10.files() {
        std::fs::write(root.path().join(file.name), [0; 3073]).unwrap();
    }
    root
}

#[test]
fn a_missing_set_says_where_it_was_looked_for() {
    let empty = tempfile::tempdir().unwrap();
    let root = empty.path().display().to_string();
    assert_says(&cifar(empty.path()), &["cifar10 was not found", "data_batch_1.bin", &root, "FRUGAN_DATA"]);
}

#[test]
fn a_missing_file_is_named() {
    let root = small_cifar();
    std::fs::remove_file(root.path().join("data_batch_3.bin")).unwrap();
    let config = DataConfig { verify: false, ..cifar(root.path()) };
    assert_says(&config, &["cannot read", "data_batch_3.bin", "No such file"]);
}

#[test]
fn a_truncated_file_is_named_with_its_bytes() {
    let root = small_cifar();
    let table: [(bool, &[u8], &[&str]); 3] = [
        (true, &[0; 3073], &["data_batch_1.bin has 3073 bytes, expected 30730000 (truncated)"]),
        (false, &[0; 3000], &["data_batch_1.bin has 3000 bytes", "records of 3073 bytes", "truncated"]),
        (false, &[10; 3073], &["data_batch_1.bin: record 0 has label 10, expected 0 to 9"]),
    ];
    for (verify, content, parts) in table {
        std::fs::write(root.path().join("data_batch_1.bin"), content).unwrap();
        assert_says(&DataConfig { verify, ..cifar(root.path()) }, parts);
    }
}

/// Sparse files: the right size, nothing on the disk.
#[test]
fn a_wrong_checksum_is_named() {
    let root = small_cifar();
    for file in CIFAR10.files() {
        let handle = std::fs::File::create(root.path().join(file.name)).unwrap();
        handle.set_len(30_730_000).unwrap();
    }
    assert_says(&cifar(root.path()), &["data_batch_", "has sha256 ", ", expected ", "data.verify = false"]);
}

#[test]
fn a_test_split_that_takes_all_is_refused() {
    let root = tempfile::tempdir().unwrap();
    image::RgbImage::new(4, 4).save(root.path().join("only.png")).unwrap();
    let config = DataConfig { root: Some(root.path().into()), ..folder() };
    assert_says(&config, &["data.test_fraction = 0.1 leaves nothing of 1 images", "set 0"]);
}

#[test]
fn batches() {
    let test = synthetic::test(16);
    for (batch, part) in [(0, "optim.batch = 0"), (1001, "optim.batch = 1001 is larger than the 1000 images")] {
        let message = Loader::new(&test, batch, 0, Sampling::default()).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
}
