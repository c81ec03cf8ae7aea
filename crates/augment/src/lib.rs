//! Differentiable augmentation for GANs: DiffAugment (Zhao et al. 2020, "Differentiable Augmentation for
//! Data-Efficient GAN Training") and ADA (Karras et al. 2020, "Training Generative Adversarial Networks with Limited
//! Data").
//!
//! With few images a discriminator memorises them. DiffAugment shows it augmented images only, reals and fakes alike,
//! and lets the generator's gradient pass through the augmentation (eq. 2 and 3 of the paper):
//!
//! ```
//! use frugan_augment::Policy;
//! use frugan_autograd::{DType, Device, GraphMode, Var, grad_of_scalar};
//! use frugan_nn::{Purpose, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Policy::parse("color,translation,cutout")?;
//! let images = Var::leaf(Var::full(0.25, &[2, 3, 32, 32], DType::F32, &Device::Cpu)?.to_tensor()?);
//! // Draws are a function of (seed, purpose, step): a resumed run augments as the unbroken one would have.
//! let draws = policy.draw(2, 32, 32, &mut Stream::new(0, Purpose::new("d.augment"), 17));
//! let augmented = policy.apply(&images, &draws)?;
//! assert_eq!(augmented.dims(), [2, 3, 32, 32]);
//! let gradient = grad_of_scalar(&augmented.sum()?, &[&images], GraphMode::Free)?;
//! assert_eq!(gradient[0].dims(), [2, 3, 32, 32]);
//! # Ok(()) }
//! ```
//!
//! - [`Policy`]: the transforms in order, from a policy string; [`Draws`]: what chance decided, a sample at a time.
//! - [`ada`]: ADA's pipe of transformations, and the controllers that steer its strength while a run goes on.
//! - [`Augmentation`]: T of a run, ADA's pipe and then DiffAugment's policy.
//! - [`AugmentConfig`]: `[augment]` of a run, with [`On`], the places where T acts (table 1 of DiffAugment's paper).
//! - [`CrAugment`]: the augmentation of consistency regularisation (CR-BigGAN).
//!
//! Images are `[N, C, H, W]` in [-1, 1]. Nothing is clamped: a brighter image may leave that range, as in the paper's code.

pub mod ada;

mod apply;
mod augmentation;
mod candle;
mod color;
mod config;
mod consistency;
mod draw;
mod draws;
mod extras;
mod policy;

pub use augmentation::{AugmentError, Augmentation, AugmentationDraws};
pub use config::{AugmentConfig, On};
pub use consistency::{CrAugment, CrDraws};
pub use draw::Draw;
pub use draws::{Draws, DrawsError};
pub use extras::ExtraTransform;
pub use policy::{Policy, PolicyError, Transform};
