//! The policy for values that are not finite.

use std::fmt;
use std::str::FromStr;

use frugan_nn::Params;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What happens when a loss or a gradient is not finite. Always counted and reported, by tensor name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonfinite {
    /// The run stops with op, tensor, step, last good state and a replay command.
    Stop,
    /// The optimiser's step is left out, up to so many times in a row; then the run stops.
    Skip(u32),
    /// NaN becomes 0 and infinities ±1e5 in the gradients (StyleGAN2's code).
    Replace,
}

impl fmt::Display for Nonfinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => write!(f, "stop"),
            Self::Skip(most) => write!(f, "skip:{most}"),
            Self::Replace => write!(f, "replace"),
        }
    }
}

impl FromStr for Nonfinite {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match (text, text.strip_prefix("skip:").map(str::parse)) {
            ("stop", _) => Ok(Self::Stop),
            ("replace", _) => Ok(Self::Replace),
            (_, Some(Ok(most))) => Ok(Self::Skip(most)),
            _ => Err(format!("train.nonfinite = \"{text}\": want \"stop\", \"skip:N\" or \"replace\"")),
        }
    }
}

impl Serialize for Nonfinite {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nonfinite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The gradients that hold values which are not finite, from one count a weight: (parameter's name, how many values).
pub(crate) fn named(params: &Params, counts: &[f64]) -> Vec<(String, usize)> {
    let weights = params.named_weights().zip(counts).filter(|(_, count)| **count != 0.0);
    // Whoever cannot count says NaN.
    weights.map(|((name, _), count)| (name.to_string(), (*count as usize).max(1))).collect()
}

/// What stopped the run, by tensor.
pub(crate) fn sentence(network: &str, itr: u64, loss: f64, bad: &[(String, usize)]) -> String {
    let tensors: Vec<String> = bad.iter().take(3).map(|(name, count)| format!("{name} ({count} values)")).collect();
    let tensors = if tensors.is_empty() { "no gradient".into() } else { tensors.join(", ") };
    let network = network.to_uppercase();
    format!("step {itr}: the loss of {network} is {loss}, and these of its gradients are not finite: {tensors}")
}

/// Under [`Nonfinite::Replace`], what stands for infinity.
pub(crate) const MOST: f64 = 1e5;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn policies_are_read_and_written() {
        for text in ["stop", "skip:3", "replace"] {
            assert_eq!(text.parse::<Nonfinite>().unwrap().to_string(), text);
        }
        assert!("skip:-1".parse::<Nonfinite>().unwrap_err().contains("skip:-1"));
    }

    #[test]
    fn the_sentence_names_tensors() {
        let text = sentence("d", 7, f64::NAN, &[("linear.weight".into(), 3)]);
        assert_eq!(
            text,
            "step 7: the loss of D is NaN, and these of its gradients are not finite: linear.weight (3 values)"
        );
    }
}
