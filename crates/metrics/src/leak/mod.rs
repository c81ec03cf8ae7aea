//! The leak measure: how often samples show what only the augmentation T can make.
//!
//! A generator that was trained against augmented reals alone learns to draw T's traces, and FID may look fine all the
//! same. For each kind of trace there is a detector that says yes or no to an image:
//!
//! * cutout: a window that is grey against the rest of the image (a soft grey counts, an image grey all over does not);
//! * translation: a band along a side that is grey against the rows behind it;
//! * color: mean, contrast, saturation and clipped pixels that are likelier under T than under the clean reals.
//!
//! Its thresholds come from one half of the clean reals (and of the reals with only that part of T), its rates from the
//! other half. With `f` its rate on clean reals, `t` on augmented ones and `s` on samples,
//!
//! `leak = (s - f) / (t - f)`: 0 is no leak, 1 leaks as often as T itself acts.
//!
//! Read it with care: it estimates a share, so it scatters around 0 (standard error [`LeakRate::std_error`]) and may be
//! slightly negative. Samples that differ from the reals in other ways move it: grey or flat parts early in training by
//! some hundredths; a cast of its own, or the smooth blots of the first steps, reads as a full color leak. Traces that
//! are some 15 of 255 levels off are half missed. On CIFAR-10 the detectors of cutout and translation find 99 % of T's
//! traces at 2 % false alarms, that of color 74 % at 17 %.

mod color;
mod grey;

use rayon::prelude::*;

use crate::{Error, Images, Result};
use color::Color;
use grey::Grey;

/// Below this difference of rates the reals themselves look like T, and nothing can be said.
const SMALLEST_POWER: f64 = 0.1;

/// A kind of trace, by the part of a DiffAugment policy that makes it.
///
/// ```
/// use frugan_metrics::Leak;
/// assert_eq!(Leak::of_policy("translation,cutout"), [Leak::Translation, Leak::Cutout]);
/// assert_eq!(Leak::Cutout.name(), "cutout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// Casts of brightness, saturation and contrast.
    Color,
    /// Zero borders.
    Translation,
    /// Zero rectangles.
    Cutout,
}

impl Leak {
    /// All kinds.
    ///
    /// ```
    /// # use frugan_metrics::Leak;
    /// assert_eq!(Leak::ALL.map(Leak::name), ["color", "translation", "cutout"]);
    /// ```
    pub const ALL: [Self; 3] = [Self::Color, Self::Translation, Self::Cutout];

    /// Its word in a policy: also the policy that makes the reals which calibrate it.
    ///
    /// ```
    /// # use frugan_metrics::Leak;
    /// assert_eq!(Leak::Color.name(), "color");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Color => "color",
            Self::Translation => "translation",
            Self::Cutout => "cutout",
        }
    }

    /// The column of a table: `leak_cutout`. The largest of all kinds is `leak`.
    ///
    /// ```
    /// # use frugan_metrics::Leak;
    /// assert_eq!(Leak::Translation.column(), "leak_translation");
    /// ```
    pub fn column(self) -> String {
        format!("leak_{}", self.name())
    }

    /// The kinds that a policy can make, in its order.
    ///
    /// ```
    /// # use frugan_metrics::Leak;
    /// assert_eq!(Leak::of_policy(""), []);
    /// ```
    pub fn of_policy(policy: &str) -> Vec<Self> {
        let kind = |word: &str| Self::ALL.into_iter().find(|kind| kind.name() == word.trim());
        let mut kinds = Vec::new();
        for kind in policy.split(',').filter_map(kind) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

/// Detectors calibrated on clean and on augmented reals.
///
/// ```
/// use frugan_metrics::{Images, Leak, LeakDetector};
/// // Noise as reals; "T" blanks a quarter of each image.
/// let mut state = 1_u32;
/// let mut noise = || { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (state >> 24) as u8 };
/// let clean: Vec<u8> = (0..100 * 3 * 256).map(|_| noise()).collect();
/// let cut = |i: usize| i % 16 < 8 && i / 16 % 16 < 8;
/// let augmented: Vec<u8> = clean.iter().enumerate().map(|(i, v)| if cut(i) { 128 } else { *v }).collect();
/// let (clean, augmented) = (Images::new(&clean, [3, 16, 16])?, Images::new(&augmented, [3, 16, 16])?);
/// let detector = LeakDetector::calibrate(clean, &[(Leak::Cutout, augmented)])?;
/// let (leaking, not) = (detector.count(augmented)?, detector.count(clean)?);
/// assert!(detector.rates(&leaking)[0].1.leak().unwrap() > 0.9);
/// assert!(detector.rates(&not)[0].1.leak().unwrap() < 0.1);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LeakDetector {
    kinds: Vec<Calibrated>,
    shape: [usize; 3],
}

