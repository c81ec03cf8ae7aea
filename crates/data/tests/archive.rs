//! StyleGAN's zips: what is written, what is read back, and what is wrong with bad ones.
#![allow(clippy::unwrap_used)]

use frugan_data::scan::Fault;
use frugan_data::{DataConfig, DataName, Dataset, Error, Labels, archive, open};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, RgbaImage};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

fn config(root: &Path) -> DataConfig {
    DataConfig { name: DataName::Zip, root: Some(root.into()), test_fraction: 0.0, ..Default::default() }
}

/// Twelve images of 2x2, of classes 0, 1, 2, 0, ..
fn dataset(channels: usize, num_classes: u32) -> Dataset {
    let bytes = channels * 4;
    let images = (0..12 * bytes).map(|i| (i * 7 % 256) as u8).collect();
    let names = (0..num_classes).map(|class| class.to_string()).collect();
    Dataset::new("dozen", [channels, 2, 2], images, (0..12).map(|i| i % num_classes).collect(), names).unwrap()
}

struct Zip {
    folder: TempDir,
}

impl Zip {
    /// An archive of these files, stored.
    fn of(files: &[(&str, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut zip = ZipWriter::new(std::fs::File::create(folder.path().join("a.zip")).unwrap());
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::DEFAULT).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.zip")
    }

    fn message(&self) -> String {
        open(&config(&self.path())).unwrap_err().to_string()
    }
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encoded(image, ImageFormat::Png)
}

fn rgb(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| image::Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8]))
}

#[test]
fn a_set_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dozen.zip");
    for (channels, num_classes) in [(3, 3), (1, 3), (3, 1)] {
        let set = dataset(channels, num_classes);
        archive::write(&set, &path).unwrap();
        let read = open(&config(&path)).unwrap().train;
        assert_eq!((&read.fingerprint, read.shape, read.num_classes), (&set.fingerprint, set.shape, set.num_classes));
        assert_eq!(read.class_counts(), set.class_counts());
        assert_eq!(read.name, "dozen.zip train");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the archive");
}

#[test]
fn the_layout_is_stylegans() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dozen.zip");
    archive::write(&dataset(3, 3), &path).unwrap();
    let mut zip = ZipArchive::new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(zip.len(), 13);
    for place in 0..zip.len() {
        let entry = zip.by_index(place).unwrap();
        let name = if place < 12 { format!("00000/img{place:08}.png") } else { "dataset.json".to_owned() };
        assert_eq!(entry.name().unwrap(), name);
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        assert_eq!(entry.last_modified().unwrap().to_string(), "1980-01-01 00:00:00");
    }
    let mut json = String::new();
    zip.by_name("dataset.json").unwrap().read_to_string(&mut json).unwrap();
    assert!(json.starts_with(r#"{"labels": [["00000/img00000000.png", 0], ["00000/img00000001.png", 1], "#), "{json}");
}

#[test]
fn the_same_set_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dozen.zip");
    // Pinned: other bytes for the same images are another file to whoever compares checksums.
    let pinned = "5912787df1d66af1c0aa34700c750f6b0c40da93fae1f1196bb7ad810c8ea0a8";
    for _ in 0..2 {
        archive::write(&dataset(3, 3), &path).unwrap();
        assert_eq!(frugan_data::checksum::sha256_of_file(&path).unwrap(), pinned);
    }
}

