use crate::protocol::{count, parse_count};
use crate::{Error, Result};

/// Samples that the published numbers take.
const PUBLISHED_SAMPLES: usize = 50_000;

/// Where a path lies.
///
/// ```
/// use frugan_metrics::{PathSpace, PplConfig};
/// assert_eq!(PplConfig::default().space, PathSpace::W);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSpace {
    /// On the sphere of normalised latents ([`crate::slerp`]).
    Z,
    /// On a straight line behind the mapping ([`crate::lerp`]).
    W,
}

/// Where on a path the step is taken.
///
/// ```
/// use frugan_metrics::{PathSampling, PplConfig};
/// assert_eq!(PplConfig::default().sampling, PathSampling::End);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSampling {
    /// At a uniform place.
    Full,
    /// At its beginning.
    End,
}

/// The protocol of a path length. The default is `ppl2_wend`, StyleGAN2's.
///
/// ```
/// use frugan_metrics::{PathSampling, PathSpace, PplConfig};
/// let config = PplConfig { num_samples: 2000, ..PplConfig::default() };
/// assert_eq!((PplConfig::default().name(), config.name()), ("ppl2_wend".into(), "ppl2_wend_2k".into()));
/// let first = PplConfig { space: PathSpace::Z, sampling: PathSampling::Full, crop: true, ..Default::default() };
/// assert_eq!(first.name(), "ppl_zfull");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PplConfig {
    /// Where a path lies.
    pub space: PathSpace,
    /// Where on it the step is taken.
    pub sampling: PathSampling,
    /// Whether images are cropped to rows 3/8 to 7/8 and columns 2/8 to 6/8, a face's box, as the first StyleGAN's
    /// numbers were.
    pub crop: bool,
    /// Length of a step in t, above 0; 1e-4 in the published numbers.
    pub epsilon: f64,
    /// Paths; 50 000 in the published numbers.
    pub num_samples: usize,
    /// Paths at a time, at least 1: the generator makes twice as many images.
    pub batch: usize,
    /// Seed of places and latents.
    pub seed: u64,
}

impl Default for PplConfig {
    fn default() -> Self {
        Self {
            space: PathSpace::W,
            sampling: PathSampling::End,
            crop: false,
            epsilon: 1e-4,
            num_samples: PUBLISHED_SAMPLES,
            batch: 2,
            seed: 0,
        }
    }
}

impl PplConfig {
    /// The published protocol of this name: `ppl2_wend`, or with the crop `ppl_zfull`, `ppl_wfull`, `ppl_zend`,
    /// `ppl_wend`; behind it the number of paths, where it is another than 50,000.
    ///
    /// ```
    /// # use frugan_metrics::PplConfig;
    /// assert!(PplConfig::named("ppl_zend").unwrap().crop);
    /// assert_eq!(PplConfig::named("ppl2_wend_2k").unwrap().num_samples, 2000);
    /// assert_eq!(PplConfig::named("ppl_xend"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        let spaces = [PathSpace::Z, PathSpace::W];
        let samplings = [PathSampling::Full, PathSampling::End];
        let all = spaces.into_iter().flat_map(|space| samplings.map(|sampling| (space, sampling)));
        let legacy = all.map(|(space, sampling)| Self { space, sampling, crop: true, ..Self::default() });
        let mut published = legacy.chain([Self::default()]);
        published.find_map(|path| match name.strip_prefix(&path.name())? {
            "" => Some(path),
            rest => Some(Self { num_samples: parse_count(rest.strip_prefix('_')?).filter(|n| *n > 0)?, ..path }),
        })
    }

    /// Its name: the published one, with the number of samples where it is another.
    ///
    /// ```
    /// # use frugan_metrics::PplConfig;
    /// assert_eq!(PplConfig { crop: true, ..PplConfig::default() }.name(), "ppl_wend");
    /// ```
    pub fn name(&self) -> String {
        let family = if self.crop { "ppl" } else { "ppl2" };
        let space = if self.space == PathSpace::Z { "z" } else { "w" };
        let sampling = if self.sampling == PathSampling::Full { "full" } else { "end" };
        let name = format!("{family}_{space}{sampling}");
        if self.num_samples == PUBLISHED_SAMPLES { name } else { format!("{name}_{}", count(self.num_samples)) }
    }

    /// Checks every value.
    ///
    /// # Errors
    /// Names the first that is out of its range.
    ///
    /// ```
    /// # use frugan_metrics::PplConfig;
    /// assert!(PplConfig { epsilon: 0.0, ..PplConfig::default() }.validate().is_err());
    /// ```
    pub fn validate(&self) -> Result<()> {
        if !(self.epsilon.is_finite() && self.epsilon > 0.0) {
            return Err(Error::input("ppl", format!("epsilon = {}; expected a finite number above 0", self.epsilon)));
        }
        if self.num_samples == 0 || self.batch == 0 {
            let (samples, batch) = (self.num_samples, self.batch);
            return Err(Error::input("ppl", format!("{samples} samples in batches of {batch}; expected at least 1")));
        }
        Ok(())
    }
}
