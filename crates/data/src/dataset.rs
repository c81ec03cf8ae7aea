//! A split of images in memory.

use crate::checksum::hex;
use crate::error::{Error, Result};
use frugan_nn::Stream;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The training and the test split of a data set.
///
/// ```
/// let splits = frugan_data::open(&Default::default())?;
/// assert_eq!((splits.train.len(), splits.test.len()), (5000, 1000));
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Splits {
    /// What the run trains on: the subset, if one was asked for.
    pub train: Dataset,
    /// Held-out images, never a subset of anything; empty for a folder or zip with `data.test_fraction = 0`.
    pub test: Dataset,
}

/// Images of one size with their labels. A clone shares the pixels.
///
/// ```
/// use frugan_data::Dataset;
/// let classes = vec!["dark".to_owned(), "bright".to_owned()];
/// let set = Dataset::new("two", [1, 1, 2], vec![0, 9, 200, 255], vec![0, 1], classes)?;
/// assert_eq!(set.image(1), [200, 255]);
/// assert_eq!(set.class_counts(), [1, 1]);
/// # Ok::<(), frugan_data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What it is, for logs and results: `cifar10 train, 5000 of 50000 (seed 0)`.
    pub name: String,
    /// Pixels `[N, C, H, W]`, 0 to 255.
    pub images: Arc<[u8]>,
    /// A class for each image, below `num_classes`.
    pub labels: Arc<[u32]>,
    /// Number of classes; 1 when there are no labels.
    pub num_classes: usize,
    /// A name for each class.
    pub class_names: Arc<[String]>,
    /// `[C, H, W]` of an image.
    pub shape: [usize; 3],
    /// SHA-256 of shape, labels and pixels, in hex: the same content in the same order has the same fingerprint.
    pub fingerprint: String,
}

impl Dataset {
    /// `images` is `[N, C, H, W]` with `shape = [C, H, W]`; `labels` has N entries below `class_names.len()`.
    ///
    /// # Errors
    /// When the lengths do not fit together or a label is out of range.
    ///
    /// ```
    /// use frugan_data::Dataset;
    /// let set = Dataset::new("odd", [3, 2, 2], vec![0; 13], vec![0], vec!["all".to_owned()]);
    /// assert_eq!(set.unwrap_err().to_string(), "bytes of 1 images [3, 2, 2]: 13 given, expected 12");
    /// ```
    pub fn new(
        name: impl Into<String>,
        shape: [usize; 3],
        images: Vec<u8>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self> {
        let expected = shape.iter().product::<usize>() * labels.len();
        if images.len() != expected {
            let what = format!("bytes of {} images {shape:?}", labels.len());
            return Err(Error::Shape { what, got: images.len().to_string(), expected: expected.to_string() });
        }
        let num_classes = class_names.len();
        if let Some(label) = labels.iter().find(|label| **label as usize >= num_classes) {
            let expected = format!("a label below {num_classes}, the number of classes");
            return Err(Error::Shape { what: "label".to_owned(), got: label.to_string(), expected });
        }
        let fingerprint = fingerprint(shape, &images, &labels);
        Ok(Self {
            name: name.into(),
            images: images.into(),
            labels: labels.into(),
            num_classes,
            class_names: class_names.into(),
            shape,
            fingerprint,
        })
    }

    /// Number of images.
    ///
    /// ```
    /// assert_eq!(frugan_data::synthetic::test(32).len(), 1000);
    /// ```
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    ///
    /// ```
    /// assert!(!frugan_data::synthetic::test(32).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Bytes of an image: C·H·W.
    ///
    /// ```
    /// assert_eq!(frugan_data::synthetic::test(32).image_bytes(), 3 * 32 * 32);
    /// ```
    pub fn image_bytes(&self) -> usize {
        self.shape.iter().product()
    }

    /// Pixels `[C, H, W]` of one image.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len), as a slice does.
    ///
    /// ```
    /// assert_eq!(frugan_data::synthetic::test(32).image(3).len(), 3 * 32 * 32);
    /// ```
    pub fn image(&self, index: usize) -> &[u8] {
        let bytes = self.image_bytes();
        &self.images[index * bytes..][..bytes]
    }

    /// The class histogram: how many images each class has.
    ///
    /// ```
    /// assert_eq!(frugan_data::synthetic::test(32).class_counts(), [100; 10]);
    /// ```
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.num_classes];
        for label in &*self.labels {
            counts[*label as usize] += 1;
        }
        counts
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// When an index is not below [`len`](Self::len), as a slice does.
    ///
    /// ```
    /// let test = frugan_data::synthetic::test(32);
    /// let pair = test.select("two of the test split", &[7, 3]);
    /// assert_eq!(pair.image(0), test.image(7));
    /// ```
    pub fn select(&self, name: impl Into<String>, indices: &[u32]) -> Self {
        let images: Vec<u8> = indices.iter().flat_map(|i| self.image(*i as usize)).copied().collect();
        let labels: Vec<u32> = indices.iter().map(|i| self.labels[*i as usize]).collect();
        let fingerprint = fingerprint(self.shape, &images, &labels);
        Self { name: name.into(), images: images.into(), labels: labels.into(), fingerprint, ..self.clone() }
    }

