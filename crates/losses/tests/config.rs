//! `[loss]`: defaults, names, and what each bad value is told.
#![allow(clippy::unwrap_used)]

use frugan_losses::{Adversarial, LossConfig, LossName, Pairing};

fn parse(text: &str) -> Result<LossConfig, String> {
    let config: LossConfig = toml::from_str(text).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn the_default_is_hinge_alone() {
    let config = parse("").unwrap();
    assert_eq!(config, LossConfig::default());
    assert_eq!(config.adversarial(), Adversarial::Hinge);
    assert_eq!(config.cr.pairing(true).unwrap(), None);
    assert_eq!((config.lecam.decay, config.lecam.start_itr), (0.9, 1000));
}

#[test]
fn every_name_reads_back() {
    for name in [
        LossName::Hinge,
        LossName::NonSaturating,
        LossName::Bce,
        LossName::LeastSquares,
        LossName::LeastSquaresLecam,
        LossName::Wasserstein,
        LossName::RelativisticAverageHinge,
    ] {
        assert_eq!(parse(&format!("name = \"{}\"", name.as_str())).unwrap().name, name);
    }
    let smooth = parse("name = \"bce\"\nlabel_smoothing = 0.1").unwrap();
    assert_eq!(smooth.adversarial(), Adversarial::Bce { label_smoothing: 0.1 });
    let drift = parse("name = \"wasserstein\"\ndrift = 0.001").unwrap();
    assert_eq!(drift.adversarial(), Adversarial::Wasserstein { drift: 0.001 });
}

#[test]
fn a_config_survives_a_round_trip() {
    let config =
        parse("name = \"bce\"\nlabel_smoothing = 0.1\nlecam = { weight = 0.3 }\ncr = { weight = 10.0 }").unwrap();
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn bad_values_are_told_the_rule() {
    for (text, want) in [
        ("name = \"hinqe\"", "unknown variant `hinqe`, expected one of `hinge`"),
        ("weight = 1.0", "unknown field `weight`"),
        ("cr = { wieght = 1.0 }", "unknown field `wieght`"),
        ("name = \"bce\"\nlabel_smoothing = 0.5", "loss.label_smoothing = 0.5: want a number in [0, 0.5)"),
        ("label_smoothing = 0.1", "loss.label_smoothing = 0.1 has no effect on loss.name = \"hinge\""),
        ("drift = 0.001", "or loss.name to \"wasserstein\""),
        ("ortho = -1.0", "loss.ortho = -1: want a finite number from 0 up"),
        ("cr = { weight = nan }", "loss.cr.weight = NaN"),
        ("lecam = { weight = inf }", "loss.lecam.weight = inf"),
        ("lecam = { decay = 1.0 }", "loss.lecam.decay = 1: want a number in [0, 1)"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}

/// The pairings of DiffAugment's scripts.
#[test]
fn the_published_pairings() {
    let pairing = |augment: &str, t_on_real| {
        let config = parse(&format!("cr = {{ weight = 10.0, augment = \"{augment}\" }}")).unwrap();
        config.cr.pairing(t_on_real)
    };
    assert_eq!(pairing("flip,translation", false), Ok(Some(Pairing::Augmented)));
    assert_eq!(pairing("flip,translation", true), Ok(Some(Pairing::AugmentedAfterT)));
    assert_eq!(pairing("", true), Ok(Some(Pairing::Raw)));
    let error = pairing("", false).unwrap_err().to_string();
    assert!(error.contains("loss.cr.weight = 10") && error.contains("paired with itself"), "{error}");
}
