//! The augmentation of consistency regularisation in CR-BigGAN.

use frugan_autograd::{Error, Ints, Result, Var, concat};
use frugan_nn::Stream;

use crate::apply::image_shape;
use crate::{Draws, Policy, PolicyError};

/// The augmentation A of CR (Zhang et al. 2020) as DiffAugment's CR-BigGAN has it: a mirror flip with probability 1/2
/// where the string starts with `flip`, then a policy of DiffAugment. The published string is `flip,translation`.
///
/// ```
/// use frugan_augment::CrAugment;
/// use frugan_autograd::{DType, Device, Var};
/// use frugan_nn::{Purpose, Stream};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let a = CrAugment::parse("flip,translation")?;
/// let reals = Var::full(0.5, &[4, 3, 32, 32], DType::F32, &Device::Cpu)?;
/// let draws = a.draw(4, 32, 32, &mut Stream::new(0, Purpose::new("d.consistency"), 9));
/// assert_eq!(a.apply(&reals, &draws)?.dims(), [4, 3, 32, 32]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrAugment {
    flip: bool,
    policy: Policy,
}

/// The draws of a [`CrAugment`] for a batch.
///
/// ```
/// use frugan_augment::{CrAugment, CrDraws, Draws};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use frugan_autograd::{Tensor, Var};
/// let images = Var::from(Tensor::from_vec(vec![1f32, 2., 3., 4.], (2, 1, 1, 2), &candle_core::Device::Cpu)?);
/// let draws = CrDraws { flip: vec![true, false], draws: Draws::default() };
/// assert_eq!(CrAugment::parse("flip")?.apply(&images, &draws)?.to_vec::<f32>()?, [2., 1., 3., 4.]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrDraws {
    /// Whether each image is mirrored; empty where the augmentation has no flip.
    pub flip: Vec<bool>,
    /// The draws of the rest.
    pub draws: Draws,
}

impl CrDraws {
    /// The draws of these images of the batch, in this order.
    ///
    /// ```
    /// use frugan_augment::{CrDraws, Draws};
    /// let draws = CrDraws { flip: vec![true, false, false], draws: Draws::default() };
    /// assert_eq!(draws.select(&[2, 0]).flip, [false, true]);
    /// ```
    ///
    /// # Panics
    /// If the batch has no such image.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Self {
        let flip =
            if self.flip.is_empty() { Vec::new() } else { images.iter().map(|image| self.flip[*image]).collect() };
        Self { flip, draws: self.draws.select(images) }
    }
}

impl CrAugment {
    /// Reads a string such as `flip,translation`, `flip` or `translation`; empty is the identity.
    ///
    /// ```
    /// use frugan_augment::CrAugment;
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// assert!(CrAugment::parse("")?.is_identity());
    /// assert!(CrAugment::parse("translation,flip").is_err()); // a flip comes first, or not at all
    /// # Ok(()) }
    /// ```
    pub fn parse(text: &str) -> std::result::Result<Self, PolicyError> {
        let text = text.trim();
        if text == "flip" {
            return Ok(Self { flip: true, policy: Policy::default() });
        }
        match text.strip_prefix("flip,") {
            Some(rest) if rest.trim().is_empty() => Err(PolicyError::EmptyName { policy: text.into() }),
            Some(rest) => Ok(Self { flip: true, policy: Policy::parse(rest)? }),
            None => Ok(Self { flip: false, policy: Policy::parse(text)? }),
        }
    }

    /// Whether images stay as they are.
    ///
    /// ```
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// assert!(!frugan_augment::CrAugment::parse("flip")?.is_identity());
    /// # Ok(()) }
    /// ```
    pub fn is_identity(&self) -> bool {
        !self.flip && self.policy.is_identity()
    }

    /// Draws for `n` images of `height` times `width` pixels: the coins, then the policy's draws.
    ///
    /// ```
    /// use frugan_augment::CrAugment;
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// let draws = CrAugment::parse("flip")?.draw(1000, 8, 8, &mut Stream::new(0, Purpose::new("d.consistency"), 0));
    /// let heads = draws.flip.iter().filter(|coin| **coin).count();
    /// assert!((450..550).contains(&heads));
    /// # Ok(()) }
    /// ```
    pub fn draw(&self, n: usize, height: usize, width: usize, stream: &mut Stream) -> CrDraws {
        let coins = if self.flip { stream.integers(n, 2) } else { Vec::new() };
        let flip = coins.into_iter().map(|coin| coin > 0).collect();
        CrDraws { flip, draws: self.policy.draw(n, height, width, stream) }
    }

    /// Augments images `[N, C, H, W]`; twice differentiable, in f32 and f64.
    ///
    /// ```
    /// use frugan_augment::{CrAugment, CrDraws};
    /// use frugan_autograd::{DType, Device, Var};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let images = Var::zeros(&[2, 3, 8, 8], DType::F32, &Device::Cpu)?;
    /// let error = CrAugment::parse("flip")?.apply(&images, &CrDraws::default()).expect_err("no coins");
    /// assert!(error.to_string().contains("0 coins for 2 images"));
    /// # Ok(()) }
    /// ```
    pub fn apply(&self, images: &Var, draws: &CrDraws) -> Result<Var> {
        let [n, ..] = image_shape(images)?;
        let coins = if self.flip { n } else { 0 };
        if draws.flip.len() != coins {
            let given = draws.flip.len();
            return Err(Error::Msg(format!("CR augmentation: {given} coins for {n} images: want {coins}")));
        }
        let flipped = if self.flip { flip_where(images, &draws.flip)? } else { images.clone() };
        self.policy.apply(&flipped, &draws.draws)
    }
}

/// Mirrors the images where the coin says so: rows picked from the images and their mirror images.
fn flip_where(images: &Var, coins: &[bool]) -> Result<Var> {
    let n = coins.len();
    let both = concat(&[images, &images.flip(3)?], 0)?;
    let picks: Ints = coins.iter().enumerate().map(|(i, coin)| (if *coin { n + i } else { i }) as i32).collect();
    both.reshape(&[2 * n, images.elem_count() / n.max(1)])?.gather(&picks)?.reshape(images.dims())
}