#[test]
fn without_labels_all_images_are_one_class() {
    let images = || vec![("1.png", png(rgb(8))), ("0.png", png(rgb(8)))];
    let null = [images(), vec![("dataset.json", br#"{"labels": null}"#.to_vec())]].concat();
    for zip in [Zip::of(&images()), Zip::of(&null)] {
        let train = open(&config(&zip.path())).unwrap().train;
        assert_eq!((train.num_classes, train.len()), (1, 2));
    }
    let labelled = [images(), vec![("dataset.json", br#"{"labels": [["0.png", 4], ["1.png", 1]]}"#.to_vec())]].concat();
    let zip = Zip::of(&labelled);
    let train = open(&config(&zip.path())).unwrap().train;
    assert_eq!((&*train.labels, train.class_counts()), (&[4, 1][..], vec![0, 1, 0, 0, 1]));
    let unconditional = DataConfig { labels: Labels::None, ..config(&zip.path()) };
    assert_eq!(open(&unconditional).unwrap().train.num_classes, 1);
}

#[test]
fn held_out_images_are_in_one_split_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dozen.zip");
    archive::write(&dataset(3, 3), &path).unwrap();
    let splits = open(&DataConfig { test_fraction: 0.25, ..config(&path) }).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (9, 3));
    assert_eq!((splits.train.num_classes, splits.test.num_classes), (3, 3));
}

#[test]
fn jpegs_other_names_and_other_sizes_are_read() {
    let zip = Zip::of(&[
        ("photos/b.PNG", png(rgb(16))),
        ("photos/a.jpg", encoded(rgb(16), ImageFormat::Jpeg)),
        ("photos/c.png", png(RgbImage::new(40, 20))),
        ("photos/notes.txt", b"no image".to_vec()),
        ("__MACOSX/photos/._b.png", b"no image".to_vec()),
        ("photos/.hidden.png", b"no image".to_vec()),
    ]);
    assert!(zip.message().contains("1 not square (photos/c.png 40x20): set data.resolution = 16"), "{}", zip.message());
    let train = open(&DataConfig { resolution: Some(16), ..config(&zip.path()) }).unwrap().train;
    assert_eq!((train.len(), train.shape), (3, [3, 16, 16]));
    assert_eq!(train.image(1)[1], 7);
}

#[test]
fn every_kind_of_offender_is_reported_at_once() {
    let mut cut = png(rgb(16));
    cut.truncate(cut.len() * 7 / 10);
    let labels = r#"{"labels": [["alpha.png", 0], ["cut.png", 0], ["deep.png", 0], ["fine.png", 0], ["gone.png", 3],
        ["grey.png", 0], ["half.png", 0.5], ["huge.png", 4000000000], ["large.png", 0], ["less.png", -1],
        ["text.png", 0], ["twice.png", 0], ["twice.png", 1], ["vector.png", [0.125, 0.25, 0.5, 1.0, 2.0, 4.0]]]}"#;
    let zip = Zip::of(&[
        ("alpha.png", png(RgbaImage::new(16, 16))),
        ("cut.png", cut),
        ("deep.png", png(DynamicImage::new_rgb16(16, 16))),
        ("fine.png", png(rgb(16))),
        ("grey.png", png(GrayImage::new(16, 16))),
        ("half.png", png(rgb(16))),
        ("huge.png", png(rgb(16))),
        ("large.png", png(rgb(17))),
        ("less.png", png(rgb(16))),
        ("photo.webp", b"RIFF".to_vec()),
        ("text.png", b"not an image at all".to_vec()),
        ("twice.png", png(rgb(16))),
        ("unlabelled.png", png(rgb(16))),
        ("vector.png", png(rgb(16))),
        ("dataset.json", labels.as_bytes().to_vec()),
    ]);
    let Err(Error::Folder(report)) = open(&config(&zip.path())) else { panic!("expected a report") };
    let got: Vec<(Fault, String)> = report.offenders.iter().map(|o| (o.fault, o.to_string())).collect();
    let expected = [
        (Fault::Format, "photo.webp"),
        (Fault::Unreadable, "text.png (its content is neither PNG nor JPEG)"),
        (Fault::Truncated, "cut.png"),
        (Fault::NoLabel, "unlabelled.png"),
        (Fault::Label, "half.png (0.5)"),
        (Fault::Label, "huge.png (4000000000)"),
        (Fault::Label, "less.png (-1)"),
        (Fault::Label, "twice.png (0 and 1)"),
        (Fault::Label, "vector.png ([0.125,0.25,0.5,1.0,2.0,..)"),
        (Fault::Missing, "gone.png"),
        (Fault::Alpha, "alpha.png"),
        (Fault::Depth, "deep.png"),
        (Fault::Grey, "grey.png"),
        (Fault::Size, "large.png 17x17"),
    ];
    assert_eq!(got, expected.map(|(fault, text)| (fault, text.to_owned())));
    assert!(zip.message().starts_with(&format!("14 of 15 images under {} cannot be used", zip.path().display())));
    // Without labels their faults are none.
    let unconditional = DataConfig { labels: Labels::None, ..config(&zip.path()) };
    let message = open(&unconditional).unwrap_err().to_string();
    assert!(message.starts_with("7 of 14 images") && !message.contains("label"), "{message}");
}

#[test]
fn a_dataset_json_of_another_form_is_told_the_form() {
    for (json, reason) in [
        ("{", "EOF while parsing"),
        (r#"{"label": []}"#, "missing field `labels`"),
        (r#"{"labels": {"a.png": 1}}"#, "expected a sequence"),
        (r#"{"labels": [["a.png"]]}"#, "invalid length 1"),
        (r#"{"labels": [[1, "a.png"]]}"#, "expected a string"),
    ] {
        let message = Zip::of(&[("a.png", png(rgb(8))), ("dataset.json", json.into())]).message();
        for part in ["dataset.json in /", "a.zip cannot be used", reason, "data.labels = \"none\""] {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
}

#[test]
fn what_is_no_archive_is_named() {
    let whole = Zip::of(&[("a.png", png(rgb(8))), ("b.png", png(rgb(8)))]);
    let bytes = std::fs::read(whole.path()).unwrap();
    for content in [&b""[..], b"no zip at all", &bytes[..bytes.len() / 2], &bytes[..bytes.len() - 1]] {
        std::fs::write(whole.path(), content).unwrap();
        let message = whole.message();
        assert!(message.contains("a.zip is not a whole zip file (") && !message.contains('\n'), "{message}");
    }
    let message = open(&config(whole.folder.path())).unwrap_err().to_string();
    assert!(
        message.contains("is not a whole zip file (it is a folder)") && message.contains("\"folder\""),
        "{message}"
    );
    let empty = Zip::of(&[("readme.txt", b"none".to_vec())]);
    assert!(empty.message().contains("a.zip holds no PNG or JPEG file"), "{}", empty.message());
}

/// One file, packed as `method` says; the crate `zip` writes stored files only here.
fn packed(name: &str, method: u16, flags: u16, raw: &[u8], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let mut common = Vec::new();
    for word in [20, flags, method, 0, 0x21] {
        common.extend(word.to_le_bytes());
    }
    for word in [crc.sum(), raw.len() as u32, content.len() as u32] {
        common.extend(word.to_le_bytes());
    }
    common.extend((name.len() as u16).to_le_bytes());
    common.extend([0; 2]);
    let mut zip = [b"PK\x03\x04", &common[..], name.as_bytes(), raw].concat();
    let directory = zip.len() as u32;
    zip.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name.as_bytes()].concat());
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00");
    zip.extend([length.to_le_bytes(), directory.to_le_bytes()].concat());
    zip.extend([0; 2]);
    zip
}

#[test]
fn deflated_images_are_read_and_others_named() {
    let image = png(rgb(8));
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflate.write_all(&image).unwrap();
    let deflated = deflate.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let read = |bytes: Vec<u8>| {
        std::fs::write(&path, bytes).unwrap();
        open(&config(&path)).map(|splits| splits.train.len()).map_err(|error| error.to_string())
    };
    assert_eq!(read(packed("a.png", 8, 0, &deflated, &image)), Ok(1));
    let mut other = image.clone();
    other[60] ^= 1;
    for (bytes, part) in [
        (packed("a.png", 0, 0, &other, &image), "it is not what was packed"),
        (packed("a.png", 8, 0, &deflated, &other), "it is not what was packed"),
        (packed("a.png", 8, 0, &deflated, &image[..image.len() - 1]), "it is not what was packed"),
        (packed("a.png", 12, 0, &image, &image), "it is packed as "),
        (packed("a.png", 0, 1, &image, &image), "it is encrypted"),
    ] {
        let message = read(bytes).unwrap_err();
        assert!(message.contains("1 unreadable (a.png (") && message.contains(part), "{message}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no/such/a.zip");
    let message = archive::write(&dataset(3, 3), &missing).unwrap_err().to_string();
    assert!(message.starts_with("cannot write ") && message.contains("no/such/a.zip"), "{message}");
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    std::fs::write(taken.join("mine"), "mine").unwrap();
    assert!(archive::write(&dataset(3, 3), &taken).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only what was there");
}
