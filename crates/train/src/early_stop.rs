//! Early stop: a run ends when a metric has not improved for some evaluations.

use std::collections::BTreeMap;
use std::fmt;

use frugan_metrics::{Leak, Tap};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::stats::Record;

/// `[train.early_stop]`: the run ends when a metric has not improved for some evaluations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EarlyStopConfig {
    /// The metric: a name as its file has it (`fid10k_test`), or its family (`fid`, which is `frd` where the random-feature network
    /// measures; `precision` of `prdc`). Default `fid`.
    pub metric: String,
    /// Evaluations (`eval.every_steps`) in a row without a better value after which the run ends; 1 or more. Default 5.
    pub patience: u64,
}

impl Default for EarlyStopConfig {
    fn default() -> Self {
        Self { metric: "fid".into(), patience: 5 }
    }
}

impl EarlyStopConfig {
    /// Whether the metric is one that comes to numbers, and more than once.
    pub(crate) fn check(&self, config: &Config) -> Result<()> {
        let eval = &config.eval;
        let error = |text: String| Err(Error::Config(text));
        if self.patience == 0 {
            return error("train.early_stop.patience = 0: want 1 or more".into());
        }
        if eval.every_steps == 0 {
            return error(
                "train.early_stop with eval.every_steps = 0: nothing is measured before the end; set it".into(),
            );
        }
        let mut measured = Vec::new();
        for tap in eval.network.taps() {
            measured.push(scores(config, *tap)?);
        }
        if measured.iter().flatten().any(|name| self.is_of(name)) {
            return Ok(());
        }
        let measured =
            if measured[0].is_empty() { "nothing that comes to a number".into() } else { measured[0].join(", ") };
        error(format!(
            "train.early_stop.metric = \"{}\": eval.metrics measures {measured}; name one of these or a family, such as fid, or add it to \
             eval.metrics",
            self.metric
        ))
    }

    /// Whether a metric's name is the one that is waited for.
    fn is_of(&self, name: &str) -> bool {
        let stands_for = match self.metric.as_str() {
            "fid" => Some("frd"),
            "kid" => Some("krd"),
            _ => None,
        };
        let by_family = family(name) == self.metric || Some(family(name)) == stands_for;
        // A family of two metrics is none to wait for.
        name == self.metric || (by_family && family(name) != PR && !name.ends_with("_std"))
    }

    fn higher_is_better(&self) -> bool {
        let family = family(&self.metric);
        ["is", PR].contains(&family) || PRDC.contains(&family)
    }
}

/// What the metric `prdc` measures.
const PRDC: [&str; 4] = ["precision", "recall", "density", "coverage"];
/// The family of StyleGAN2-ADA's precision and recall.
const PR: &str = "pr";

/// The names of a run's scores on features of `tap`. The leak has numbers where there is something to leak.
fn scores(config: &Config, tap: Tap) -> Result<Vec<String>> {
    let mut names = config.eval.score_names(tap)?;
    if let Some(leak) = names.iter().position(|name| name == "leak") {
        let kinds = Leak::of_policy(&config.augment.policy);
        if kinds.is_empty() {
            names.remove(leak);
        }
        names.extend(kinds.into_iter().map(Leak::column));
    }
    Ok(names)
}

/// The letters that a metric's name begins with: `fid` of `fid10k_test`.
fn family(name: &str) -> &str {
    name.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or(name)
}

/// Why a run ends early.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EarlyStop {
    metric: String,
    best: f64,
    best_step: u64,
    /// Evaluations since the best one.
    since: u64,
}

impl EarlyStop {
    /// Whether the evaluations so far, oldest first, end the run.
    pub(crate) fn of(config: &Config, evaluations: &[Record]) -> Option<Self> {
        let wanted = config.train.early_stop.as_ref()?;
        let mut best: Option<Self> = None;
        for record in evaluations {
            // A family is the run's own protocol's ahead of what `eval.also` names.
            let names = || record.values.keys().filter(|name| wanted.is_of(name));
            let mut names = names().filter(|name| config.eval.is_own(name)).chain(names());
            let value = names.find_map(|name| record.get(name).map(|value| (name, value)));
            let is_better = |than: &Self, value: f64| match wanted.higher_is_better() {
                true => value > than.best,
                false => value < than.best,
            };
            match (value, &mut best) {
                (Some((name, value)), best) if best.as_ref().is_none_or(|than| is_better(than, value)) => {
                    *best = Some(Self { metric: name.clone(), best: value, best_step: record.step, since: 0 });
                }
                (_, Some(best)) => best.since += 1,
                (_, None) => {}
            }
        }
        best.filter(|best| best.since >= wanted.patience)
    }

    /// For `stats.jsonl`.
    pub(crate) fn values(&self) -> BTreeMap<String, Option<f64>> {
        let values = [
            ("train/ended_early", 1.0),
            ("train/best_step", self.best_step as f64),
            ("train/evaluations_since_best", self.since as f64),
        ];
        values.into_iter().map(|(name, value)| (name.to_string(), Some(value))).collect()
    }
}

