//! Adversarial losses and regularisers of GANs.
//!
//! Everything here is a function of logits (or weights), given as [`Var`](frugan_autograd::Var)s: no model, no
//! augmentation, no data. `[loss]` of a run is a [`LossConfig`]; from it come
//!
//! - [`Adversarial`]: what D and G minimise;
//! - [`Pairing`] and [`consistency`]: consistency regularisation (CR), and which image stands in each half of a pair;
//! - [`BcrConfig`], [`ZcrConfig`]: consistency on fakes too, and on moves of z (bCR, zCR);
//! - [`Lecam`]: the LeCam regulariser with its running means of logits;
//! - [`r1_penalty`] of D and [`PathLength`] of G: penalties on gradients, for StyleGAN2;
//! - [`GradientPenaltyConfig`]: WGAN-GP and DRAGAN, by gradients of gradients;
//! - [`Apa`]: adaptive pseudo augmentation, a controller with a state;
//! - [`add_orthogonal_gradients`]: orthogonal regularisation, which goes straight into the gradients;
//! - the smaller tricks: [`feature_matching`], [`flip_labels`], [`InstanceNoiseConfig`], [`class_loss`] of AC-GAN.
//!
//! Draws are arguments, so that a step can be replayed; a part that a config does not name is absent.
//!
//! ```
//! use frugan_autograd::{Device, DType, GraphMode, Var, grad_of_scalar};
//! use frugan_losses::LossConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let loss = LossConfig::default(); // hinge, nothing else
//! loss.check()?;
//! let real = Var::leaf(Var::full(0.5, &[4, 1], DType::F32, &Device::Cpu)?.to_tensor()?);
//! let fake = Var::full(-3.0, &[4, 1], DType::F32, &Device::Cpu)?;
//! let d = loss.adversarial().discriminator(&real, &fake)?;
//! assert_eq!(d.total.item()?, 0.5); // relu(1 - 0.5) + relu(1 - 3)
//! let gradient = grad_of_scalar(&d.total, &[&real], GraphMode::Free)?;
//! assert_eq!(gradient[0].to_vec::<f32>()?, [-0.25; 4]);
//! # Ok(()) }
//! ```

mod acgan;
mod adversarial;
mod apa;
mod bcr;
mod config;
mod consistency;
mod exchange;
mod feature_matching;
mod gradient_penalty;
mod instance_noise;
mod label_flip;
mod lecam;
mod orthogonal;
mod path_length;
mod r1;
mod zcr;

pub use acgan::{AcganConfig, class_loss};
pub use adversarial::{Adversarial, DLoss, wasserstein_drift};
pub use apa::{Apa, ApaConfig, ApaState};
pub use bcr::BcrConfig;
pub use config::{ConfigError, CrConfig, LecamConfig, LossConfig, LossName};
pub use consistency::{Pairing, consistency};
pub use feature_matching::{FeatureMatchingConfig, feature_matching};
pub use gradient_penalty::{GradientPenaltyConfig, GradientPenaltyKind, gradient_norms};
pub use instance_noise::InstanceNoiseConfig;
pub use label_flip::flip_labels;
pub use lecam::{Lecam, lecam_penalty};
pub use orthogonal::{add_orthogonal_gradients, orthogonal_gradient};
pub use path_length::{PathLength, PathLengthConfig, path_lengths};
pub use r1::{R1Config, R1Images, r1_penalty};
pub use zcr::ZcrConfig;
