use crate::protocol::{count, parse_count};
use crate::{Metric, Reference};

/// A metric with what its published name says of its protocol: the number of fakes and the reals.
///
/// ```
/// use frugan_metrics::{Metric, NamedMetric, Reference};
/// let metric = NamedMetric::parse("fid50k_full", Reference::Test).unwrap();
/// assert_eq!((metric.metric, metric.num_fakes, metric.reference), (Metric::Fid, 50_000, Reference::Full));
/// assert_eq!(NamedMetric::parse("fid50k", Reference::Test), None); // against what?
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedMetric {
    /// What is measured.
    pub metric: Metric,
    /// Generated images.
    pub num_fakes: usize,
    /// The reals they are compared with; the Inception score and the leak have none.
    pub reference: Reference,
}

impl NamedMetric {
    /// The metric of a whole name: `fid10k_test`, `kid50k_full`, `is50k`, `pr50k3_full`, `prdc500_train`. `reference` is
    /// entered for the Inception score, which has no reals.
    ///
    /// ```
    /// # use frugan_metrics::{NamedMetric, Reference};
    /// assert_eq!(NamedMetric::parse("pr50k3_full", Reference::Test).unwrap().num_fakes, 50_000);
    /// assert_eq!(NamedMetric::parse("is50k_full", Reference::Test), None);
    /// ```
    pub fn parse(name: &str, reference: Reference) -> Option<Self> {
        let (family, rest) = name.split_at(name.find(|c: char| c.is_ascii_digit())?);
        let metric = Metric::parse(family)?;
        let (mut fakes, reals) = match rest.split_once('_') {
            Some((fakes, reals)) => (fakes, Some(Reference::parse(reals)?)),
            None => (rest, None),
        };
        if metric == Metric::Pr {
            fakes = fakes.strip_suffix(PR_K)?;
        }
        let num_fakes = parse_count(fakes)?;
        let reference = match (metric, reals) {
            (Metric::Is, None) => reference,
            (Metric::Fid | Metric::Kid | Metric::Prdc | Metric::Pr, Some(reals)) => reals,
            _ => return None,
        };
        Some(Self { metric, num_fakes, reference })
    }

    /// The fewest reals that it can be computed against: as many as fakes, and none where it asks for none.
    ///
    /// ```
    /// # use frugan_metrics::{NamedMetric, Reference};
    /// let least = |name| NamedMetric::parse(name, Reference::Test).unwrap().least_reals();
    /// assert_eq!(["fid10k_test", "prdc10k_test", "is10k"].map(least), [2, 6, 0]);
    /// ```
    pub fn least_reals(&self) -> usize {
        match self.metric {
            Metric::Is | Metric::Leak => 0,
            Metric::Fid | Metric::Kid | Metric::Prdc | Metric::Pr => self.metric.least_fakes().0,
        }
    }

    /// The whole name, on the published network.
    ///
    /// ```
    /// # use frugan_metrics::{NamedMetric, Reference};
    /// assert_eq!(NamedMetric::parse("kid1000_test", Reference::Test).unwrap().name(), "kid1k_test");
    /// ```
    pub fn name(&self) -> String {
        let known = Metric::ALL.iter().find(|(_, metric)| *metric == self.metric);
        let family = known.map_or("", |(name, _)| *name);
        let (fakes, reals) = (count(self.num_fakes), self.reference.name());
        match self.metric {
            Metric::Leak => family.into(),
            Metric::Is => format!("{family}{fakes}"),
            Metric::Pr => format!("{family}{fakes}{PR_K}_{reals}"),
            Metric::Fid | Metric::Kid | Metric::Prdc => format!("{family}{fakes}_{reals}"),
        }
    }
}

/// The k of precision and recall, as the published name carries it.
const PR_K: char = '3';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in
            ["fid10k_test", "fid5k_train", "fid50k_full", "kid50k_full", "is50k", "pr50k3_full", "prdc1500_test"]
        {
            let metric = NamedMetric::parse(name, Reference::Train);
            assert_eq!(metric.map(|metric| metric.name()).as_deref(), Some(name));
        }
    }

    #[test]
    fn other_names_are_none() {
        for name in
            ["", "fid", "fid_test", "fidk_test", "fid10k_valid", "is10k_test", "pr50k_full", "pr50k5_full", "leak10k"]
        {
            assert_eq!(NamedMetric::parse(name, Reference::Test), None, "{name}");
        }
        assert_eq!(NamedMetric::parse("fid99999999999999999k_test", Reference::Test), None);
    }
}
