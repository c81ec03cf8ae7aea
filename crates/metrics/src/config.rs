use std::path::PathBuf;

use frugan_nn::{Mode, Precision};
use serde::{Deserialize, Serialize};

use crate::{Error, Metric, NamedMetric, PplConfig, Protocol, Result, Tap, Uint8Rule};

/// Images that a measurement takes at most: a larger number is a slip, and would take days.
const MOST_FAKES: usize = 10_000_000;

/// How samples are measured: the group `eval` of a run's config.
///
/// ```
/// use frugan_metrics::EvalConfig;
/// let config = EvalConfig { num_fakes: 500, ..EvalConfig::default() };
/// config.validate()?;
/// let error = EvalConfig { metrics: vec!["fidd".into()], ..config }.validate().unwrap_err();
/// assert_eq!(error.to_string(), "eval.metrics = fidd: expected some of fid, is, kid, prdc, pr, leak");
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
    /// `f32`, `tf32` or `bf16`: how the Inception network rounds the factors of its convolutions (docs/protocol.md says what that
    /// changes). A GPU is faster for it, the CPU is not. Numbers of one rounding compare with each other. Default: f32.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// Whether missing weights may be downloaded.
    pub download: bool,
    /// Generated images a measurement takes; part of every metric's name.
    pub num_fakes: usize,
    /// Real images that samples are compared with: `test` (DiffAugment's CIFAR tables), `train` (low-shot, FFHQ: all
    /// training images) or `full` (ADA's: the same images, covariances with divisor n).
    pub reference: Reference,
    /// Generator steps between measurements; 0 measures at the end only.
    pub every_steps: u64,
    /// What to measure: `fid`, `is`, `kid`, `prdc` (precision, recall, density, coverage), `pr` (StyleGAN2-ADA's precision
    /// and recall), `leak`.
    pub metrics: Vec<String>,
    /// Further metrics by their whole names, such as `fid50k_full` or `is50k`, on the same fakes: as many are made as
    /// the largest count needs, and a smaller one takes the first of them. A path length (`ppl2_wend`, `ppl_zfull`,
    /// `ppl2_wend_2k` of 2,000 paths) makes images of its own. None by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// How a fake's floats become bytes: `diffaugment` (the default) or `stylegan`.
    #[serde(skip_serializing_if = "is_default")]
    pub uint8: Uint8Rule,
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
            precision: Precision::F32,
            download: true,
            num_fakes: 10_000,
            reference: Reference::Test,
            every_steps: 4000,
            metrics: ["fid", "is", "leak"].map(String::from).to_vec(),
            also: Vec::new(),
            uint8: Uint8Rule::Diffaugment,
            generator_mode: GeneratorMode::Batch,
            batch: 50,
            seed: 0,
        }
    }
}

