use frugan_autograd::Device;

use crate::fid::Prepared;
use crate::{
    EvalConfig, FeatureCache, FeatureNetwork, Features, Gaussian, Images, LeakDetector, Measurement, Metric, Moments,
    NamedMetric, Protocol, Reference, Result, Scores,
};

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
    pub(crate) config: EvalConfig,
    pub(crate) metrics: Vec<NamedMetric>,
    pub(crate) network: FeatureNetwork,
    /// Of the test and of the training images.
    references: [Option<ReferenceSet>; 2],
    pub(crate) leak: Option<LeakDetector>,
}

/// Features of reals, and their Gaussians by ddof where a Fréchet distance needs them.
#[derive(Debug)]
pub(crate) struct ReferenceSet {
    pub(crate) features: Features,
    pub(crate) prepared: [Option<Prepared>; 2],
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
        let metrics = config.named_metrics()?;
        let network = FeatureNetwork::open(config)?;
        Ok(Self { config: config.clone(), metrics, network, references: [None, None], leak: None })
    }

    /// The same, with its network on a device.
    ///
    /// # Errors
    /// If the device cannot be opened.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Network};
    /// let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// let evaluator = Evaluator::open(&config)?.to_device(&"cpu".parse()?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_device(self, device: &Device) -> Result<Self> {
        Ok(Self { network: self.network.to_device(device)?, ..self })
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
        self.set_reference_of(self.config.reference, reals, cache)
    }

    /// [`Evaluator::set_reference`] for the reals that another name asks for ([`EvalConfig::references`]).
    ///
    /// # Errors
    /// If features cannot be extracted.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network, Reference};
    /// # let reals: Vec<u8> = (0..120).collect();
    /// let config = EvalConfig { network: Network::Random, also: vec!["fid50k_full".into()], ..EvalConfig::default() };
    /// let mut evaluator = Evaluator::open(&config)?;
    /// evaluator.set_reference_of(Reference::Full, Images::new(&reals, [3, 2, 2])?, None)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn set_reference_of(
        &mut self,
        reference: Reference,
        reals: Images<'_>,
        cache: Option<&FeatureCache>,
    ) -> Result<()> {
        let features = match cache {
            Some(cache) => cache.features(&self.network, reals)?,
            None => self.network.extract(reals)?,
        };
        let mut prepared = [None, None];
        for metric in self.metrics.iter().filter(|metric| metric.metric == Metric::Fid) {
            let (of, ddof) = (metric.reference, metric.reference.cov_ddof());
            if of.is_train() == reference.is_train() && prepared[ddof].is_none() {
                prepared[ddof] = Some(Gaussian::of(&Moments::of(&features)?, ddof)?.prepare()?);
            }
        }
        self.references[usize::from(reference.is_train())] = Some(ReferenceSet { features, prepared });
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

    /// Starts a measurement of [`EvalConfig::most_fakes`] images.
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
        Measurement::new(self)
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

    /// What the names of the scores of [`EvalConfig::metrics`] say.
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

    pub(crate) fn reference(&self, reference: Reference) -> Option<&ReferenceSet> {
        self.references[usize::from(reference.is_train())].as_ref()
    }
}
