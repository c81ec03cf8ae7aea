//! T of a run: ADA's pipe and DiffAugment's policy, either, both or none.

use frugan_autograd::{Result, Var};
use frugan_nn::Stream;
use thiserror::Error;

use crate::ada::{self, AdaConfigError, Pipe, PipeError};
use crate::{AugmentConfig, Draws, Policy, PolicyError};

/// T as a run's `[augment]` describes it: ADA's pipe, then DiffAugment's policy on what comes out of it. The papers
/// never combine them, so the order is ours: the pipe expects images as the data has them, and the policy's empty
/// borders and rectangles would be mirrored and blurred by it.
///
/// ```
/// use frugan_augment::{AugmentConfig, Augmentation};
/// use frugan_autograd::{DType, Device, Var};
/// use frugan_nn::{Purpose, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = AugmentConfig { ada: Some(Default::default()), ..AugmentConfig::default() };
/// let t = Augmentation::new(&config)?;
/// let images = Var::zeros(&[4, 3, 32, 32], DType::F32, &Device::Cpu)?;
/// let stream = |purpose| Stream::new(0, Purpose::new(purpose), 17);
/// let draws = t.draw(4, [3, 32, 32], &mut stream("d.ada"), &mut stream("d.augment"));
/// assert_eq!(t.apply(&images, &draws, 0.2)?.dims(), images.dims());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// ADA's pipe.
    pub ada: Option<Pipe>,
    /// DiffAugment's policy.
    pub policy: Policy,
}

/// The draws of an [`Augmentation`] for a batch.
///
/// ```
/// use frugan_augment::AugmentationDraws;
/// assert!(AugmentationDraws::default().ada.is_none());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AugmentationDraws {
    /// Of the pipe, if there is one.
    pub ada: Option<ada::Draws>,
    /// Of the policy.
    pub policy: Draws,
}

/// What is wrong with an `[augment]`.
///
/// ```
/// use frugan_augment::{AugmentConfig, AugmentError};
/// let config = AugmentConfig { policy: "colour".into(), ..AugmentConfig::default() };
/// assert!(matches!(config.check(), Err(AugmentError::Policy(_))));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub enum AugmentError {
    /// DiffAugment's policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// ADA.
    #[error(transparent)]
    Ada(#[from] AdaConfigError),
}

impl From<PipeError> for AugmentError {
    fn from(error: PipeError) -> Self {
        Self::Ada(error.into())
    }
}

impl Augmentation {
    /// From a config.
    ///
    /// ```
    /// use frugan_augment::{AugmentConfig, Augmentation};
    /// # fn main() -> Result<(), frugan_augment::AugmentError> {
    /// assert!(!Augmentation::new(&AugmentConfig::default())?.is_identity());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a name or a value is not known.
    pub fn new(config: &AugmentConfig) -> std::result::Result<Self, AugmentError> {
        config.check()?;
        let ada = config.ada.as_ref().filter(|ada| ada.acts()).map(|ada| ada.pipe()).transpose()?;
        Ok(Self { ada, policy: config.policy()? })
    }

    /// Whether images stay as they are at any p.
    ///
    /// ```
    /// assert!(frugan_augment::Augmentation::default().is_identity());
    /// ```
    pub fn is_identity(&self) -> bool {
        self.ada.is_none() && self.policy.is_identity()
    }

    /// Draws for `n` images of `[channels, height, width]`, from a stream for the pipe and one for the policy, so that
    /// the draws of either do not depend on the other.
    ///
    /// ```
    /// use frugan_augment::{Augmentation, Policy};
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// let t = Augmentation { policy: Policy::parse("cutout")?, ada: None };
    /// let stream = |purpose| Stream::new(0, Purpose::new(purpose), 0);
    /// let draws = t.draw(8, [3, 32, 32], &mut stream("g.ada"), &mut stream("g.augment"));
    /// assert_eq!((draws.policy.len(), draws.ada), (8, None));
    /// # Ok(()) }
    /// ```
    pub fn draw(&self, n: usize, shape: [usize; 3], ada: &mut Stream, policy: &mut Stream) -> AugmentationDraws {
        let [_, height, width] = shape;
        AugmentationDraws {
            ada: self.ada.as_ref().map(|pipe| pipe.draw(n, shape, ada)),
            policy: self.policy.draw(n, height, width, policy),
        }
    }

    /// T(x) for images `[N, C, H, W]`, with the pipe at overall strength `p`, which the policy does not read. Twice
    /// differentiable.
    ///
    /// ```
    /// use frugan_augment::{Augmentation, AugmentationDraws};
    /// use frugan_autograd::{DType, Device, Var};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let images = Var::full(0.5, &[1, 3, 2, 2], DType::F32, &Device::Cpu)?;
    /// let same = Augmentation::default().apply(&images, &AugmentationDraws::default(), 0.9)?;
    /// assert_eq!(same.to_vec::<f32>()?, [0.5; 12]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Pipe::apply`] and [`Policy::apply`].
    pub fn apply(&self, images: &Var, draws: &AugmentationDraws, p: f64) -> Result<Var> {
        let none = ada::Draws::default();
        match &self.ada {
            Some(pipe) => {
                let moved = pipe.apply(images, draws.ada.as_ref().unwrap_or(&none), p)?;
                self.policy.apply(&moved, &draws.policy)
            }
            None => self.policy.apply(images, &draws.policy),
        }
    }
}

impl AugmentationDraws {
    /// The draws of the `len` images from `start` on. The pipe pads all images of a call alike, so a part of a batch
    /// equals the same part of the whole but for rounding.
    ///
    /// ```
    /// use frugan_augment::{Augmentation, Policy};
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// let t = Augmentation { policy: Policy::parse("color")?, ada: None };
    /// let stream = |purpose| Stream::new(0, Purpose::new(purpose), 0);
    /// let draws = t.draw(8, [3, 32, 32], &mut stream("d.ada"), &mut stream("d.augment"));
    /// assert_eq!(draws.narrow(5, 3).policy.len(), 3);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the range leaves the batch.
    #[must_use]
    pub fn narrow(&self, start: usize, len: usize) -> Self {
        Self { ada: self.ada.as_ref().map(|draws| draws.narrow(start, len)), policy: self.policy.narrow(start, len) }
    }
}