fn is_default(rule: &Uint8Rule) -> bool {
    *rule == Uint8Rule::default()
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
        let metrics = self.named_metrics()?;
        if let (Network::Random, Some(weights)) = (self.network, &self.weights) {
            let used = "no weights with eval.network = \"random\"; set eval.network = \"inception\" to use them";
            return error("weights", weights.display().to_string(), used);
        }
        if self.num_fakes < 2 {
            return error("num_fakes", self.num_fakes.to_string(), "at least 2 images");
        }
        let at_most = format!("at most {MOST_FAKES} images");
        if self.num_fakes > MOST_FAKES {
            return error("num_fakes", self.num_fakes.to_string(), &at_most);
        }
        if let Some(path) = self.path_lengths().iter().find(|path| path.num_samples > MOST_FAKES) {
            return error("also", path.name(), &at_most);
        }
        if self.batch == 0 || self.batch > 1000 {
            return error("batch", self.batch.to_string(), "1 to 1000 images a pass");
        }
        for metric in &metrics {
            if metric.num_fakes > MOST_FAKES {
                return error("also", metric.name(), &at_most);
            }
            let (least, why) = metric.metric.least_fakes();
            if metric.num_fakes < least && self.also.contains(&metric.name()) {
                return error("also", metric.name(), why);
            }
            if metric.num_fakes < least {
                return error("num_fakes", metric.num_fakes.to_string(), why);
            }
        }
        Ok(())
    }

    /// [`EvalConfig::metrics`] under this config's protocol, then [`EvalConfig::also`] without its path lengths, each once.
    ///
    /// # Errors
    /// As [`EvalConfig::parsed_metrics`]; and if a whole name is none.
    ///
    /// ```
    /// # use frugan_metrics::EvalConfig;
    /// let both = EvalConfig { metrics: vec!["fid".into()], also: vec!["fid50k_full".into()], ..Default::default() };
    /// let names: Vec<String> = both.named_metrics()?.iter().map(|metric| metric.name()).collect();
    /// assert_eq!(names, ["fid10k_test", "fid50k_full"]);
    /// let unknown = EvalConfig { also: vec!["fid50k".into()], ..both };
    /// assert!(unknown.named_metrics().unwrap_err().to_string().starts_with("eval.also = fid50k: expected"));
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn named_metrics(&self) -> Result<Vec<NamedMetric>> {
        let (num_fakes, reference) = (self.num_fakes, self.reference);
        let own = self.parsed_metrics()?.into_iter().map(|metric| NamedMetric { metric, num_fakes, reference });
        let mut all: Vec<NamedMetric> = own.collect();
        for name in self.also.iter().filter(|name| PplConfig::named(name).is_none()) {
            let expected = || {
                let expected = "expected whole names as fid10k_test, fid50k_full, kid50k_full, is50k, pr50k3_full, \
                                prdc10k_test, ppl2_wend; the reals are test, train or full";
                Error::Config { key: "also", value: name.clone(), expected: expected.into() }
            };
            let metric = NamedMetric::parse(name, self.reference).ok_or_else(expected)?;
            if !all.contains(&metric) {
                all.push(metric);
            }
        }
        Ok(all)
    }

    /// One reference for each set of reals that a metric needs: [`EvalConfig::reference`], then that of the other split.
    ///
    /// # Errors
    /// As [`EvalConfig::named_metrics`].
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Reference};
    /// let also = ["fid50k_full", "fid5k_train", "is50k"].map(String::from).to_vec();
    /// assert_eq!(EvalConfig { also, ..Default::default() }.references()?, [Reference::Test, Reference::Full]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn references(&self) -> Result<Vec<Reference>> {
        let mut references = vec![self.reference];
        for NamedMetric { reference, .. } in self.named_metrics()? {
            if references.iter().all(|known| known.is_train() != reference.is_train()) {
                references.push(reference);
            }
        }
        Ok(references)
    }

    /// The path lengths among [`EvalConfig::also`], with this config's seed.
    ///
    /// ```
    /// # use frugan_metrics::EvalConfig;
    /// let also = ["is50k", "ppl2_wend", "ppl_zfull_2k"].map(String::from).to_vec();
    /// let paths = EvalConfig { also, ..Default::default() }.path_lengths();
    /// assert_eq!(paths.iter().map(|path| path.num_samples).collect::<Vec<_>>(), [50_000, 2000]);
    /// ```
    pub fn path_lengths(&self) -> Vec<PplConfig> {
        let named = self.also.iter().filter_map(|name| PplConfig::named(name));
        named.map(|path| PplConfig { seed: self.seed, ..path }).collect()
    }

    /// The names of the numbers that this config's metrics come to on features of `tap`, its own first; deviations and the
    /// leak's kinds are left out.
    ///
    /// # Errors
    /// As [`EvalConfig::named_metrics`].
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Tap};
    /// let config = EvalConfig { also: vec!["kid5k_train".into()], ..EvalConfig::default() };
    /// assert_eq!(config.score_names(Tap::Pool2048)?, ["fid10k_test", "is10k", "leak", "kid5k_train"]);
    /// assert_eq!(config.score_names(Tap::Random)?, ["frd10k_test", "leak", "krd5k_train"]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn score_names(&self, tap: Tap) -> Result<Vec<String>> {
        let names =
            |NamedMetric { metric, num_fakes, reference }| Protocol { tap, num_fakes, reference }.names_of(metric);
        let paths = self.path_lengths().into_iter().map(|path| path.name());
        Ok(self.named_metrics()?.into_iter().flat_map(names).chain(paths).collect())
    }

    /// Whether a score's name is one of this protocol's own, on whichever network, and not one of
    /// [`EvalConfig::also`]: by its own Fréchet distance the best snapshot is chosen.
    ///
    /// ```
    /// # use frugan_metrics::EvalConfig;
    /// let config = EvalConfig { also: vec!["fid50k_full".into(), "is50k".into()], ..Default::default() };
    /// assert!(["fid10k_test", "frd10k_test", "is10k", "is10k_std", "leak"].iter().all(|name| config.is_own(name)));
    /// assert!(!config.is_own("fid50k_full") && !config.is_own("is50k"));
    /// ```
    pub fn is_own(&self, name: &str) -> bool {
        let (num_fakes, reference) = (self.num_fakes, self.reference);
        let plain = name.strip_suffix("_std").unwrap_or(name);
        let names = |tap| Protocol { tap, num_fakes, reference }.names();
        plain.starts_with("leak") || Tap::ALL.into_iter().any(|tap| names(tap).iter().any(|known| known == plain))
    }

    /// Images that a measurement takes: [`EvalConfig::num_fakes`], or more if a name of [`EvalConfig::also`] says so.
    ///
    /// # Errors
    /// As [`EvalConfig::named_metrics`].
    ///
    /// ```
    /// # use frugan_metrics::EvalConfig;
    /// assert_eq!(EvalConfig { also: vec!["is50k".into()], ..Default::default() }.most_fakes()?, 50_000);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn most_fakes(&self) -> Result<usize> {
        Ok(self.named_metrics()?.iter().map(|metric| metric.num_fakes).fold(self.num_fakes, usize::max))
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

