use crate::Reference;

/// Which features a number is computed from; its name follows from it.
///
/// ```
/// use frugan_metrics::Tap;
/// assert_eq!((Tap::Pool2048.dims(), Tap::Random.dims()), (2048, 256));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Inception's last pooling, 2048 features: what FID means.
    Pool2048,
    /// Inception up to `Mixed_6e`, spatial mean: a file that ends there.
    Mean768,
    /// Inception up to the second max pooling, spatial mean.
    Mean192,
    /// Inception up to the first max pooling, spatial mean.
    Mean64,
    /// The random-feature network.
    Random,
}

impl Tap {
    /// All of them.
    ///
    /// ```
    /// # use frugan_metrics::Tap;
    /// assert!(Tap::ALL.contains(&Tap::Random));
    /// ```
    pub const ALL: [Self; 5] = [Self::Pool2048, Self::Mean768, Self::Mean192, Self::Mean64, Self::Random];

    /// Features of an image.
    ///
    /// ```
    /// # use frugan_metrics::Tap;
    /// assert_eq!(Tap::Mean768.dims(), 768);
    /// ```
    pub fn dims(self) -> usize {
        match self {
            Self::Pool2048 => 2048,
            Self::Mean768 => 768,
            Self::Mean192 => 192,
            Self::Mean64 => 64,
            Self::Random => crate::random::DIMS,
        }
    }
}

/// What is measured.
///
/// ```
/// use frugan_metrics::Metric;
/// assert_eq!(Metric::parse("kid"), Some(Metric::Kid));
/// assert_eq!(Metric::parse("fidd"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Fréchet distance.
    Fid,
    /// Inception score.
    Is,
    /// Kernel distance.
    Kid,
    /// Precision, recall, density and coverage, k = 5, strict.
    Prdc,
    /// Precision and recall as StyleGAN2-ADA's code reports them, k = 3, balls with their edge.
    Pr,
    /// The leak measure.
    Leak,
}

impl Metric {
    /// All of them, by their names in [`crate::EvalConfig::metrics`].
    ///
    /// ```
    /// # use frugan_metrics::Metric;
    /// assert_eq!(Metric::ALL[0], ("fid", Metric::Fid));
    /// ```
    pub const ALL: [(&'static str, Self); 6] = [
        ("fid", Self::Fid),
        ("is", Self::Is),
        ("kid", Self::Kid),
        ("prdc", Self::Prdc),
        ("pr", Self::Pr),
        ("leak", Self::Leak),
    ];

    /// The metric of this name.
    ///
    /// ```
    /// # use frugan_metrics::Metric;
    /// assert_eq!(Metric::parse("leak"), Some(Metric::Leak));
    /// ```
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, metric)| *metric)
    }
}

/// Everything that a number's name must tell: network, number of fakes, reference.
///
/// ```
/// use frugan_metrics::{Protocol, Reference, Tap};
/// let paper = Protocol { tap: Tap::Pool2048, num_fakes: 10_000, reference: Reference::Test };
/// assert_eq!((paper.fid(), paper.inception_score()), ("fid10k_test".to_string(), "is10k".to_string()));
/// assert_eq!(Protocol { tap: Tap::Random, num_fakes: 500, ..paper }.fid(), "frd500_test");
/// assert_eq!(Protocol { tap: Tap::Mean768, ..paper }.fid(), "fid768_10k_test");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The features.
    pub tap: Tap,
    /// Number of generated images.
    pub num_fakes: usize,
    /// The reals they are compared with.
    pub reference: Reference,
}

impl Protocol {
    /// Name of the Fréchet distance: `fid` for the whole network only.
    ///
    /// ```
    /// # use frugan_metrics::{Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Pool2048, num_fakes: 50_000, reference: Reference::Train };
    /// assert_eq!(protocol.fid(), "fid50k_train");
    /// ```
    pub fn fid(&self) -> String {
        match self.tap {
            Tap::Random => format!("frd{}_{}", count(self.num_fakes), self.reference.name()),
            _ => self.against_reference("fid"),
        }
    }

    /// Name of the kernel distance.
    ///
    /// ```
    /// # use frugan_metrics::{Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Random, num_fakes: 1500, reference: Reference::Test };
    /// assert_eq!(protocol.kid(), "krd1500_test");
    /// ```
    pub fn kid(&self) -> String {
        match self.tap {
            Tap::Random => format!("krd{}_{}", count(self.num_fakes), self.reference.name()),
            _ => self.against_reference("kid"),
        }
    }

