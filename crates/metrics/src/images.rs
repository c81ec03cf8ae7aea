//! Batches of 8-bit images, and how a generator's floats become bytes: the reference codes differ, and so do scores.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// 8-bit images in NCHW order: what every metric sees, whatever made them.
///
/// ```
/// use frugan_metrics::Images;
/// let bytes = vec![0_u8; 2 * 3 * 4 * 4];
/// let images = Images::new(&bytes, [3, 4, 4])?;
/// assert_eq!(images.len(), 2);
/// assert!(Images::new(&bytes[1..], [3, 4, 4]).is_err());
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    bytes: &'a [u8],
    shape: [usize; 3],
}

impl<'a> Images<'a> {
    /// `bytes` holds whole images of `shape` = `[channels, height, width]`; channels are 1 (grey) or 3 (RGB).
    ///
    /// # Errors
    /// If the bytes are not a whole number of images, or the shape has no pixels or another number of channels.
    pub fn new(bytes: &'a [u8], shape: [usize; 3]) -> Result<Self> {
        let [channels, height, width] = shape;
        if channels != 1 && channels != 3 {
            return Err(Error::Images(format!("{channels} channels; expected 1 (grey) or 3 (RGB)")));
        }
        let size = channels * height * width;
        if size == 0 || !bytes.len().is_multiple_of(size) {
            let got = bytes.len();
            return Err(Error::Images(format!(
                "{got} bytes are not a whole number of images of shape {shape:?} ({size} bytes each)"
            )));
        }
        Ok(Self { bytes, shape })
    }

    /// Number of images.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// assert_eq!(Images::new(&[0; 12], [3, 2, 2])?.len(), 1);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.bytes.len() / self.size()
    }

    /// Whether there is no image.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// assert!(Images::new(&[], [3, 2, 2])?.is_empty());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// `[channels, height, width]`.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// assert_eq!(Images::new(&[0; 12], [3, 2, 2])?.shape(), [3, 2, 2]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All bytes, NCHW.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// assert_eq!(Images::new(&[7; 12], [3, 2, 2])?.bytes(), [7; 12]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The images from `start` on, `count` of them or as many as are left.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// let images = Images::new(&[0; 48], [3, 2, 2])?;
    /// assert_eq!(images.slice(1, 2).len(), 2);
    /// assert_eq!(images.slice(3, 9).len(), 1);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn slice(&self, start: usize, count: usize) -> Self {
        let (start, size) = (start.min(self.len()), self.size());
        let end = start.saturating_add(count).min(self.len());
        Self { bytes: &self.bytes[start * size..end * size], shape: self.shape }
    }

    /// Image by image, `[C, H, W]` each.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// assert_eq!(Images::new(&[0; 48], [3, 2, 2])?.iter().count(), 4);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn iter(&self) -> std::slice::ChunksExact<'a, u8> {
        self.bytes.chunks_exact(self.size())
    }

    /// sha256 of the shape and the bytes, in hex: names the images in a cache.
    ///
    /// ```
    /// # use frugan_metrics::Images;
    /// let (a, b) = (Images::new(&[0; 12], [3, 2, 2])?, Images::new(&[1; 12], [3, 2, 2])?);
    /// assert_ne!(a.sha256(), b.sha256());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for extent in self.shape {
            hash.update((extent as u64).to_le_bytes());
        }
        hash.update(self.bytes);
        format!("{:x}", hash.finalize())
    }

    fn size(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A generator's floats in [-1, 1] as DiffAugment's BigGAN makes bytes of them: `trunc((x * 0.5 + 0.5) * 255 + 0.5)` of
/// x clamped to [-1, 1], in f32. What is not a number becomes 0.
///
/// ```
/// use frugan_metrics::to_uint8_diffaugment;
/// assert_eq!(to_uint8_diffaugment(&[-1.0, 0.0, 0.998, 7.0]), [0, 128, 255, 255]);
/// ```
pub fn to_uint8_diffaugment(values: &[f32]) -> Vec<u8> {
    values.iter().map(|x| ((x.clamp(-1.0, 1.0) * 0.5 + 0.5) * 255.0 + 0.5) as u8).collect()
}

/// The same as StyleGAN2-ADA and DiffAugment's StyleGAN2 do it: `trunc(clamp(x * 127.5 + 128, 0, 255))`.
///
/// ```
/// use frugan_metrics::to_uint8_stylegan;
/// assert_eq!(to_uint8_stylegan(&[-1.0, 0.0, 0.995, 7.0]), [0, 128, 254, 255]);
/// ```
pub fn to_uint8_stylegan(values: &[f32]) -> Vec<u8> {
    values.iter().map(|x| (x * 127.5 + 128.0).clamp(0.0, 255.0) as u8).collect()
}

/// Which of the two rules makes bytes of a generator's floats. They are one formula in exact arithmetic and part in f32
/// where a value falls on the edge between two bytes; each protocol keeps its own.
///
/// ```
/// use frugan_metrics::Uint8Rule;
/// assert_eq!(Uint8Rule::default(), Uint8Rule::Diffaugment);
/// assert_eq!(Uint8Rule::Stylegan.to_bytes(&[-1.0, 0.0, 7.0]), [0, 128, 255]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Uint8Rule {
    /// [`to_uint8_diffaugment`].
    #[default]
    Diffaugment,
    /// [`to_uint8_stylegan`].
    Stylegan,
}

impl Uint8Rule {
    /// Floats in [-1, 1] as bytes.
    ///
    /// ```
    /// # use frugan_metrics::Uint8Rule;
    /// assert_eq!(Uint8Rule::Diffaugment.to_bytes(&[1.0]), [255]);
    /// ```
    pub fn to_bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::Diffaugment => to_uint8_diffaugment(values),
            Self::Stylegan => to_uint8_stylegan(values),
        }
    }
}
