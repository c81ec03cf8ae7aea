use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Error, Metric, Result};

/// How samples are measured: the group `eval` of a run's config.
///
/// ```
/// use frugan_metrics::EvalConfig;
/// let config = EvalConfig { num_fakes: 500, ..EvalConfig::default() };
/// config.validate()?;
/// let error = EvalConfig { metrics: vec!["fidd".into()], ..config }.validate().unwrap_err();
/// assert_eq!(error.to_string(), "eval.metrics = fidd: expected some of fid, is, kid, prdc, leak");
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvalConfig {
    /// Feature network: `inception` (FID and the like; needs a weights file) or `random` (needs nothing; its Fréchet
    /// distance is called `frd` and compares runs of this program only).
    pub network: Network,
    /// Weights of the Inception network, a `.pth` or `.safetensors` file. Without it: `FRUGAN_WEIGHTS`, the user's
    /// cache, then a download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
    /// Whether missing weights may be downloaded.
    pub download: bool,
    /// Generated images a measurement takes; part of every metric's name.
    pub num_fakes: usize,
    /// Real images that samples are compared with: `test` (DiffAugment's CIFAR tables) or `train` (ADA's, low-shot).
    pub reference: Reference,
    /// Generator steps between measurements; 0 measures at the end only.
    pub every_steps: u64,
    /// What to measure: `fid`, `is`, `kid`, `prdc` (precision, recall, density, coverage), `leak`.
    pub metrics: Vec<String>,
    /// Batch norm of the generator that makes the fakes: `batch` statistics (as DiffAugment's numbers were made) or
    /// `running` ones.
    pub generator_mode: GeneratorMode,
    /// Images that the generator and the feature network take at a time (Inception 16 at most, which bounds its memory).
    /// With `generator_mode = "batch"` it is part of the protocol: batch norm sees as many samples.
    pub batch: usize,
    /// Seed of the fakes' latents and labels, and of KID's subsets.
    pub seed: u64,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            network: Network::Inception,
            weights: None,
            download: true,
            num_fakes: 10_000,
            reference: Reference::Test,
            every_steps: 4000,
            metrics: ["fid", "is", "leak"].map(String::from).to_vec(),
            generator_mode: GeneratorMode::Batch,
            batch: 50,
            seed: 0,
        }
    }
}

impl EvalConfig {
    /// Checks every value before anything is opened.
    ///
    /// # Errors
    /// Names the first key that is out of its range.
    ///
    /// ```
    /// # use frugan_metrics::EvalConfig;
    /// assert!(EvalConfig { batch: 0, ..EvalConfig::default() }.validate().is_err());
    /// ```
    pub fn validate(&self) -> Result<()> {
        let error = |key, value: String, expected: &str| {
            Err(Error::Config { key, value, expected: format!("expected {expected}") })
        };
        let metrics = self.parsed_metrics()?;
        if let (Network::Random, Some(weights)) = (self.network, &self.weights) {
            let used = "no weights with eval.network = \"random\"; set eval.network = \"inception\" to use them";
            return error("weights", weights.display().to_string(), used);
        }
        if self.num_fakes < 2 {
            return error("num_fakes", self.num_fakes.to_string(), "at least 2 images");
        }
        if self.batch == 0 || self.batch > 1000 {
            return error("batch", self.batch.to_string(), "1 to 1000 images a pass");
        }
        if metrics.contains(&Metric::Is) && self.num_fakes < crate::evaluator::IS_SPLITS {
            return error("num_fakes", self.num_fakes.to_string(), "at least 10 images for the 10 splits of is");
        }
        if metrics.contains(&Metric::Prdc) && self.num_fakes <= crate::evaluator::PRDC_NEIGHBOURS {
            return error("num_fakes", self.num_fakes.to_string(), "more than 5 images for prdc's 5th neighbour");
        }
        Ok(())
    }

    /// [`EvalConfig::metrics`], parsed.
    ///
    /// # Errors
    /// If a name is unknown, with the nearest known names.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Metric};
    /// assert_eq!(EvalConfig::default().parsed_metrics()?, [Metric::Fid, Metric::Is, Metric::Leak]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn parsed_metrics(&self) -> Result<Vec<Metric>> {
        let parse = |name: &String| {
            Metric::parse(name).ok_or_else(|| {
                let known = Metric::ALL.map(|(name, _)| name).join(", ");
                Error::Config { key: "metrics", value: name.clone(), expected: format!("expected some of {known}") }
            })
        };
        self.metrics.iter().map(parse).collect()
    }
}

/// The feature network.
///
/// ```
/// use frugan_metrics::Network;
/// assert_eq!(serde_json::to_string(&Network::Random)?, r#""random""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Inception-v3 of 2015, whole or partial.
    Inception,
    /// Fixed random features.
    Random,
}

/// Which split of the data samples are compared with.
///
/// ```
/// use frugan_metrics::Reference;
/// assert_eq!(Reference::Train.name(), "train");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// The test split.
    Test,
    /// The training split, whole, not mirrored.
    Train,
}

impl Reference {
    /// As in a metric's name.
    ///
    /// ```
    /// # use frugan_metrics::Reference;
    /// assert_eq!(Reference::Test.name(), "test");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Train => "train",
        }
    }
}

/// Which statistics the generator's batch norm uses for the fakes.
///
/// ```
/// use frugan_metrics::GeneratorMode;
/// assert_eq!(serde_json::to_string(&GeneratorMode::Batch)?, r#""batch""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratorMode {
    /// Of the batch of samples: the generator "in training mode", as the published BigGAN numbers.
    Batch,
    /// The running averages.
    Running,
}
