//! What chance decides: the draws of a policy for a batch.

use std::ops::RangeInclusive;

use frugan_nn::Stream;
use thiserror::Error;

use crate::draw::{Draw, cutout_centres, translations};
use crate::{Policy, Transform};

/// The draws of a policy for a batch of `n` images, in the policy's order.
///
/// ```
/// use frugan_augment::{Draw, Draws, Policy};
/// use frugan_autograd::{Tensor, Var};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let policy = Policy::parse("translation")?;
/// let draws = Draws::new(vec![Draw::Translation { tx: vec![0], ty: vec![1] }])?;
/// let columns: Vec<f32> = (0..8).map(|j| j as f32).collect();
/// let image = Var::from(Tensor::from_vec(columns, (1, 1, 1, 8), &candle_core::Device::Cpu)?);
/// let moved = policy.apply(&image, &draws)?;
/// assert_eq!(moved.to_vec::<f32>()?, [1., 2., 3., 4., 5., 6., 7., 0.]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draws {
    draws: Vec<Draw>,
}

/// What is wrong with draws.
///
/// ```
/// use frugan_augment::{Draw, Draws, DrawsError};
/// let ragged = Draws::new(vec![Draw::Cutout { ox: vec![1, 2], oy: vec![3] }]);
/// assert_eq!(ragged, Err(DrawsError::Ragged { name: "cutout.oy", given: 1, expected: 2 }));
/// ```
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DrawsError {
    /// Lists of different length.
    #[error("draws: {name} has {given} values, the first list has {expected}: give one value a sample")]
    Ragged {
        /// The list.
        name: &'static str,
        /// Its length.
        given: usize,
        /// The length of the first list.
        expected: usize,
    },
    /// Draws for another number of images.
    #[error("draws are for {draws} images, the batch has {batch}: draw for the batch that is augmented")]
    Batch {
        /// Samples drawn for.
        draws: usize,
        /// Images given.
        batch: usize,
    },
    /// Draws of other transforms than the policy's.
    #[error("draws are of [{draws}], the policy \"{policy}\" wants others: make them with Policy::draw")]
    Policy {
        /// The draws' transforms.
        draws: String,
        /// The policy.
        policy: String,
    },
    /// A draw that this image size does not allow.
    #[error("draws: {name}[{sample}] = {value}, but a side of {side} pixels allows {low} to {high}")]
    OutOfRange {
        /// The list.
        name: &'static str,
        /// The sample's index.
        sample: usize,
        /// Its draw.
        value: i32,
        /// The image's height or width.
        side: usize,
        /// The lowest draw.
        low: i32,
        /// The highest draw.
        high: i32,
    },
}

impl Policy {
    /// Draws for `n` images of `height` times `width` pixels, taken from the stream in the order of the policy and,
    /// within a transform, rows before columns (the order of the paper's code).
    ///
    /// ```
    /// use frugan_augment::{Draw, Policy};
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// let policy = Policy::parse("cutout")?;
    /// let draws = policy.draw(50, 32, 32, &mut Stream::new(0, Purpose::new("g.augment"), 3));
    /// let [Draw::Cutout { ox, .. }] = draws.as_slice() else { panic!("one transform") };
    /// assert!(ox.len() == 50 && ox.iter().all(|o| (0..=32).contains(o)));
    /// # Ok(()) }
    /// ```
    pub fn draw(&self, n: usize, height: usize, width: usize, stream: &mut Stream) -> Draws {
        let draws = self.transforms().iter().map(|transform| match transform {
            Transform::Brightness => Draw::Brightness { u: stream.uniforms(n) },
            Transform::Saturation => Draw::Saturation { u: stream.uniforms(n) },
            Transform::Contrast => Draw::Contrast { u: stream.uniforms(n) },
            Transform::Translation => Draw::Translation {
                tx: integers(stream, n, translations(height)),
                ty: integers(stream, n, translations(width)),
            },
            Transform::Cutout => Draw::Cutout {
                ox: integers(stream, n, cutout_centres(height)),
                oy: integers(stream, n, cutout_centres(width)),
            },
            Transform::Extra(transform) => {
                Draw::Extra { transform: *transform, values: transform.draw(n, [height, width], stream) }
            }
        });
        Draws { draws: draws.collect() }
    }
}

impl Draws {
    /// Draws given by hand, one [`Draw`] a transform of the policy, in its order.
    ///
    /// ```
    /// use frugan_augment::{Draw, Draws};
    /// # fn main() -> Result<(), frugan_augment::DrawsError> {
    /// let draws = Draws::new(vec![Draw::Brightness { u: vec![0.5, 0.75] }, Draw::Contrast { u: vec![0.5, 0.5] }])?;
    /// assert_eq!(draws.len(), 2);
    /// # Ok(()) }
    /// ```
    pub fn new(draws: Vec<Draw>) -> Result<Self, DrawsError> {
        let expected = draws.first().map_or(0, Draw::len);
        for draw in &draws {
            let (lists, used) = draw.lengths();
            if let Some((name, given)) = lists[..used].iter().find(|(_, given)| *given != expected) {
                return Err(DrawsError::Ragged { name, given: *given, expected });
            }
        }
        Ok(Self { draws })
    }