impl fmt::Display for EarlyStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { metric, best, best_step, since } = self;
        write!(f, "{metric} was best at step {best_step} ({best:.4}) and no better in {since} evaluations since")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use frugan_metrics::{EvalConfig, Network};

    use super::*;

    fn stop(metric: &str, patience: u64, name: &str, values: &[f64]) -> Option<EarlyStop> {
        let mut config = Config::default();
        config.train.early_stop = Some(EarlyStopConfig { metric: metric.into(), patience });
        let record = |(i, value): (usize, &f64)| Record {
            step: 10 * (i as u64 + 1),
            kimg: 0.0,
            values: BTreeMap::from([(name.to_string(), Some(*value)), ("leak_color".into(), Some(0.0))]),
        };
        EarlyStop::of(&config, &values.iter().enumerate().map(record).collect::<Vec<_>>())
    }

    #[test]
    fn patience_counts_evaluations_since_the_best() {
        let fid = |values: &[f64]| stop("fid", 2, "fid10k_test", values);
        assert_eq!(fid(&[]), None);
        assert_eq!(fid(&[30.0, 31.0]), None);
        assert_eq!(fid(&[30.0, 31.0, 29.0, 35.0]), None, "a better value starts anew");
        let over = fid(&[30.0, 29.0, 29.0, 35.0]).unwrap();
        assert_eq!((over.best, over.best_step, over.since), (29.0, 20, 2), "an equal value is no better");
        assert!(over.to_string().starts_with("fid10k_test was best at step 20 (29.0000)"), "{over}");
        assert_eq!(fid(&[30.0, f64::NAN, f64::NAN]).unwrap().best_step, 10, "no value is no better one");
    }

    #[test]
    fn a_metric_is_known_by_its_name_or_family_and_has_a_direction() {
        let rises = [1.0, 2.0, 3.0];
        assert!(stop("fid", 2, "frd32_test", &rises).is_some());
        assert!(stop("fid32_test", 2, "fid32_test", &rises).is_some());
        assert!(stop("fid", 2, "kid32_test", &rises).is_none());
        assert!(stop("is", 2, "is10k", &rises).is_none(), "higher is better");
        assert!(stop("is", 2, "is10k", &[3.0, 2.0, 1.0]).is_some());
        assert!(stop("is", 2, "is10k_std", &[3.0, 2.0, 1.0]).is_none(), "a deviation is no value");
        let recall = "pr10k3_random_test_recall";
        assert!(stop(recall, 2, recall, &rises).is_none() && stop(recall, 2, recall, &[3.0, 2.0, 1.0]).is_some());
        assert!(stop("pr", 2, recall, &[3.0, 2.0, 1.0]).is_none(), "a family of two metrics");
    }

    #[test]
    fn what_is_not_measured_cannot_be_waited_for() {
        let eval = EvalConfig::default();
        let check = |metric: &str, eval: &EvalConfig| {
            let config = Config { eval: eval.clone(), ..Config::default() };
            EarlyStopConfig { metric: metric.into(), patience: 3 }.check(&config).map_err(|e| e.to_string())
        };
        for metric in ["fid", "is10k", "is", "fid10k_test", "fid768_10k_test", "leak", "leak_cutout"] {
            assert_eq!(check(metric, &eval), Ok(()), "{metric}");
        }
        for metric in ["recall", "fid5k_test", "fidelity", "is10k_std", "leak_color", "frd10k_test", ""] {
            let error = check(metric, &eval).unwrap_err();
            assert!(error.contains("measures fid10k_test, is10k, leak, leak_translation, leak_cutout;"), "{error}");
        }
        let prdc = EvalConfig { metrics: vec!["prdc".into(), "pr".into()], ..eval.clone() };
        for metric in ["recall", "recall10k_test", "pr10k3_inception_test_recall"] {
            assert_eq!(check(metric, &prdc), Ok(()), "{metric}");
        }
        for metric in ["pr", "prdc", "pr10k3_test_recall"] {
            assert!(check(metric, &prdc).is_err(), "{metric}: two metrics, or one that has no number");
        }
        assert!(check("fid", &EvalConfig { every_steps: 0, ..eval }).unwrap_err().contains("eval.every_steps = 0"));
    }

    #[test]
    fn the_random_network_measures_under_names_of_its_own() {
        let mut config = Config::default();
        (config.eval.network, config.eval.num_fakes, config.augment.policy) = (Network::Random, 16, String::new());
        let check = |metric: &str| EarlyStopConfig { metric: metric.into(), patience: 3 }.check(&config);
        for metric in ["fid", "frd", "frd16_test"] {
            check(metric).unwrap();
        }
        for metric in ["fid16_test", "fid10k_test", "is", "leak"] {
            let error = check(metric).unwrap_err().to_string();
            assert!(error.contains(&format!("metric = \"{metric}\": eval.metrics measures frd16_test;")), "{error}");
        }
    }
}
