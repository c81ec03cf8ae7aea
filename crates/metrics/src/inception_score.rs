use crate::{Error, Logits, Result};

/// How the images are cut into splits where their number is no multiple of the splits'.
///
/// ```
/// use frugan_metrics::SplitRule;
/// assert_eq!(SplitRule::Even.range(1, 3, 10), 3..6);
/// assert_eq!(SplitRule::Floor.range(2, 3, 10), 6..9);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitRule {
    /// Split i is `[i * n / s, (i + 1) * n / s)`: StyleGAN2-ADA, torch-fidelity.
    #[default]
    Even,
    /// Chunks of `n / s` images, the rest unused: DiffAugment's BigGAN.
    Floor,
}

impl SplitRule {
    /// The images of split `i` of `splits`, out of `n`.
    ///
    /// ```
    /// use frugan_metrics::SplitRule;
    /// assert_eq!(SplitRule::Even.range(9, 10, 95), 85..95);
    /// ```
    pub fn range(self, i: usize, splits: usize, n: usize) -> std::ops::Range<usize> {
        match self {
            Self::Even => i * n / splits..(i + 1) * n / splits,
            Self::Floor => i * (n / splits)..(i + 1) * (n / splits),
        }
    }
}

/// Mean and population standard deviation of a score over its splits or subsets.
///
/// ```
/// use frugan_metrics::Spread;
/// let spread = Spread::of(&[1.0, 3.0]);
/// assert_eq!((spread.mean, spread.std), (2.0, 1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The score.
    pub mean: f64,
    /// Its standard deviation (ddof 0).
    pub std: f64,
}

impl Spread {
    /// The spread of `values`, which must not be empty for the numbers to mean anything (they are NaN then).
    ///
    /// ```
    /// # use frugan_metrics::Spread;
    /// assert_eq!(Spread::of(&[5.0]).std, 0.0);
    /// ```
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        Self { mean, std: variance.sqrt() }
    }
}

/// The Inception score (Salimans et al. 2016): `exp E_x KL(p(y|x) || p(y))` of contiguous splits.
///
/// # Errors
/// If there are fewer images than splits, or a logit is not finite.
///
/// ```
/// use frugan_metrics::{Logits, SplitRule, inception_score};
/// // Two images, each surely of its own class: a score of 2.
/// let logits = Logits { values: vec![50.0, 0.0, 0.0, 50.0], classes: 2 };
/// assert!((inception_score(&logits, 1, SplitRule::Even)?.mean - 2.0).abs() < 1e-9);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn inception_score(logits: &Logits, splits: usize, rule: SplitRule) -> Result<Spread> {
    let classes = logits.classes.max(1);
    let n = logits.values.len() / classes;
    if splits == 0 || n < splits {
        return Err(Error::input("is", format!("{n} images for {splits} splits; it needs at least one image a split")));
    }
    if !logits.values.iter().all(|value| value.is_finite()) {
        return Err(Error::input("is", "a logit is not finite"));
    }
    let scores: Vec<f64> = (0..splits)
        .map(|i| {
            let images = rule.range(i, splits, n);
            split_score(&logits.values[images.start * classes..images.end * classes], classes)
        })
        .collect();
    Ok(Spread::of(&scores))
}

fn split_score(logits: &[f32], classes: usize) -> f64 {
    let n = (logits.len() / classes) as f64;
    let mut marginal = vec![0.0; classes];
    // Sum over images and classes of p log p; the cross term needs the marginal only.
    let mut negative_entropy = 0.0;
    for row in logits.chunks_exact(classes) {
        let log_p = log_softmax(row);
        for (sum, log_p) in marginal.iter_mut().zip(log_p) {
            let p = log_p.exp();
            *sum += p;
            negative_entropy += p * log_p;
        }
    }
    let cross: f64 = marginal.iter().filter(|sum| **sum > 0.0).map(|sum| sum * (sum / n).ln()).sum();
    ((negative_entropy - cross) / n).exp()
}

fn log_softmax(row: &[f32]) -> impl Iterator<Item = f64> + '_ {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|value| f64::from(value - largest).exp()).sum();
    row.iter().map(move |value| f64::from(value - largest) - sum.ln())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn equal_predictions_score_one() {
        let logits = Logits { values: [0.3, -1.0, 2.0].repeat(40), classes: 3 };
        let score = inception_score(&logits, 10, SplitRule::Even).unwrap();
        assert!((score.mean - 1.0).abs() < 1e-12 && score.std < 1e-12);
    }

    #[test]
    fn too_few_images_and_infinite_logits_are_errors() {
        let logits = Logits { values: vec![0.0; 9], classes: 1 };
        assert!(inception_score(&logits, 10, SplitRule::Even).is_err());
        let logits = Logits { values: vec![f32::INFINITY; 10], classes: 1 };
        assert!(inception_score(&logits, 10, SplitRule::Even).is_err());
    }
}
