use crate::{Error, Evaluator, Features, Images, LeakCounts, Metric, Result, Scores};

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
    /// Images that the largest protocol takes.
    wanted: usize,
    features: Option<Features>,
    leaks: LeakCounts,
    count: usize,
}

impl<'a> Measurement<'a> {
    pub(crate) fn new(evaluator: &'a Evaluator) -> Self {
        let metrics = evaluator.metrics.iter().map(|metric| metric.num_fakes);
        let wanted = metrics.fold(evaluator.config.num_fakes, usize::max);
        Self { evaluator, wanted, features: None, leaks: LeakCounts::default(), count: 0 }
    }

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
        let Evaluator { config, leak, network, metrics, .. } = self.evaluator;
        if let Some(detector) = leak {
            let own = fakes.slice(0, config.num_fakes.saturating_sub(self.count));
            self.leaks.add(&detector.count(own)?);
        }
        if metrics.iter().any(|metric| metric.metric != Metric::Leak) {
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
        self.wanted.saturating_sub(self.count)
    }

    /// The scores, in the config's order.
    ///
    /// # Errors
    /// If the number of images is not [`crate::EvalConfig::most_fakes`], which the names promise, or a feature is not
    /// finite.
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
        let (count, wanted) = (self.count, self.wanted);
        if count != wanted {
            let reason = if wanted == self.evaluator.config.num_fakes {
                format!("{count} fakes; eval.num_fakes = {wanted}")
            } else {
                format!("{count} fakes; the names in eval.also take {wanted}")
            };
            return Err(Error::input("evaluation", reason));
        }
        let empty = || Features::new(self.evaluator.network.tap().dims(), Vec::new());
        let features = self.features.map_or_else(empty, Ok)?;
        self.evaluator.scores(&features, &self.leaks)
    }
}
