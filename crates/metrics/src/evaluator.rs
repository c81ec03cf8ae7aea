use std::fmt;

use crate::fid::Prepared;
use crate::{
    Error, EvalConfig, FeatureCache, FeatureNetwork, Features, Gaussian, Images, KidSubsets, LeakCounts, LeakDetector,
    Metric, Moments, Protocol, Result, SplitRule, Spread, inception_score, kid, locate, prdc,
};

/// Splits of the Inception score.
pub(crate) const IS_SPLITS: usize = 10;
/// The k of precision, recall, density and coverage.
pub(crate) const PRDC_NEIGHBOURS: usize = 5;
pub(crate) const KID_SUBSETS: usize = 100;
pub(crate) const KID_SUBSET_SIZE: usize = 1000;

/// A measured number, or why there is none.
///
/// ```
/// use frugan_metrics::Score;
/// assert_eq!(Score::Value(8.7).to_string(), "8.7000");
/// assert_eq!(Score::Absent("no logits".into()).to_string(), "n/a (no logits)");
/// assert_eq!(Score::Absent("no logits".into()).value(), None);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// The number.
    Value(f64),
    /// Not available, with the reason; nothing stands in for it.
    Absent(String),
}

impl Score {
    /// The number, if there is one.
    ///
    /// ```
    /// # use frugan_metrics::Score;
    /// assert_eq!(Score::Value(1.0).value(), Some(1.0));
    /// ```
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Absent(_) => None,
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value:.4}"),
            Self::Absent(reason) => write!(f, "n/a ({reason})"),
        }
    }
}

/// Named scores in the order of [`EvalConfig::metrics`].
pub type Scores = Vec<(String, Score)>;

/// Opens the network once, holds the reference, measures set after set of fakes.
///
/// ```
/// use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
/// let mut state = 1_u32;
/// let mut noise = |n: usize| -> Vec<u8> {
///     let mut next = || { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (state >> 24) as u8 };
///     (0..n * 3 * 64).map(|_| next()).collect()
/// };
/// let config = EvalConfig {
///     network: Network::Random,
///     num_fakes: 20,
///     metrics: vec!["fid".into(), "is".into()],
///     ..EvalConfig::default()
/// };
/// let mut evaluator = Evaluator::open(&config)?;
/// evaluator.set_reference(Images::new(&noise(30), [3, 8, 8])?, None)?;
/// let mut measurement = evaluator.begin();
/// for _ in 0..2 {
///     measurement.push(Images::new(&noise(10), [3, 8, 8])?)?;
/// }
/// let scores = measurement.finish()?;
/// assert_eq!(scores[0].0, "frd20_test");
/// assert!(scores[0].1.value().unwrap() > 0.0);
/// assert_eq!(scores[1].0, "is20");
/// assert!(scores[1].1.to_string().starts_with("n/a (no logits"));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Debug)]
pub struct Evaluator {
    config: EvalConfig,
    metrics: Vec<Metric>,
    network: FeatureNetwork,
    reference: Option<ReferenceSet>,
    leak: Option<LeakDetector>,
}

#[derive(Debug)]
struct ReferenceSet {
    features: Features,
    prepared: Option<Prepared>,
}