#[derive(Clone, Debug)]
struct Calibrated {
    kind: Leak,
    detector: Detector,
    false_rate: f64,
    true_rate: f64,
}

#[derive(Clone, Debug)]
enum Detector {
    Grey(Grey),
    Color(Box<Color>),
}

impl Detector {
    fn fires(&self, image: &[u8]) -> bool {
        match self {
            Self::Grey(grey) => grey.fires(image),
            Self::Color(color) => color.fires(image),
        }
    }

    fn rate<'a>(&self, images: impl IndexedParallelIterator<Item = &'a [u8]>) -> f64 {
        let n = images.len() as f64;
        images.filter(|image| self.fires(image)).count() as f64 / n
    }
}

/// How many images each detector fired on; counts of several batches add up.
///
/// ```
/// use frugan_metrics::LeakCounts;
/// let mut counts = LeakCounts { images: 10, fired: vec![1] };
/// counts.add(&LeakCounts { images: 10, fired: vec![3] });
/// assert_eq!((counts.images, counts.fired), (20, vec![4]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeakCounts {
    /// Images seen.
    pub images: usize,
    /// A count for each kind, in the detector's order.
    pub fired: Vec<usize>,
}

impl LeakCounts {
    /// Adds a batch's counts.
    ///
    /// ```
    /// # use frugan_metrics::LeakCounts;
    /// let mut counts = LeakCounts::default();
    /// counts.add(&LeakCounts { images: 5, fired: vec![2, 0] });
    /// assert_eq!(counts.fired, [2, 0]);
    /// ```
    pub fn add(&mut self, batch: &Self) {
        self.images += batch.images;
        self.fired.resize(self.fired.len().max(batch.fired.len()), 0);
        self.fired.iter_mut().zip(&batch.fired).for_each(|(sum, count)| *sum += count);
    }
}

/// A detector's rates, and the leak that follows from them.
///
/// ```
/// use frugan_metrics::LeakRate;
/// let rate = LeakRate { sample_rate: 0.5, false_rate: 0.0, true_rate: 1.0, images: 100 };
/// assert_eq!((rate.leak(), rate.std_error()), (Some(0.5), Some(0.05)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakRate {
    /// Share of samples that it fires on, `s`.
    pub sample_rate: f64,
    /// Share of clean reals, `f`.
    pub false_rate: f64,
    /// Share of reals with this part of T, `t`.
    pub true_rate: f64,
    /// Number of samples.
    pub images: usize,
}

impl LeakRate {
    /// `(s - f) / (t - f)`; `None` where T's traces cannot be told from the reals (`t - f` below 0.1) or there are no
    /// samples.
    ///
    /// ```
    /// # use frugan_metrics::LeakRate;
    /// assert_eq!(LeakRate { sample_rate: 0.5, false_rate: 0.3, true_rate: 0.35, images: 9 }.leak(), None);
    /// ```
    pub fn leak(&self) -> Option<f64> {
        let power = self.true_rate - self.false_rate;
        (self.images > 0 && power >= SMALLEST_POWER).then(|| (self.sample_rate - self.false_rate) / power)
    }

    /// Standard error of [`LeakRate::leak`] from the number of samples (at least one hit or miss is assumed).
    ///
    /// ```
    /// # use frugan_metrics::LeakRate;
    /// assert_eq!(LeakRate { sample_rate: 0.5, false_rate: 0.0, true_rate: 1.0, images: 0 }.std_error(), None);
    /// ```
    pub fn std_error(&self) -> Option<f64> {
        self.leak()?;
        let n = self.images as f64;
        let p = self.sample_rate.clamp(1.0 / (n + 1.0), n / (n + 1.0));
        Some((p * (1.0 - p) / n).sqrt() / (self.true_rate - self.false_rate))
    }
}

