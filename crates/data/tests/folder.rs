//! Folders of images, good and bad.
#![allow(clippy::unwrap_used)]

use frugan_data::scan::Fault;
use frugan_data::{DataConfig, DataName, Error, Labels, open};
use image::{DynamicImage, GrayImage, ImageFormat, RgbImage, RgbaImage};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn save(&self, name: &str, image: impl Into<DynamicImage>) {
        image.into().save(self.path(name)).unwrap();
    }

    fn cut(&self, name: &str, share: f64) {
        let bytes = std::fs::read(self.path(name)).unwrap();
        std::fs::write(self.path(name), &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    }

    fn config(&self) -> DataConfig {
        DataConfig {
            name: DataName::Folder,
            root: Some(self.0.path().into()),
            test_fraction: 0.0,
            ..Default::default()
        }
    }

    fn offenders(&self) -> Vec<(Fault, String)> {
        match open(&self.config()) {
            Err(Error::Folder(report)) => {
                report.offenders.iter().map(|o| (o.fault, o.path.to_string_lossy().into_owned())).collect()
            }
            other => panic!("expected a report, got {other:?}"),
        }
    }
}

/// Not of one colour: a compressed file then has a body that can be cut.
fn rgb(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 7) as u8, (y * 11) as u8, (x * y) as u8]))
}

#[test]
fn sub_folders_are_classes_in_order_of_name() {
    let folder = Folder::new();
    for name in ["dog/2.png", "cat/deep/1.png", "cat/b.PNG", "cat-big/x.png"] {
        folder.save(name, rgb(8, 8));
    }
    std::fs::write(folder.path("dog/notes.txt"), "no image").unwrap();
    std::fs::write(folder.path("dog/.hidden.png"), "no image").unwrap();
    let train = open(&folder.config()).unwrap().train;
    assert_eq!(&*train.class_names, ["cat", "cat-big", "dog"]);
    assert_eq!(train.class_counts(), [2, 1, 1]);
    let alike = DataConfig { labels: Labels::None, ..folder.config() };
    assert_eq!(open(&alike).unwrap().train.num_classes, 1);
}

#[test]
fn pixels_are_planes() {
    let folder = Folder::new();
    folder.save("a.png", RgbImage::from_raw(2, 2, (1..=12).collect()).unwrap());
    let train = open(&folder.config()).unwrap().train;
    assert_eq!(train.image(0), [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]);
}

#[test]
fn grey_images_alone_have_one_channel() {
    let folder = Folder::new();
    folder.save("a.png", GrayImage::from_raw(2, 2, vec![1, 2, 3, 4]).unwrap());
    folder.save("b.jpg", GrayImage::new(2, 2));
    let train = open(&folder.config()).unwrap().train;
    assert_eq!((train.shape, train.image(0)), ([1, 2, 2], &[1, 2, 3, 4][..]));
}

#[test]
fn held_out_images_are_in_one_split_only() {
    let folder = Folder::new();
    for i in 0..10 {
        folder.save(&format!("{i}.png"), RgbImage::from_pixel(4, 4, image::Rgb([i, 0, 0])));
    }
    let splits = open(&DataConfig { test_fraction: 0.3, ..folder.config() }).unwrap();
    assert_eq!((splits.train.len(), splits.test.len()), (7, 3));
    let first = |set: &frugan_data::Dataset| (0..set.len()).map(|i| set.image(i)[0]).collect::<Vec<_>>();
    let mut all = [first(&splits.train), first(&splits.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<u8>>());
    assert!(open(&folder.config()).unwrap().test.is_empty());
}

#[test]
fn every_kind_of_offender_is_reported_at_once() {
    let folder = Folder::new();
    for i in 0..5 {
        folder.save(&format!("ok/{i}.png"), rgb(16, 16));
        folder.save(&format!("ok/{i}.jpg"), rgb(16, 16));
    }
    folder.save("bad/alpha.png", RgbaImage::new(16, 16));
    folder.save("bad/deep.png", DynamicImage::new_rgb16(16, 16));
    folder.save("bad/grey.png", GrayImage::new(16, 16));
    folder.save("bad/wide.png", rgb(20, 16));
    folder.save("bad/large.jpeg", rgb(17, 17));
    folder.save("bad/cut.png", rgb(16, 16));
    folder.cut("bad/cut.png", 0.7);
    folder.save("bad/cut.jpg", rgb(16, 16));
    folder.cut("bad/cut.jpg", 0.95);
    std::fs::write(folder.path("bad/empty.jpg"), "").unwrap();
    std::fs::write(folder.path("bad/text.png"), "not an image at all").unwrap();
    std::fs::write(folder.path("bad/photo.webp"), "RIFF").unwrap();
    folder.save("stray.png", rgb(16, 16));
    // Two things wrong with one file.
    folder.save("bad/both.png", rgb(30, 30));
    folder.cut("bad/both.png", 0.7);

    let expected = [
        (Fault::Format, "bad/photo.webp"),
        (Fault::Unreadable, "bad/text.png"),
        (Fault::Truncated, "bad/both.png"),
        (Fault::Truncated, "bad/cut.jpg"),
        (Fault::Truncated, "bad/cut.png"),
        (Fault::Truncated, "bad/empty.jpg"),
        (Fault::Unlabelled, "stray.png"),
        (Fault::Alpha, "bad/alpha.png"),
        (Fault::Depth, "bad/deep.png"),
        (Fault::Grey, "bad/grey.png"),
        (Fault::NonSquare, "bad/wide.png"),
        (Fault::Size, "bad/both.png"),
        (Fault::Size, "bad/large.jpeg"),
    ];
    assert_eq!(folder.offenders(), expected.map(|(fault, path)| (fault, path.to_owned())));

    let message = open(&folder.config()).unwrap_err().to_string();
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines[0].starts_with("12 of 22 images under "), "{message}");
    assert!(
        lines.iter().any(|line| line.starts_with("  2 not 16x16 (bad/both.png 30x30, bad/large.jpeg 17x17): set "))
    );
    assert!(lines.iter().any(|line| line.starts_with("  4 truncated (bad/both.png, bad/cut.jpg, bad/cut.png,")));
    assert_eq!(lines.len(), 10, "{message}");
}

