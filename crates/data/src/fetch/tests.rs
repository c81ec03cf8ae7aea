#![allow(clippy::unwrap_used)]

use super::*;
use crate::checksum::sha256;
use crate::cifar::{Archive, BatchFile};
use crate::download::test_server::{Behaviour, Server};
use flate2::{Compression, write::GzEncoder};

/// A record of class `label`, all pixels alike.
fn record(label: u8) -> Vec<u8> {
    let mut bytes = vec![label * 20; 3073];
    bytes[0] = label;
    bytes
}

fn tar_gz(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // The path is written raw: the builder itself refuses to leave its folder.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        archive.append(&header, &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// CIFAR-10 of two files, served from this machine.
fn format(archive: &[u8]) -> Format {
    let server = Server::start(Behaviour { content: archive.to_vec(), ranges: true, ..Behaviour::default() });
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let file = |name, labels: &[u8]| {
        let bytes: Vec<u8> = labels.iter().flat_map(|label| record(*label)).collect();
        BatchFile { name, records: labels.len(), sha256: leak(sha256(&bytes)) }
    };
    let train: &'static [BatchFile] = Box::leak(Box::new([file("data_batch_1.bin", &[1, 2])]));
    let test: &'static [BatchFile] = Box::leak(Box::new([file("test_batch.bin", &[3])]));
    let bytes = archive.len() as u64;
    let archive = Archive { url: leak(server.url.clone()), bytes, sha256: leak(sha256(archive)) };
    Format { train, test, archive, ..CIFAR10 }
}

fn official() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("cifar-10-batches-bin/readme.html", b"hello".to_vec()),
        ("cifar-10-batches-bin/data_batch_1.bin", [record(1), record(2)].concat()),
        ("../outside/data_batch_1.bin", record(9)),
        ("cifar-10-batches-bin/test_batch.bin", record(3)),
    ]
}

fn places(cache: &Path) -> Places {
    Places { cache: Some(cache.to_owned()), ..Places::default() }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_set_is_downloaded_unpacked_and_read() {
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache/frugan");
    let format = format(&tar_gz(&official()));
    let folder = fetch_cifar(&format, &places(&cache), true, &mut |_, _| {}).unwrap();
    assert_eq!(names(&cache), ["cifar-10-batches-bin"]);
    assert_eq!(names(&folder), ["data_batch_1.bin", "test_batch.bin"]);
    assert_eq!(names(home.path()), ["cache"]);
    let splits = format.read(&folder, true).unwrap();
    assert_eq!((&*splits.train.labels, &*splits.test.labels), (&[1, 2][..], &[3][..]));
    assert!(splits.train.image(1).iter().all(|v| *v == 40));
    // It is found from now on.
    assert_eq!(places(&cache).find(&format), Some(folder));
}

#[test]
fn an_archive_without_a_file_leaves_no_folder() {
    let cache = tempfile::tempdir().unwrap();
    let format = format(&tar_gz(&official()[..2]));
    let error = fetch_cifar(&format, &places(cache.path()), true, &mut |_, _| {}).unwrap_err().to_string();
    assert!(error.contains("archive.tar.gz does not hold test_batch.bin"), "{error}");
    assert_eq!(names(cache.path()), ["archive.tar.gz"]);
}

#[test]
fn nothing_is_downloaded_unless_it_may() {
    let cache = tempfile::tempdir().unwrap();
    let format = format(&tar_gz(&official()));
    let rooted = Places { root: Some("/nowhere".into()), ..places(cache.path()) };
    for (places, download) in [(places(cache.path()), false), (rooted, true), (Places::default(), true)] {
        let error = fetch_cifar(&format, &places, download, &mut |_, _| {}).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
    assert!(names(cache.path()).is_empty());
}
