//! `[augment]` and policy strings: defaults, and what each bad value is told.
#![allow(clippy::unwrap_used)]

use frugan_augment::{AugmentConfig, CrAugment, On, Policy, PolicyError, Transform};

fn parse(text: &str) -> Result<AugmentConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn the_default_is_the_papers_for_biggan() {
    assert_eq!(parse("").unwrap(), AugmentConfig::default());
    assert_eq!(AugmentConfig::default().policy, "translation,cutout");
    assert!(AugmentConfig::default().acts_on_reals());
}

/// The three rows of table 1 below the baseline.
#[test]
fn the_rows_of_table_1() {
    let on = |text: &str| parse(&format!("on = {{ {text} }}")).unwrap().on;
    assert_eq!(on("d_fake = false, g_fake = false"), On { d_real: true, d_fake: false, g_fake: false });
    assert_eq!(on("g_fake = false"), On { d_real: true, d_fake: true, g_fake: false });
    assert_eq!(on(""), On { d_real: true, d_fake: true, g_fake: true });
}

#[test]
fn a_config_survives_a_round_trip() {
    let config = parse("policy = \"color,cutout\"\non = { g_fake = false }").unwrap();
    assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
}

#[test]
fn bad_values_are_told_the_names() {
    for (text, want) in [
        ("policy = \"colour,cutout\"", "there is no transform \"colour\"; did you mean \"color\"?"),
        ("policy = \"translate\"", "did you mean \"translation\"?"),
        (
            "policy = \"rotate90degrees\"",
            "; the names are color, translation, cutout, brightness, saturation, contrast",
        ),
        ("policy = \"color,\"", "a name between two commas is empty"),
        ("polcy = \"color\"", "unknown field `polcy`, expected one of `policy`, `on`, `ada`"),
        ("on = { real = true }", "unknown field `real`"),
        ("on = { d_real = 1 }", "invalid type"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
}

#[test]
fn policies_keep_their_order() {
    use Transform::{Brightness, Contrast, Cutout, Saturation, Translation};
    let policy = Policy::parse(" cutout, color ,translation").unwrap();
    assert_eq!(policy.transforms(), [Cutout, Brightness, Saturation, Contrast, Translation]);
    assert_eq!(policy.to_string(), "cutout,color,translation");
    assert_eq!(policy.to_string().parse(), Ok(policy));
    assert!(Policy::parse("  ").unwrap().is_identity());
    assert!(matches!(Policy::parse("Color"), Err(PolicyError::UnknownName { .. })), "names are lower case");
}

#[test]
fn the_flip_of_consistency_comes_first() {
    assert!(CrAugment::parse("flip,translation").is_ok());
    assert!(CrAugment::parse("flip, cutout").is_ok());
    for bad in ["translation,flip", "flip,", "flip,flip", "flop"] {
        assert!(CrAugment::parse(bad).is_err(), "{bad}");
    }
}