    /// Name of the Inception score, which has no reference.
    ///
    /// ```
    /// # use frugan_metrics::{Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Pool2048, num_fakes: 50_000, reference: Reference::Test };
    /// assert_eq!(protocol.inception_score(), "is50k");
    /// ```
    pub fn inception_score(&self) -> String {
        format!("is{}", count(self.num_fakes))
    }

    /// Names of precision, recall, density and coverage.
    ///
    /// ```
    /// # use frugan_metrics::{Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Random, num_fakes: 500, reference: Reference::Test };
    /// assert_eq!(protocol.prdc()[0], "precision_random_500_test");
    /// ```
    pub fn prdc(&self) -> [String; 4] {
        ["precision", "recall", "density", "coverage"].map(|name| self.against_reference(name))
    }

    /// Names of precision and recall as StyleGAN2-ADA's code reports them, on VGG16's features, which no weights file
    /// here gives; then those of the same numbers on the features that were measured.
    ///
    /// ```
    /// # use frugan_metrics::{Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Pool2048, num_fakes: 50_000, reference: Reference::Full };
    /// let [published, measured] = protocol.precision_recall();
    /// assert_eq!(published[0], "pr50k3_full_precision");
    /// assert_eq!(measured[1], "pr50k3_inception_full_recall");
    /// ```
    pub fn precision_recall(&self) -> [[String; 2]; 2] {
        let network = match self.tap {
            Tap::Pool2048 => "inception_",
            Tap::Mean768 => "inception768_",
            Tap::Mean192 => "inception192_",
            Tap::Mean64 => "inception64_",
            Tap::Random => "random_",
        };
        let (fakes, reference) = (count(self.num_fakes), self.reference.name());
        ["", network]
            .map(|network| ["precision", "recall"].map(|part| format!("pr{fakes}3_{network}{reference}_{part}")))
    }

    /// The names under which a metric comes to numbers on these features, deviations and the leak's kinds left out.
    ///
    /// ```
    /// # use frugan_metrics::{Metric, Protocol, Reference, Tap};
    /// let protocol = Protocol { tap: Tap::Random, num_fakes: 500, reference: Reference::Test };
    /// assert_eq!(protocol.names_of(Metric::Fid), ["frd500_test"]);
    /// assert!(protocol.names_of(Metric::Is).is_empty()); // it wants Inception's logits
    /// ```
    pub fn names_of(&self, metric: Metric) -> Vec<String> {
        match metric {
            Metric::Fid => vec![self.fid()],
            Metric::Kid => vec![self.kid()],
            Metric::Is if self.tap == Tap::Pool2048 => vec![self.inception_score()],
            Metric::Is => Vec::new(),
            Metric::Prdc => self.prdc().into(),
            Metric::Pr => self.precision_recall()[1].clone().into(),
            Metric::Leak => vec!["leak".into()],
        }
    }

    /// All of them, also those without a number.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = vec![self.fid(), self.kid(), self.inception_score()];
        names.extend(self.prdc());
        names.extend(self.precision_recall().into_iter().flatten());
        names
    }

    fn against_reference(&self, metric: &str) -> String {
        let network = match self.tap {
            Tap::Pool2048 => "",
            Tap::Mean768 => "768_",
            Tap::Mean192 => "192_",
            Tap::Mean64 => "64_",
            Tap::Random => "_random_",
        };
        format!("{metric}{network}{}_{}", count(self.num_fakes), self.reference.name())
    }
}

/// 10000 is `10k`, 1500 stays.
pub(crate) fn count(n: usize) -> String {
    if n >= 1000 && n.is_multiple_of(1000) { format!("{}k", n / 1000) } else { n.to_string() }
}

/// The number that [`count`] writes so.
pub(crate) fn parse_count(text: &str) -> Option<usize> {
    let (digits, unit) = text.strip_suffix('k').map_or((text, 1), |thousands| (thousands, 1000));
    // `parse` would take a sign as well.
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<usize>().ok())??;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_network_is_called_fid() {
        for tap in [Tap::Mean768, Tap::Mean192, Tap::Mean64, Tap::Random] {
            let protocol = Protocol { tap, num_fakes: 10_000, reference: Reference::Test };
            assert!(!protocol.fid().starts_with("fid10k"), "{}", protocol.fid());
            assert!(!protocol.kid().starts_with("kid10k"), "{}", protocol.kid());
            assert!(!protocol.prdc()[0].starts_with("precision10k"), "{:?}", protocol.prdc());
            let [published, measured] = protocol.precision_recall();
            assert_eq!(published[0], "pr10k3_test_precision");
            assert_ne!(published, measured);
        }
    }
}