    /// The number of images that the draws are for; 0 for the draws of the identity, which fit any batch.
    ///
    /// ```
    /// use frugan_augment::Policy;
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), frugan_augment::PolicyError> {
    /// let mut stream = Stream::new(0, Purpose::new("g.augment"), 0);
    /// assert_eq!(Policy::parse("color")?.draw(7, 8, 8, &mut stream).len(), 7);
    /// # Ok(()) }
    /// ```
    pub fn len(&self) -> usize {
        self.draws.first().map_or(0, Draw::len)
    }

    /// Whether there is no draw at all.
    ///
    /// ```
    /// assert!(frugan_augment::Draws::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The draws, one a transform.
    ///
    /// ```
    /// use frugan_augment::{Draw, Draws};
    /// # fn main() -> Result<(), frugan_augment::DrawsError> {
    /// let draws = Draws::new(vec![Draw::Saturation { u: vec![0.5] }])?;
    /// assert_eq!(draws.as_slice(), [Draw::Saturation { u: vec![0.5] }]);
    /// # Ok(()) }
    /// ```
    pub fn as_slice(&self) -> &[Draw] {
        &self.draws
    }

    /// The draws of the `len` images from `start` on: a part of a batch, augmented as it is inside the whole.
    /// D's batch is (fakes, reals), so its reals alone are `draws.narrow(n, n)`.
    ///
    /// ```
    /// use frugan_augment::{Draw, Draws};
    /// # fn main() -> Result<(), frugan_augment::DrawsError> {
    /// let draws = Draws::new(vec![Draw::Brightness { u: vec![0.1, 0.2, 0.3] }])?;
    /// assert_eq!(draws.narrow(1, 2).as_slice(), [Draw::Brightness { u: vec![0.2, 0.3] }]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the range leaves the batch.
    pub fn narrow(&self, start: usize, len: usize) -> Self {
        self.select(&(start..start + len).collect::<Vec<_>>())
    }

    /// The draws of these images of the batch, in this order.
    ///
    /// ```
    /// use frugan_augment::{Draw, Draws};
    /// # fn main() -> Result<(), frugan_augment::DrawsError> {
    /// let draws = Draws::new(vec![Draw::Brightness { u: vec![0.1, 0.2, 0.3] }])?;
    /// assert_eq!(draws.select(&[2, 0]).as_slice(), [Draw::Brightness { u: vec![0.3, 0.1] }]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Panics
    /// If the batch has no such image.
    #[must_use]
    pub fn select(&self, images: &[usize]) -> Self {
        fn part<T: Clone>(list: &[T], images: &[usize]) -> Vec<T> {
            images.iter().map(|image| list[*image].clone()).collect()
        }
        let draws = self.draws.iter().map(|draw| match draw {
            Draw::Brightness { u } => Draw::Brightness { u: part(u, images) },
            Draw::Saturation { u } => Draw::Saturation { u: part(u, images) },
            Draw::Contrast { u } => Draw::Contrast { u: part(u, images) },
            Draw::Translation { tx, ty } => Draw::Translation { tx: part(tx, images), ty: part(ty, images) },
            Draw::Cutout { ox, oy } => Draw::Cutout { ox: part(ox, images), oy: part(oy, images) },
            Draw::Extra { transform, values } => Draw::Extra { transform: *transform, values: part(values, images) },
        });
        Self { draws: draws.collect() }
    }

    /// Whether these draws fit the policy and a batch of this shape.
    pub(crate) fn check(&self, policy: &Policy, [n, _, height, width]: [usize; 4]) -> Result<(), DrawsError> {
        if !self.draws.iter().map(Draw::transform).eq(policy.transforms().iter().copied()) {
            let draws = self.draws.iter().map(|draw| draw.transform().name()).collect::<Vec<_>>().join(",");
            return Err(DrawsError::Policy { draws, policy: policy.to_string() });
        }
        if !policy.is_identity() && self.len() != n {
            return Err(DrawsError::Batch { draws: self.len(), batch: n });
        }
        for draw in &self.draws {
            match draw {
                Draw::Translation { tx, ty } => {
                    within("translation.tx", tx, height, translations(height))?;
                    within("translation.ty", ty, width, translations(width))?;
                }
                Draw::Cutout { ox, oy } => {
                    within("cutout.ox", ox, height, cutout_centres(height))?;
                    within("cutout.oy", oy, width, cutout_centres(width))?;
                }
                Draw::Brightness { .. } | Draw::Saturation { .. } | Draw::Contrast { .. } | Draw::Extra { .. } => {}
            }
        }
        Ok(())
    }
}

fn integers(stream: &mut Stream, n: usize, range: RangeInclusive<i32>) -> Vec<i32> {
    let bound = (range.end() - range.start() + 1).max(1) as u32;
    stream.integers(n, bound).into_iter().map(|draw| range.start() + draw as i32).collect()
}

fn within(name: &'static str, values: &[i32], side: usize, range: RangeInclusive<i32>) -> Result<(), DrawsError> {
    let (low, high) = (*range.start(), *range.end());
    match values.iter().position(|value| !range.contains(value)) {
        Some(sample) => Err(DrawsError::OutOfRange { name, sample, value: values[sample], side, low, high }),
        None => Ok(()),
    }
}
