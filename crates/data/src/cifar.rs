//! CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009).
//!
//! A record is the label's byte (CIFAR-100: coarse, then fine) and 3,072 bytes of pixels: the red, green and blue
//! planes, row by row. The training split is the training files one after the other, so indices of published
//! subsets hold.

use crate::checksum::{check, sha256};
use crate::config::DataName;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

const SHAPE: [usize; 3] = [3, 32, 32];
const PIXELS: usize = 3 * 32 * 32;

/// One official file.
///
/// ```
/// assert_eq!(frugan_data::cifar::CIFAR10.test[0].name, "test_batch.bin");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BatchFile {
    /// Its name.
    pub name: &'static str,
    /// Number of records.
    pub records: usize,
    /// SHA-256 of its content.
    pub sha256: &'static str,
}

/// The official archive.
///
/// ```
/// assert!(frugan_data::cifar::CIFAR10.archive.url.ends_with("cifar-10-binary.tar.gz"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Archive {
    /// Where it is.
    pub url: &'static str,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: &'static str,
}

/// One of the two sets.
///
/// ```
/// use frugan_data::cifar::{CIFAR10, CIFAR100};
/// assert_eq!((CIFAR10.record_bytes(), CIFAR100.record_bytes()), (3073, 3074));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Which set.
    pub name: DataName,
    /// The folder inside the official archive.
    pub folder: &'static str,
    /// Bytes of labels before the pixels; the last one is the label in use.
    pub label_bytes: usize,
    /// A name for each class.
    pub class_names: &'static [&'static str],
    /// Files of the training split.
    pub train: &'static [BatchFile],
    /// Files of the test split.
    pub test: &'static [BatchFile],
    /// Where it comes from.
    pub archive: Archive,
}

/// CIFAR-10.
///
/// ```
/// assert_eq!(frugan_data::cifar::CIFAR10.class_names[3], "cat");
/// ```
pub const CIFAR10: Format = Format {
    name: DataName::Cifar10,
    folder: "cifar-10-batches-bin",
    label_bytes: 1,
    class_names: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    train: &[
        batch("data_batch_1.bin", "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"),
        batch("data_batch_2.bin", "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"),
        batch("data_batch_3.bin", "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"),
        batch("data_batch_4.bin", "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"),
        batch("data_batch_5.bin", "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"),
    ],
    test: &[batch("test_batch.bin", "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b")],
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        bytes: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    },
};

/// CIFAR-100, with its fine labels.
///
/// ```
/// assert_eq!(frugan_data::cifar::CIFAR100.class_names.len(), 100);
/// ```
pub const CIFAR100: Format = Format {
    name: DataName::Cifar100,
    folder: "cifar-100-binary",
    label_bytes: 2,
    class_names: &FINE,
    train: &[BatchFile {
        name: "train.bin",
        records: 50_000,
        sha256: "f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29",
    }],
    test: &[batch("test.bin", "d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a")],
    archive: Archive {
        url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        bytes: 168_513_733,
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    },
};

#[rustfmt::skip]
const FINE: [&str; 100] = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest",
    "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard",
    "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine", "possum",
    "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper",
    "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf",
    "woman", "worm",
];

const fn batch(name: &'static str, sha256: &'static str) -> BatchFile {
    BatchFile { name, records: 10_000, sha256 }
}

impl Format {
    /// Labels and pixels of one image.
    ///
    /// ```
    /// assert_eq!(frugan_data::cifar::CIFAR10.record_bytes(), 3073);
    /// ```
    pub const fn record_bytes(&self) -> usize {
        self.label_bytes + PIXELS
    }

    /// All files, training split first.
    ///
    /// ```
    /// assert_eq!(frugan_data::cifar::CIFAR10.files().count(), 6);
    /// ```
    pub fn files(&self) -> impl Iterator<Item = &'static BatchFile> {
        self.train.iter().chain(self.test)
    }

    /// Reads both splits from `folder`. With `verify`, every file must have the official size and checksum; without,
    /// a whole number of records (other images in this format).
    ///
    /// # Errors
    /// A file that is missing, truncated or not the official one; a label that is out of range.
    ///
    /// ```
    /// let folder = tempfile::tempdir().unwrap();
    /// let missing = frugan_data::cifar::CIFAR10.read(folder.path(), true).unwrap_err();
    /// assert!(missing.to_string().contains("data_batch_1.bin"));
    /// ```
    pub fn read(&self, folder: &Path, verify: bool) -> Result<Splits> {
        // Sizes first: they are read at once, and most damage is a file cut short.
        self.files().try_for_each(|file| self.check_size(&folder.join(file.name), file, verify))?;
        Ok(Splits {
            train: self.read_split("train", self.train, folder, verify)?,
            test: self.read_split("test", self.test, folder, verify)?,
        })
    }

    fn check_size(&self, path: &Path, file: &BatchFile, verify: bool) -> Result<()> {
        let got = std::fs::metadata(path).map_err(Error::read(path))?.len();
        let record = self.record_bytes() as u64;
        let expected = file.records as u64 * record;
        if verify && got != expected {
            return Err(Error::FileSize { path: path.to_owned(), got, expected });
        }
        if got % record != 0 {
            return Err(Error::Records { path: path.to_owned(), got, record });
        }
        Ok(())
    }

    fn read_split(&self, split: &str, files: &[BatchFile], folder: &Path, verify: bool) -> Result<Dataset> {
        let read: Vec<Result<(PathBuf, Vec<u8>)>> = files
            .par_iter()
            .map(|file| {
                let path = folder.join(file.name);
                let bytes = std::fs::read(&path).map_err(Error::read(&path))?;
                if verify {
                    check(&path, sha256(&bytes), file.sha256)?;
                }
                Ok((path, bytes))
            })
            .collect();
        // In order, so that of several bad files the first is named, whichever thread was faster.
        let contents = read.into_iter().collect::<Result<Vec<_>>>()?;
        let records: usize = contents.iter().map(|(_, bytes)| bytes.len() / self.record_bytes()).sum();
        let (mut images, mut labels) = (Vec::with_capacity(records * PIXELS), Vec::with_capacity(records));
        for (path, bytes) in contents {
            self.parse(&path, &bytes, &mut images, &mut labels)?;
        }
        let class_names = self.class_names.iter().map(|name| (*name).to_owned()).collect();
        Dataset::new(format!("{} {split}", self.name), SHAPE, images, labels, class_names)
    }

    fn parse(&self, path: &Path, bytes: &[u8], images: &mut Vec<u8>, labels: &mut Vec<u32>) -> Result<()> {
        let classes = self.class_names.len();
        for (record, bytes) in bytes.chunks_exact(self.record_bytes()).enumerate() {
            let label = bytes[self.label_bytes - 1];
            if usize::from(label) >= classes {
                return Err(Error::Label { path: path.to_owned(), record, label, classes });
            }
            labels.push(label.into());
            images.extend_from_slice(&bytes[self.label_bytes..]);
        }
        Ok(())
    }
}