    /// The same images in one class, for unconditional training. A set of one class stays as it is.
    ///
    /// ```
    /// let alike = frugan_data::synthetic::test(32).without_labels();
    /// assert_eq!((alike.num_classes, alike.class_counts()), (1, vec![1000]));
    /// ```
    pub fn without_labels(self) -> Self {
        if self.num_classes == 1 {
            return self;
        }
        let labels = vec![0; self.len()];
        Self {
            name: format!("{} without labels", self.name),
            fingerprint: fingerprint(self.shape, &self.images, &labels),
            labels: labels.into(),
            num_classes: 1,
            class_names: vec!["all".to_owned()].into(),
            ..self
        }
    }

    /// Labels for `n` fakes: those of images drawn uniformly, so classes come as often as in the data (ADA's code;
    /// DiffAugment's BigGAN code draws classes uniformly instead).
    ///
    /// # Panics
    /// When there is no image.
    ///
    /// ```
    /// use frugan_data::Dataset;
    /// use frugan_nn::{Purpose, Stream};
    /// let classes = vec!["rare".to_owned(), "frequent".to_owned()];
    /// let set = Dataset::new("uneven", [1, 1, 1], vec![0; 10], [[0].as_slice(), &[1; 9]].concat(), classes)?;
    /// let labels = set.draw_labels(1000, &mut Stream::new(0, Purpose::new("g.labels"), 3));
    /// let rare = labels.iter().filter(|label| **label == 0).count();
    /// assert!((60..140).contains(&rare));
    /// # Ok::<(), frugan_data::Error>(())
    /// ```
    pub fn draw_labels(&self, n: usize, stream: &mut Stream) -> Vec<i32> {
        let images = stream.integers(n, self.len() as u32);
        images.into_iter().map(|index| self.labels[index as usize] as i32).collect()
    }
}

fn fingerprint(shape: [usize; 3], images: &[u8], labels: &[u32]) -> String {
    let mut hash = Sha256::new();
    for n in shape {
        hash.update((n as u64).to_le_bytes());
    }
    hash.update((labels.len() as u64).to_le_bytes());
    for label in labels {
        hash.update(label.to_le_bytes());
    }
    hash.update(images);
    hex(&hash.finalize())
}

/// Pixels as a network sees them: `(x / 255 - 0.5) / 0.5` in f32, from -1 (black) to 1 (white), as both papers' code.
///
/// ```
/// assert_eq!(frugan_data::images_to_float(&[0, 255]), [-1.0, 1.0]);
/// ```
pub fn images_to_float(images: &[u8]) -> Vec<f32> {
    let table = float_table();
    images.iter().map(|pixel| table[usize::from(*pixel)]).collect()
}

/// The float of each of the 256 bytes.
pub(crate) fn float_table() -> [f32; 256] {
    std::array::from_fn(|pixel| (pixel as f32 / 255.0 - 0.5) / 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_agree_with_the_other_published_form() {
        for (pixel, float) in float_table().into_iter().enumerate() {
            assert!((float - (pixel as f32 / 127.5 - 1.0)).abs() < 1.2e-7, "{pixel}: {float}");
        }
    }

    #[test]
    fn the_fingerprint_tells_shape_labels_and_pixels_apart() {
        let names = || vec!["a".to_owned(), "b".to_owned()];
        let set = |shape, images: &[u8], labels: &[u32]| {
            Dataset::new("x", shape, images.to_vec(), labels.to_vec(), names()).expect("fits").fingerprint
        };
        let base = set([1, 1, 2], &[1, 2], &[0]);
        assert_eq!(base, set([1, 1, 2], &[1, 2], &[0]));
        assert_ne!(base, set([1, 2, 1], &[1, 2], &[0]));
        assert_ne!(base, set([1, 1, 2], &[1, 2], &[1]));
        assert_ne!(base, set([1, 1, 2], &[1, 3], &[0]));
        assert_eq!(base.len(), 64);
    }

    #[test]
    fn a_label_out_of_range_is_an_error() {
        let set = Dataset::new("x", [1, 1, 1], vec![0], vec![2], vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            set.expect_err("label 2 of 2 classes").to_string(),
            "label: 2 given, expected a label below 2, the number of classes"
        );
    }
}
