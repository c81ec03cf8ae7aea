//! From features to named scores: each metric of an evaluation on its own share of the fakes.

use std::borrow::Cow;

use crate::evaluator::ReferenceSet;
use crate::score::{no_reference, spread};
use crate::{
    Evaluator, Features, Gaussian, KidSubsets, LeakCounts, Metric, Moments, NamedMetric, Protocol, Result, Score,
    Scores, SplitRule, Spread, inception_score, kid, locate, prdc,
};

/// Splits of the Inception score.
const IS_SPLITS: usize = 10;
/// The k of precision, recall, density and coverage.
pub(crate) const PRDC_NEIGHBOURS: usize = 5;
/// The k of StyleGAN2-ADA's precision and recall.
const PR_NEIGHBOURS: usize = 3;
pub(crate) const KID_SUBSETS: usize = 100;
pub(crate) const KID_SUBSET_SIZE: usize = 1000;

impl Metric {
    /// The fewest fakes that it can be computed of, in words too.
    pub(crate) fn least_fakes(self) -> (usize, &'static str) {
        match self {
            Self::Is => (IS_SPLITS, "at least 10 images for the 10 splits of is"),
            Self::Prdc => (PRDC_NEIGHBOURS + 1, "more than 5 images for prdc's 5th neighbour"),
            Self::Pr => (PR_NEIGHBOURS + 1, "more than 3 images for pr's 3rd neighbour"),
            Self::Fid | Self::Kid | Self::Leak => (2, "at least 2 images"),
        }
    }
}

impl Evaluator {
    pub(crate) fn scores(&self, fakes: &Features, leaks: &LeakCounts) -> Result<Scores> {
        let mut scores = Vec::new();
        for metric in &self.metrics {
            // The smaller protocol's fakes are the first ones of the larger's.
            let fakes = match metric.num_fakes {
                count if count < fakes.len() => Cow::Owned(fakes.first(count)),
                _ => Cow::Borrowed(fakes),
            };
            scores.extend(match metric.metric {
                Metric::Leak => self.leaks(leaks),
                Metric::Is => self.inception_score(metric, &fakes)?,
                Metric::Fid => self.fid(metric, &fakes)?,
                Metric::Kid => self.kid(metric, &fakes)?,
                Metric::Prdc => self.prdc(metric, &fakes)?,
                Metric::Pr => self.precision_recall(metric, &fakes)?,
            });
        }
        Ok(scores)
    }

    /// What the reals have against themselves: for each Fréchet and kernel distance that is measured, the first half of
    /// its reals in the fakes' place against the second half, under the name of that number of images.
    ///
    /// # Errors
    /// If a feature is not finite.
    ///
    /// ```
    /// # use frugan_metrics::{EvalConfig, Evaluator, Images, Network};
    /// # let reals: Vec<u8> = (0..480).map(|i| (i * i % 251) as u8).collect();
    /// let config = EvalConfig { network: Network::Random, ..EvalConfig::default() };
    /// let mut evaluator = Evaluator::open(&config)?;
    /// evaluator.set_reference(Images::new(&reals, [3, 2, 2])?, None)?;
    /// assert_eq!(evaluator.floor()?[0].0, "frd20_test");
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn floor(&self) -> Result<Scores> {
        let mut scores: Scores = Vec::new();
        for metric in self.metrics.iter().filter(|metric| matches!(metric.metric, Metric::Fid | Metric::Kid)) {
            let Some(ReferenceSet { features, .. }) = self.reference(metric.reference) else { continue };
            let half = features.len() / 2;
            let named = NamedMetric { num_fakes: half, ..*metric };
            let name = match metric.metric {
                Metric::Fid => self.protocol_of(&named).fid(),
                _ => self.protocol_of(&named).kid(),
            };
            if half < 2 || scores.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let (first, rest) = features.split_at(half);
            let (second, _) = rest.split_at(half);
            match metric.metric {
                Metric::Fid => {
                    let gaussian = |half| Gaussian::of(&Moments::of(half)?, metric.reference.cov_ddof());
                    let distance = gaussian(&second)?.prepare()?.distance(&gaussian(&first)?)?;
                    scores.push((name, Score::Value(distance)));
                }
                _ => scores.extend(self.kernel_distance(name, &first, &second)?),
            }
        }
        Ok(scores)
    }

    fn protocol_of(&self, metric: &NamedMetric) -> Protocol {
        Protocol { num_fakes: metric.num_fakes, reference: metric.reference, ..self.protocol() }
    }

    fn inception_score(&self, metric: &NamedMetric, fakes: &Features) -> Result<Scores> {
        let name = self.protocol_of(metric).inception_score();
        match &fakes.logits {
            Some(logits) => Ok(spread(name, inception_score(logits, IS_SPLITS, SplitRule::Even)?)),
            None => {
                let reason = format!("no logits: the network has no fc layer; {}", locate::how_to_get_them());
                Ok(vec![(name, Score::Absent(reason))])
            }
        }
    }

    fn fid(&self, metric: &NamedMetric, fakes: &Features) -> Result<Scores> {
        let ddof = metric.reference.cov_ddof();
        let reals = self.reference(metric.reference).and_then(|reference| reference.prepared[ddof].as_ref());
        let distance = match reals {
            Some(reals) => Score::Value(reals.distance(&Gaussian::of(&Moments::of(fakes)?, ddof)?)?),
            None => no_reference(),
        };
        Ok(vec![(self.protocol_of(metric).fid(), distance)])
    }

    fn kid(&self, metric: &NamedMetric, fakes: &Features) -> Result<Scores> {
        let name = self.protocol_of(metric).kid();
        let Some(ReferenceSet { features: reals, .. }) = self.reference(metric.reference) else {
            return Ok(vec![(name, no_reference())]);
        };
        self.kernel_distance(name, fakes, reals)
    }

    fn kernel_distance(&self, name: String, fakes: &Features, reals: &Features) -> Result<Scores> {
        let subsets = KidSubsets::draw(self.config.seed, (fakes.len(), reals.len()), KID_SUBSET_SIZE, KID_SUBSETS);
        Ok(spread(name, Spread::of(&kid(fakes, reals, &subsets)?)))
    }

    fn prdc(&self, metric: &NamedMetric, fakes: &Features) -> Result<Scores> {
        let names = self.protocol_of(metric).prdc();
        let Some(ReferenceSet { features: reals, .. }) = self.reference(metric.reference) else {
            return Ok(names.into_iter().map(|name| (name, no_reference())).collect());
        };
        let scores = prdc(reals, fakes, PRDC_NEIGHBOURS)?;
        let values = [scores.precision, scores.recall, scores.density, scores.coverage];
        Ok(names.into_iter().zip(values.map(Score::Value)).collect())
    }

    /// The published names, whose network is not at hand; then the same on the features that were measured.
    fn precision_recall(&self, metric: &NamedMetric, fakes: &Features) -> Result<Scores> {
        let [published, measured] = self.protocol_of(metric).precision_recall();
        let no_weights = || Score::Absent("no VGG16 fc weights".into());
        let mut scores: Scores = published.into_iter().map(|name| (name, no_weights())).collect();
        let values = match self.reference(metric.reference) {
            Some(ReferenceSet { features: reals, .. }) => {
                let balls = prdc(reals, fakes, PR_NEIGHBOURS)?;
                [balls.precision_le, balls.recall_le].map(Score::Value)
            }
            None => [no_reference(), no_reference()],
        };
        scores.extend(measured.into_iter().zip(values));
        Ok(scores)
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
