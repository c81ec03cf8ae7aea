//! Adaptive discriminator augmentation (Karras et al. 2020, "Training Generative Adversarial Networks with Limited
//! Data"): a pipe of 18 transformations, and the control of its overall strength p.
//!
//! Each transformation acts on an image with probability p, and p follows how far D overfits: it rises while D is surer
//! of its reals than a target, and falls while it is less sure.
//!
//! ```
//! use frugan_augment::ada::{AdaConfig, Controller, Pipe, Source};
//! use frugan_autograd::{DType, Device, Var};
//! use frugan_nn::{Purpose, Stream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = AdaConfig { p: 0.3, ..AdaConfig::default() };
//! let (pipe, mut controller) = (Pipe::parse(&config.pipe)?, Controller::new(&config)?);
//! for step in 0..8 {
//!     let reals = Var::full(0.5, &[16, 3, 32, 32], DType::F32, &Device::Cpu)?;
//!     // What is drawn does not depend on p, which acts when the draws are applied.
//!     let draws = pipe.draw(16, [3, 32, 32], &mut Stream::new(0, Purpose::new("d.ada"), step));
//!     let augmented = pipe.apply(&reals, &draws, controller.p())?;
//!     let logits = vec![1.5; augmented.dims()[0]]; // D's
//!     controller.observe(Source::Real, &logits);
//!     controller.end_iteration(16);
//! }
//! assert!((controller.p() - (0.3 + 8.0 * 16.0 / 500_000.0)).abs() < 1e-12);
//! # Ok(()) }
//! ```

mod affine;
mod apply;
mod color;
mod config;
mod controller;
mod corrupt;
mod draws;
mod filter;
mod gate;
mod geometry;
mod percentile;
mod pipe;
mod state;
mod transform;
mod wavelet;

pub use config::{AdaConfig, AdaConfigError, ControllerKind, PMax};
pub use controller::{Controller, SATURATED_P, Source, Update, saturation};
pub use draws::{Draw, Draws, DrawsError};
pub use geometry::Geometry;
pub use pipe::{Pipe, PipeError};
pub use state::{ControllerState, Tally};
pub use transform::{Law, Step, Transform};
pub use wavelet::{filter_bank, low_pass};
