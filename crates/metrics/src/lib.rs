//! FID, IS, KID, precision, recall, density, coverage, LPIPS, the path length and the leak measure.
//!
//! One pass of a [`FeatureNetwork`] over 8-bit images gives [`Features`]; every metric is computed from them, and every
//! number's name says what it is ([`Protocol`]). [`Evaluator`] puts it together:
//!
//! ```
//! use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
//! # let (reals, fakes): (Vec<u8>, Vec<u8>) = ((0..7200).map(|i| (i * i % 251) as u8).collect(), vec![9; 4800]);
//! let config = EvalConfig { network: Network::Random, num_fakes: 100, metrics: vec!["fid".into()], ..Default::default() };
//! let mut evaluator = Evaluator::open(&config)?;
//! evaluator.set_reference(Images::new(&reals, [3, 4, 4])?, None)?;
//! for (name, score) in evaluator.evaluate(Images::new(&fakes, [3, 4, 4])?)? {
//!     assert_eq!(name, "frd100_test");
//!     assert!(score.value().is_some());
//! }
//! # Ok::<(), frugan_metrics::Error>(())
//! ```

mod cache;
mod config;
mod download;
mod error;
mod evaluator;
mod features;
mod fid;
mod floor;
mod images;
pub mod inception;
mod inception_score;
mod kid;
mod leak;
pub mod locate;
mod lpips;
mod measurement;
mod moments;
mod named_metric;
mod nearest;
mod network;
mod ppl;
mod prdc;
mod protocol;
mod random;
pub mod resize;
mod score;
mod scoring;

pub use cache::FeatureCache;
pub use config::{EvalConfig, GeneratorMode, Network, Reference};
pub use error::{Error, Result};
pub use evaluator::Evaluator;
pub use features::{Features, Logits};
pub use fid::{Gaussian, Prepared, fid};
pub use floor::Floor;
pub use images::{Images, Uint8Rule, to_uint8_diffaugment, to_uint8_stylegan};
pub use inception_score::{SplitRule, Spread, inception_score};
pub use kid::{KidSubsets, kid};
pub use leak::{Leak, LeakCounts, LeakDetector, LeakRate};
pub use lpips::{Lpips, LpipsNet};
pub use measurement::Measurement;
pub use moments::Moments;
pub use named_metric::NamedMetric;
pub use nearest::{Neighbours, nearest_by_lpips, nearest_by_pixels};
pub use network::FeatureNetwork;
pub use ppl::{PathGenerator, PathLength, PathSampling, PathSpace, PplConfig, lerp, ppl, slerp};
pub use prdc::{Prdc, prdc};
pub use protocol::{Metric, Protocol, Tap};
pub use random::RandomNetwork;
pub use score::{Score, Scores};
