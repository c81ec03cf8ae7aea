//! Random streams, named parameters, layers, optimisers and parameter averages.
//!
//! A network is built through a [`Builder`], which names, draws and keeps its tensors in module order; what it keeps
//! becomes [`Params`]. Layers share those tensors and take a [`Mode`] with every call; optimisers and averages change
//! them in place, off the tape.

mod adam;
mod attention;
mod batch_norm;
mod builder;
mod class_batch_norm;
mod clip;
mod ema;
mod equalized;
mod error;
mod init;
mod layers;
mod minibatch_discrimination;
mod mode;
mod params;
mod precision;
mod running;
mod spectral_norm;
mod stream;
mod tensor_map;

pub use adam::{Adam, AdamConfig, EpsPlacement};
pub use attention::SelfAttention;
pub use batch_norm::{BatchNorm, BatchNormOptions};
pub use builder::Builder;
pub use class_batch_norm::{ClassBatchNorm, ClassTables, Condition, ConditionKind};
pub use clip::{clip_by_norm, clip_by_value, grad_norm, grad_squares};
pub use ema::{Ema, HalflifeEma};
pub use equalized::{EqualizedConv2d, EqualizedConv2dOptions, EqualizedLinear, EqualizedLinearOptions, binomial_fir};
pub use error::LoadError;
pub use init::Init;
pub use layers::{Conv2d, Conv2dShape, ConvTranspose2d, Embedding, LayerOptions, Linear};
pub use minibatch_discrimination::MinibatchDiscrimination;
pub use mode::Mode;
pub use params::{Kind, Params};
pub use precision::Precision;
pub use running::RunningStatistics;
pub use spectral_norm::{SpectralNorm, SpectralNormOptions, SpectralNorms};
pub use stream::{Purpose, Stream};
pub use tensor_map::{Metadata, TensorMap, from_safetensors, to_safetensors};
