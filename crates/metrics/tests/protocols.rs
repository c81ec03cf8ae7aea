//! Several protocols in one evaluation, and what their names promise.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use frugan_metrics::{
    EvalConfig, Evaluator, FeatureNetwork, Features, Gaussian, Images, Moments, Network, Reference, Score, Scores,
    Uint8Rule, prdc,
};
use frugan_nn::{Purpose, Stream};

const SHAPE: [usize; 3] = [3, 8, 8];

fn noise(step: u64, n: usize) -> Vec<u8> {
    let words = Stream::new(5, Purpose::new("test.protocols"), step).integers(n * 192, 256);
    words.into_iter().map(|word| word as u8).collect()
}

fn images(bytes: &[u8]) -> Images<'_> {
    Images::new(bytes, SHAPE).unwrap()
}

fn config(metrics: &[&str], also: &[&str]) -> EvalConfig {
    let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
    EvalConfig {
        network: Network::Random,
        num_fakes: 20,
        metrics: strings(metrics),
        also: strings(also),
        ..EvalConfig::default()
    }
}

/// Scores of 50 fakes against 30 test and 40 training images.
fn measure(config: &EvalConfig, fakes: usize) -> frugan_metrics::Result<Scores> {
    let (test, train, made) = (noise(0, 30), noise(1, 40), noise(2, 50));
    let mut evaluator = Evaluator::open(config)?;
    for reference in config.references()? {
        let reals = if reference.is_train() { &train } else { &test };
        evaluator.set_reference_of(reference, images(reals), None)?;
    }
    evaluator.evaluate(images(&made).slice(0, fakes))
}

fn features(step: u64, n: usize) -> Features {
    FeatureNetwork::random().unwrap().extract(images(&noise(step, n))).unwrap()
}

#[test]
fn one_pass_serves_several_protocols() {
    let config = config(&["fid", "kid"], &["fid50_full", "fid50_train", "is50", "fid20_test"]);
    let scores = measure(&config, 50).unwrap();
    let names: Vec<&str> = scores.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["frd20_test", "krd20_test", "krd20_test_std", "frd50_full", "frd50_train", "is50"]);
    let scores: BTreeMap<String, Score> = scores.into_iter().collect();
    let alone = measure(&EvalConfig { also: Vec::new(), ..config }, 20).unwrap();
    for (name, score) in alone {
        assert_eq!(scores[&name], score, "{name}: the first 20 fakes are the protocol's");
    }
    let gaussian = |step, n, ddof| Gaussian::of(&Moments::of(&features(step, n)).unwrap(), ddof).unwrap();
    for (name, ddof) in [("frd50_full", 0), ("frd50_train", 1)] {
        let want = gaussian(1, 40, ddof).distance(&gaussian(2, 50, ddof)).unwrap();
        assert!((scores[name].value().unwrap() - want).abs() < 1e-9, "{name}");
    }
    assert_ne!(scores["frd50_full"], scores["frd50_train"]);
}

#[test]
fn adas_precision_and_recall_are_not_called_what_they_are_not() {
    let scores = measure(&config(&["pr"], &["pr50k3_full"]), 20).unwrap_err().to_string();
    assert!(scores.contains("20 fakes; the names in eval.also take 50000"), "{scores}");
    let scores = measure(&config(&["pr"], &["pr503_full"]), 50).unwrap();
    let absent = |i: usize| scores[i].1.to_string();
    assert_eq!(scores[0].0, "pr203_test_precision");
    assert_eq!(absent(0), "n/a (no VGG16 fc weights)");
    assert_eq!(scores[5].0, "pr503_full_recall");
    assert_eq!(absent(5), "n/a (no VGG16 fc weights)");
    let want = prdc(&features(1, 40), &features(2, 50), 3).unwrap();
    assert_eq!(scores[6], ("pr503_random_full_precision".into(), Score::Value(want.precision_le)));
    assert_eq!(scores[7], ("pr503_random_full_recall".into(), Score::Value(want.recall_le)));
}

#[test]
fn without_its_reals_a_protocol_has_no_number() {
    let config = config(&["fid"], &["fid20_full", "pr203_full"]);
    let mut evaluator = Evaluator::open(&config).unwrap();
    evaluator.set_reference(images(&noise(0, 30)), None).unwrap();
    let scores = evaluator.evaluate(images(&noise(2, 20))).unwrap();
    assert!(scores[0].1.value().is_some());
    for i in [1, 4, 5] {
        assert_eq!(scores[i].1.to_string(), "n/a (no reference images)", "{}", scores[i].0);
    }
}

#[test]
fn too_few_fakes_are_refused_by_the_key_that_says_so() {
    let error = |config: EvalConfig| config.validate().unwrap_err().to_string();
    assert_eq!(error(config(&[], &["is9"])), "eval.also = is9: expected at least 10 images for the 10 splits of is");
    assert!(error(config(&[], &["pr33_full"])).contains("3rd neighbour"));
    let few = EvalConfig { num_fakes: 5, ..config(&["prdc"], &["fid50k_full"]) };
    assert_eq!(error(few), "eval.num_fakes = 5: expected more than 5 images for prdc's 5th neighbour");
}

#[test]
fn new_settings_stand_in_a_config_only_where_they_are_used() {
    let text = serde_json::to_string(&EvalConfig::default()).unwrap();
    assert!(!text.contains("also") && !text.contains("uint8"), "{text}");
    let used = EvalConfig { uint8: Uint8Rule::Stylegan, reference: Reference::Full, ..config(&["fid"], &["is50k"]) };
    let text = serde_json::to_string(&used).unwrap();
    assert!(text.contains(r#""also":["is50k"]"#) && text.contains(r#""uint8":"stylegan""#), "{text}");
    assert_eq!(serde_json::from_str::<EvalConfig>(&text).unwrap(), used);
}
