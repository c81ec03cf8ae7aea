use std::fmt;

use crate::Spread;

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

/// Named scores in the order of [`crate::EvalConfig::metrics`], then of [`crate::EvalConfig::also`].
pub type Scores = Vec<(String, Score)>;

pub(crate) fn no_reference() -> Score {
    Score::Absent("no reference images".into())
}

/// A score and its deviation over splits or subsets.
pub(crate) fn spread(name: String, spread: Spread) -> Scores {
    vec![(name.clone(), Score::Value(spread.mean)), (format!("{name}_std"), Score::Value(spread.std))]
}