impl Network {
    /// Which features it may give, the whole network's first.
    ///
    /// ```
    /// # use frugan_metrics::{Network, Tap};
    /// assert_eq!(Network::Random.taps(), [Tap::Random]);
    /// ```
    pub fn taps(self) -> &'static [Tap] {
        match self {
            Self::Inception => &[Tap::Pool2048, Tap::Mean768, Tap::Mean192, Tap::Mean64],
            Self::Random => &[Tap::Random],
        }
    }
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
    /// The training split, whole even where the run trains on a subset, not mirrored.
    Train,
    /// The same images as StyleGAN2-ADA's `_full` metrics take them: covariances have divisor n.
    Full,
}

impl Reference {
    /// The reference of this name.
    ///
    /// ```
    /// # use frugan_metrics::Reference;
    /// assert_eq!(Reference::parse("full"), Some(Reference::Full));
    /// assert_eq!(Reference::parse("validation"), None);
    /// ```
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Test, Self::Train, Self::Full].into_iter().find(|reference| reference.name() == name)
    }

    /// Whether its images are the training split's.
    ///
    /// ```
    /// # use frugan_metrics::Reference;
    /// assert!(Reference::Full.is_train() && !Reference::Test.is_train());
    /// ```
    pub fn is_train(self) -> bool {
        self != Self::Test
    }

    /// What is taken from the number of images to divide a covariance by: 0 for StyleGAN2-ADA's, else 1.
    ///
    /// ```
    /// # use frugan_metrics::Reference;
    /// assert_eq!((Reference::Full.cov_ddof(), Reference::Train.cov_ddof()), (0, 1));
    /// ```
    pub fn cov_ddof(self) -> usize {
        if self == Self::Full { 0 } else { 1 }
    }

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
            Self::Full => "full",
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

impl GeneratorMode {
    /// The mode of the layers.
    ///
    /// ```
    /// # use frugan_metrics::GeneratorMode;
    /// assert_eq!(GeneratorMode::Running.layers(), frugan_nn::Mode::Running);
    /// ```
    pub fn layers(self) -> Mode {
        match self {
            Self::Batch => Mode::Batch,
            Self::Running => Mode::Running,
        }
    }
}