impl Evaluator {
    /// Checks the config and opens its network.
    ///
    /// # Errors
    /// As [`FeatureNetwork::open`].
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network};
    /// let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(Evaluator::open(&config)?.network().source(), "random features");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn open(config: &EvalConfig) -> Result<Self> {
        let metrics = config.parsed_metrics()?;
        let network = FeatureNetwork::open(config)?;
        Ok(Self { config: config.clone(), metrics, network, reference: None, leak: None })
    }

    /// The network.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network, Tap};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(Evaluator::open(&config)?.network().tap(), Tap::Random);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn network(&self) -> &FeatureNetwork {
        &self.network
    }

    /// The settings it was opened with.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(Evaluator::open(&config)?.config(), &config);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn config(&self) -> &EvalConfig {
        &self.config
    }

    /// Takes the reals of [`EvalConfig::reference`]: all of them, not mirrored. With a cache their features are read from
    /// it, or stored in it.
    ///
    /// # Errors
    /// If features cannot be extracted.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, FeatureCache, Images, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// # let folder = tempfile::tempdir().unwrap();
    /// let mut evaluator = Evaluator::open(&config)?;
    /// let cache = FeatureCache::new(folder.path());
    /// evaluator.set_reference(Images::new(&[1; 2 * 12], [3, 2, 2])?, Some(&cache))?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn set_reference(&mut self, reals: Images<'_>, cache: Option<&FeatureCache>) -> Result<()> {
        let features = match cache {
            Some(cache) => cache.features(&self.network, reals)?,
            None => self.network.extract(reals)?,
        };
        let prepare = || Gaussian::of(&Moments::of(&features)?, 1)?.prepare();
        let prepared = self.metrics.contains(&Metric::Fid).then(prepare).transpose()?;
        self.reference = Some(ReferenceSet { features, prepared });
        Ok(())
    }

    /// Takes the calibrated leak detectors of the run's policy.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, LeakDetector, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// let mut evaluator = Evaluator::open(&config)?;
    /// evaluator.set_leak(LeakDetector::calibrate(Images::new(&[0; 600], [3, 2, 2])?, &[])?);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn set_leak(&mut self, detector: LeakDetector) {
        self.leak = Some(detector);
    }

    /// Starts a measurement of [`EvalConfig::num_fakes`] images.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// let evaluator = Evaluator::open(&config)?;
    /// let mut measurement = evaluator.begin();
    /// measurement.push(Images::new(&[0; 12], [3, 2, 2])?)?;
    /// assert!(measurement.finish().is_err()); // one image is not the protocol's 10 000
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn begin(&self) -> Measurement<'_> {
        Measurement { evaluator: self, features: None, leaks: LeakCounts::default(), count: 0 }
    }

    /// [`Evaluator::begin`], all images pushed, and [`Measurement::finish`].
    ///
    /// # Errors
    /// As those.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
    /// # let config = EvalConfig { network: Network::Random, num_fakes: 10, ..EvalConfig::default() };
    /// let scores = Evaluator::open(&config)?.evaluate(Images::new(&[0; 120], [3, 2, 2])?)?;
    /// assert_eq!(scores[0].1.to_string(), "n/a (no reference images)");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn evaluate(&self, fakes: Images<'_>) -> Result<Scores> {
        let mut measurement = self.begin();
        measurement.push(fakes)?;
        measurement.finish()
    }

    /// What the names of the scores say.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(Evaluator::open(&config)?.protocol().fid(), "frd10k_test");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn protocol(&self) -> Protocol {
        let (num_fakes, reference) = (self.config.num_fakes, self.config.reference);
        Protocol { tap: self.network.tap(), num_fakes, reference }
    }

    fn scores(&self, fakes: &Features, leaks: &LeakCounts) -> Result<Scores> {
        let mut scores = Vec::new();
        for metric in &self.metrics {
            match metric {
                Metric::Fid => scores.push((self.protocol().fid(), self.fid(fakes)?)),
                Metric::Is => scores.extend(self.inception_score(fakes)?),
                Metric::Kid => scores.extend(self.kid(fakes)?),
                Metric::Prdc => scores.extend(self.prdc(fakes)?),
                Metric::Leak => scores.extend(self.leaks(leaks)),
            }
        }
        Ok(scores)
    }

    fn fid(&self, fakes: &Features) -> Result<Score> {
        let Some(prepared) = self.reference.as_ref().and_then(|reference| reference.prepared.as_ref()) else {
            return Ok(no_reference());
        };
        Ok(Score::Value(prepared.distance(&Gaussian::of(&Moments::of(fakes)?, 1)?)?))
    }

    fn inception_score(&self, fakes: &Features) -> Result<Scores> {
        let name = self.protocol().inception_score();
        match &fakes.logits {
            Some(logits) => Ok(spread(name, inception_score(logits, IS_SPLITS, SplitRule::Even)?)),
            None => {
                let reason = format!("no logits: the network has no fc layer; {}", locate::how_to_get_them());
                Ok(vec![(name, Score::Absent(reason))])
            }
        }
    }

    fn kid(&self, fakes: &Features) -> Result<Scores> {
        let name = self.protocol().kid();
        let Some(reference) = &self.reference else { return Ok(vec![(name, no_reference())]) };
        let counts = (fakes.len(), reference.features.len());
        let subsets = KidSubsets::draw(self.config.seed, counts, KID_SUBSET_SIZE, KID_SUBSETS);
        Ok(spread(name, Spread::of(&kid(fakes, &reference.features, &subsets)?)))
    }

    fn prdc(&self, fakes: &Features) -> Result<Scores> {
        let names = self.protocol().prdc();
        let Some(reference) = &self.reference else {
            return Ok(names.into_iter().map(|name| (name, no_reference())).collect());
        };
        let scores = prdc(&reference.features, fakes, PRDC_NEIGHBOURS)?;
        let values = [scores.precision, scores.recall, scores.density, scores.coverage];
        Ok(names.into_iter().zip(values.map(Score::Value)).collect())
    }

    /// `leak`, the largest of all kinds, then each kind's.
    fn leaks(&self, counts: &LeakCounts) -> Scores {
        let absent = |reason: &str| Score::Absent(reason.to_string());
        let Some(detector) = &self.leak else {
            return vec![("leak".into(), absent("no augmentation to leak"))];
        };
        let rates = detector.rates(counts);
        let largest = rates.iter().filter_map(|(_, rate)| rate.leak()).reduce(f64::max);
        let indistinct = "the reals themselves look like T";
        let mut scores = vec![("leak".into(), largest.map_or(absent(indistinct), Score::Value))];
        for (kind, rate) in rates {
            scores.push((kind.column(), rate.leak().map_or(absent(indistinct), Score::Value)));
        }
        scores
    }
}