#[test]
fn the_configured_side_rules() {
    let folder = Folder::new();
    folder.save("a.png", rgb(16, 16));
    folder.save("b.png", rgb(40, 30));
    folder.save("c.png", RgbImage::from_pixel(5, 8, image::Rgb([9, 8, 7])));
    let train = open(&DataConfig { resolution: Some(16), ..folder.config() }).unwrap().train;
    assert_eq!(train.shape, [3, 16, 16]);
    assert!(train.name.contains("(2 images resized to 16x16)"), "{}", train.name);
    let plane = |image: &RgbImage, c: usize| image.pixels().map(|pixel| pixel.0[c]).collect::<Vec<u8>>();
    let whole = rgb(16, 16);
    assert_eq!(train.image(0), (0..3).flat_map(|c| plane(&whole, c)).collect::<Vec<u8>>());
    let centre = image::imageops::crop_imm(&rgb(40, 30), 5, 0, 30, 30).to_image();
    let square = frugan_data::to_square(centre.into(), 16).into_rgb8();
    assert_eq!(train.image(1)[..256], plane(&square, 0));
    assert!(train.image(2).chunks_exact(256).zip([9, 8, 7]).all(|(plane, v)| plane.iter().all(|p| *p == v)));
}

#[test]
fn what_resizing_does_not_mend_is_still_reported() {
    let folder = Folder::new();
    folder.save("a.png", rgb(16, 16));
    folder.save("grey.png", GrayImage::new(20, 10));
    let message = open(&DataConfig { resolution: Some(16), ..folder.config() }).unwrap_err().to_string();
    assert!(message.starts_with("1 of 2 images") && message.contains("1 grey among RGB (grey.png): "), "{message}");
    assert_eq!(message.lines().count(), 2, "{message}");
}

#[test]
fn many_offenders_are_counted_and_a_few_named() {
    let folder = Folder::new();
    (0..20).for_each(|i| folder.save(&format!("{i:02}.png"), RgbaImage::new(4, 4)));
    let message = open(&folder.config()).unwrap_err().to_string();
    assert!(message.contains("20 with an alpha channel (00.png, ") && message.contains(" and 12 more): "), "{message}");
}

#[test]
fn a_png_under_a_jpegs_name_is_read_by_its_content() {
    let folder = Folder::new();
    rgb(8, 8).save_with_format(folder.path("a.jpg"), ImageFormat::Png).unwrap();
    let mut gif = Vec::from(&b"GIF89a"[..]);
    gif.extend([0; 20]);
    assert_eq!(open(&folder.config()).unwrap().train.len(), 1);
    std::fs::write(folder.path("b.png"), gif).unwrap();
    assert_eq!(folder.offenders(), [(Fault::Unreadable, "b.png".to_owned())]);
}

#[cfg(unix)]
#[test]
fn a_link_to_where_it_lies_lists_nothing_again() {
    let folder = Folder::new();
    folder.save("cat/1.png", rgb(8, 8));
    folder.save("elsewhere/2.png", rgb(8, 8));
    for (to, from) in [(".", "loop"), ("..", "cat/up"), ("../elsewhere", "cat/more")] {
        std::os::unix::fs::symlink(to, folder.path(from)).unwrap();
    }
    let train = open(&folder.config()).unwrap().train;
    // A link to another folder is followed.
    assert_eq!((&*train.class_names, train.class_counts()), (&["cat", "elsewhere"].map(String::from)[..], vec![2, 1]));
}

#[test]
fn a_side_that_no_memory_holds_is_refused() {
    let folder = Folder::new();
    folder.save("a.png", rgb(8, 8));
    let config = DataConfig { resolution: Some(1_000_000), ..folder.config() };
    let message = open(&config).unwrap_err().to_string();
    assert!(message.starts_with("1 images of 1000000x1000000 want 9000.0 GB of memory"), "{message}");
}

#[test]
fn folders_without_images_are_named() {
    let folder = Folder::new();
    let message = |root: &Path| {
        let config = DataConfig { root: Some(root.to_owned()), ..folder.config() };
        open(&config).unwrap_err().to_string()
    };
    assert!(message(folder.0.path()).contains("holds no PNG or JPEG file"));
    assert!(message(Path::new("/no/such/folder")).starts_with("/no/such/folder is not a folder"));
}