impl LeakDetector {
    /// The fewest images of a kind that a detector can be made of.
    pub const FEWEST: usize = 50;

    /// `clean` are reals as the metric's reference has them; `augmented` holds, for each kind that T can make, reals with
    /// only that part of T (policy [`Leak::name`]), as bytes. Some hundred images of each make good detectors.
    ///
    /// # Errors
    /// If a set has fewer than 50 images, or the shapes differ.
    ///
    /// ```
    /// # use frugan_metrics::{Images, LeakDetector};
    /// assert!(LeakDetector::calibrate(Images::new(&[0; 12], [3, 2, 2])?, &[]).is_err());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn calibrate(clean: Images<'_>, augmented: &[(Leak, Images<'_>)]) -> Result<Self> {
        let shape = clean.shape();
        let halves = |images: Images<'_>| -> Result<()> {
            if images.len() < Self::FEWEST || images.shape() != shape {
                let (n, got) = (images.len(), images.shape());
                let reason = format!("{n} images of shape {got:?}; calibration needs {} of {shape:?}", Self::FEWEST);
                return Err(Error::input("leak", reason));
            }
            Ok(())
        };
        halves(clean)?;
        let mut kinds = Vec::new();
        for (kind, augmented) in augmented {
            halves(*augmented)?;
            let (first, second) = split(clean);
            let (first_augmented, second_augmented) = split(*augmented);
            let detector = match kind {
                Leak::Cutout => Detector::Grey(Grey::windows(shape, &first)),
                Leak::Translation => Detector::Grey(Grey::bands(shape, &first)),
                Leak::Color => Detector::Color(Box::new(Color::fit(shape, &first, &first_augmented)?)),
            };
            let (false_rate, true_rate) =
                (detector.rate(second.par_iter().copied()), detector.rate(second_augmented.par_iter().copied()));
            kinds.push(Calibrated { kind: *kind, detector, false_rate, true_rate });
        }
        Ok(Self { kinds, shape })
    }

    /// Which of `images` each detector fires on.
    ///
    /// # Errors
    /// If the images have another shape than the reals.
    ///
    /// ```
    /// # use frugan_metrics::{Images, LeakDetector};
    /// let reals = vec![0; 50 * 12];
    /// let detector = LeakDetector::calibrate(Images::new(&reals, [3, 2, 2])?, &[])?;
    /// assert_eq!(detector.count(Images::new(&[0; 24], [3, 2, 2])?)?.images, 2);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn count(&self, images: Images<'_>) -> Result<LeakCounts> {
        if images.shape() != self.shape {
            let (got, want) = (images.shape(), self.shape);
            return Err(Error::input("leak", format!("images of shape {got:?}; calibrated for {want:?}")));
        }
        let all: Vec<&[u8]> = images.iter().collect();
        let count = |kind: &Calibrated| all.par_iter().filter(|image| kind.detector.fires(image)).count();
        Ok(LeakCounts { images: all.len(), fired: self.kinds.iter().map(count).collect() })
    }

    /// The rates that follow from counts of [`LeakDetector::count`].
    ///
    /// ```
    /// # use frugan_metrics::{Images, LeakCounts, LeakDetector};
    /// let reals = vec![0; 50 * 12];
    /// let detector = LeakDetector::calibrate(Images::new(&reals, [3, 2, 2])?, &[])?;
    /// assert!(detector.rates(&LeakCounts::default()).is_empty());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn rates(&self, counts: &LeakCounts) -> Vec<(Leak, LeakRate)> {
        let rate = |(i, kind): (usize, &Calibrated)| {
            let fired = counts.fired.get(i).copied().unwrap_or(0) as f64;
            let sample_rate = fired / counts.images.max(1) as f64;
            let (false_rate, true_rate) = (kind.false_rate, kind.true_rate);
            (kind.kind, LeakRate { sample_rate, false_rate, true_rate, images: counts.images })
        };
        self.kinds.iter().enumerate().map(rate).collect()
    }
}

/// Every other image: for thresholds, and for rates.
fn split(images: Images<'_>) -> (Vec<&[u8]>, Vec<&[u8]>) {
    (images.iter().step_by(2).collect(), images.iter().skip(1).step_by(2).collect())
}

/// The value that a share `q` of `values` does not exceed.
fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * q).floor() as usize]
}