fn no_reference() -> Score {
    Score::Absent("no reference images".into())
}

pub(crate) fn spread(name: String, spread: Spread) -> Scores {
    vec![(name.clone(), Score::Value(spread.mean)), (format!("{name}_std"), Score::Value(spread.std))]
}

/// A measurement on its way: fakes come in batches, and only their features are kept.
///
/// ```
/// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
/// # let config = EvalConfig { network: Network::Random, num_fakes: 10, ..EvalConfig::default() };
/// let evaluator = Evaluator::open(&config)?;
/// let mut measurement = evaluator.begin();
/// while measurement.missing() > 0 {
///     measurement.push(Images::new(&[0; 24], [3, 2, 2])?)?;
/// }
/// assert_eq!(measurement.finish()?.len(), 3);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Debug)]
pub struct Measurement<'a> {
    evaluator: &'a Evaluator,
    features: Option<Features>,
    leaks: LeakCounts,
    count: usize,
}

impl Measurement<'_> {
    /// Adds fakes.
    ///
    /// # Errors
    /// If their shape is not the reals', or a layer fails.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// # let evaluator = Evaluator::open(&config)?;
    /// let mut measurement = evaluator.begin();
    /// measurement.push(Images::new(&[0; 24], [3, 2, 2])?)?;
    /// assert_eq!(measurement.missing(), 9998);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn push(&mut self, fakes: Images<'_>) -> Result<()> {
        let Evaluator { leak, network, metrics, .. } = self.evaluator;
        if let Some(detector) = leak {
            self.leaks.add(&detector.count(fakes)?);
        }
        if metrics.iter().any(|metric| *metric != Metric::Leak) {
            let features = network.extract(fakes)?;
            match &mut self.features {
                Some(all) => all.append(features)?,
                none => *none = Some(features),
            }
        }
        self.count += fakes.len();
        Ok(())
    }

    /// Images that the protocol still wants.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network};
    /// # let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// assert_eq!(Evaluator::open(&config)?.begin().missing(), 10_000);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn missing(&self) -> usize {
        self.evaluator.config.num_fakes.saturating_sub(self.count)
    }

    /// The scores, in the config's order.
    ///
    /// # Errors
    /// If the number of images is not [`EvalConfig::num_fakes`], which the names promise, or a feature is not finite.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
    /// # let config = EvalConfig { network: Network::Random, num_fakes: 10, ..EvalConfig::default() };
    /// # let evaluator = Evaluator::open(&config)?;
    /// let mut measurement = evaluator.begin();
    /// measurement.push(Images::new(&[0; 120], [3, 2, 2])?)?;
    /// let names: Vec<String> = measurement.finish()?.into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["frd10_test", "is10", "leak"]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn finish(self) -> Result<Scores> {
        let wanted = self.evaluator.config.num_fakes;
        if self.count != wanted {
            return Err(Error::input("evaluation", format!("{} fakes; eval.num_fakes = {wanted}", self.count)));
        }
        let empty = || Features::new(self.evaluator.network.tap().dims(), Vec::new());
        let features = self.features.map_or_else(empty, Ok)?;
        self.evaluator.scores(&features, &self.leaks)
    }
}
