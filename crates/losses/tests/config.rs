//! `[loss]`: defaults, names, and what each bad value is told.
#![allow(clippy::unwrap_used)]

use frugan_losses::{
    AcganConfig, Adversarial, ApaConfig, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, GradientPenaltyKind,
    InstanceNoiseConfig, LossConfig, LossName, Pairing, ZcrConfig,
};

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
fn what_is_absent_is_off_and_not_written() {
    let text = toml::to_string(&LossConfig::default()).unwrap();
    for key in ["label_flip", "bcr", "zcr", "gradient_penalty", "apa", "feature", "instance", "acgan"] {
        assert!(!text.contains(key), "{key} is in\n{text}");
    }
}

#[test]
fn an_empty_table_switches_on_the_defaults_and_all_survive_a_round_trip() {
    let text = "label_flip = 0.05\nbcr = {}\nzcr = {}\ngradient_penalty = { kind = \"dragan\" }\napa = {}\n\
                feature_matching = {}\ninstance_noise = {}\nacgan = {}";
    let config = parse(text).unwrap();
    let dragan = GradientPenaltyConfig { kind: GradientPenaltyKind::Dragan, ..Default::default() };
    let expected = LossConfig {
        label_flip: Some(0.05),
        bcr: Some(BcrConfig::default()),
        zcr: Some(ZcrConfig::default()),
        gradient_penalty: Some(dragan),
        apa: Some(ApaConfig::default()),
        feature_matching: Some(FeatureMatchingConfig::default()),
        instance_noise: Some(InstanceNoiseConfig::default()),
        acgan: Some(AcganConfig::default()),
        ..LossConfig::default()
    };
    assert_eq!(config, expected);
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
        ("label_flip = 0.5", "loss.label_flip = 0.5: want a probability in [0, 0.5)"),
        ("label_flip = nan", "loss.label_flip = NaN"),
        ("bcr = { real = -1.0 }", "loss.bcr.real = -1: want a finite number from 0 up"),
        ("bcr = { augment = \" \" }", "loss.bcr.augment is empty, so each image would be paired with itself"),
        ("bcr = {}\ncr = { weight = 10.0 }", "loss.bcr beside loss.cr.weight = 10"),
        ("zcr = { noise_std = 0.0 }", "loss.zcr.noise_std = 0: want a finite number above 0"),
        ("zcr = { g_weight = inf }", "loss.zcr.g_weight = inf"),
        ("gradient_penalty = { kind = \"wgan\" }", "unknown variant `wgan`"),
        ("gradient_penalty = { weight = 0.0 }", "loss.gradient_penalty.weight = 0: want a finite number above 0"),
        ("gradient_penalty = { target = -1.0 }", "loss.gradient_penalty.target = -1"),
        ("gradient_penalty = { spread = -0.5 }", "loss.gradient_penalty.spread = -0.5"),
        ("apa = { target = 1.0 }", "loss.apa.target = 1: want a number in (-1, 1)"),
        ("apa = { target = -1.0 }", "loss.apa.target = -1: want a number in (-1, 1)"),
        ("apa = { kimg = 0.0 }", "loss.apa.kimg = 0"),
        ("apa = { interval_steps = 0 }", "loss.apa.interval_steps = 0: want 1 or more"),
        ("feature_matching = { weight = 0.0 }", "loss.feature_matching.weight = 0"),
        ("feature_matching = { only = true }", "unknown field `only`"),
        ("instance_noise = { std0 = -0.1 }", "loss.instance_noise.std0 = -0.1"),
        ("instance_noise = { until_kimg = 0.0 }", "loss.instance_noise.until_kimg = 0"),
        ("acgan = { d_weight = -1.0 }", "loss.acgan.d_weight = -1"),
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
