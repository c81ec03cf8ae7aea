//! `[augment.ada]` and pipes: defaults, and what each bad value is told.
#![allow(clippy::unwrap_used)]

use frugan_augment::ada::{AdaConfig, ControllerKind, PMax, Pipe, PipeError, Step, Transform};
use frugan_augment::{AugmentConfig, Augmentation};

fn parse(text: &str) -> Result<AugmentConfig, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn ada(text: &str) -> Result<AdaConfig, String> {
    parse(&format!("[ada]\n{text}")).map(|config| config.ada.unwrap())
}

#[test]
fn the_defaults_are_the_papers() {
    let config = ada("").unwrap();
    assert_eq!(config, AdaConfig::default());
    assert_eq!((config.pipe.as_str(), config.controller, config.target()), ("bgc", ControllerKind::Rt, 0.6));
    assert_eq!((config.kimg, config.interval, config.p), (500.0, 4, 0.0));
    assert_eq!(ada("controller = \"rv\"").unwrap().target(), 0.5);
    assert_eq!(ada("controller = \"rv\"\ntarget = 0.4").unwrap().target(), 0.4);
}

/// Without ADA a config is written as it was before there was ADA.
#[test]
fn an_absent_table_leaves_no_trace() {
    let text = toml::to_string(&AugmentConfig::default()).unwrap();
    assert_eq!(text, "policy = \"translation,cutout\"\n\n[on]\nd_real = true\nd_fake = true\ng_fake = true\n");
}

#[test]
fn a_config_survives_a_round_trip() {
    for text in ["", "p_max = \"none\"", "pipe = \"bg,cutout:0.5\"\np = 1\np_max = 2\nexact_blit = true\ntarget = 0.55"]
    {
        let config = AugmentConfig { ada: Some(ada(text).unwrap()), ..AugmentConfig::default() };
        assert_eq!(parse(&toml::to_string(&config).unwrap()).unwrap(), config);
    }
    assert_eq!(ada("p_max = 2").unwrap().p_max, PMax::At(2.0));
    assert_eq!(ada("p_max = \"none\"").unwrap().p_max, PMax::None);
}

#[test]
fn bad_values_are_told_what_is_wanted() {
    for (text, want) in [
        ("pipe = \"colour\"", "there is no transform \"colour\"; did you mean \"color\"?"),
        ("pipe = \"bgc,rotat\"", "did you mean \"rotate\"?"),
        ("pipe = \"translation\"", "; the names are blit, geom, color, filter, bg, bgc, bgcf, bgcfn, bgcfnc, xflip,"),
        ("pipe = \"\"", "a name is empty"),
        ("pipe = \"hue:-1\"", "the strength of hue is \"-1\": want a number from 0 up, such as hue:0.5"),
        ("pipe = \"hue:x\"", "the strength of hue is \"x\""),
        ("controller = \"r_t\"", "unknown variant `r_t`, expected one of `rt`, `rv`, `fixed`"),
        ("p_max = \"never\"", "a number or \"none\""),
        ("kmg = 1", "unknown field `kmg`"),
    ] {
        let error = ada(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    for (text, want) in [
        ("p = -0.1", "augment.ada.p = -0.1: want a finite number from 0 up"),
        ("p = inf", "augment.ada.p = inf"),
        ("target = 1.5", "augment.ada.target = 1.5: want a number in [-1, 1]"),
        ("kimg = 0", "augment.ada.kimg = 0"),
        ("interval = 0", "augment.ada.interval = 0: want 1 or more"),
        ("p_max = 0", "augment.ada.p_max = 0: want a finite number above 0, or none"),
        ("p = 0.9\np_max = 0.8", "augment.ada.p = 0.9 is above augment.ada.p_max = 0.8"),
        ("controller = \"fixed\"\ntarget = 0.6", "augment.ada.target = 0.6 has no effect on controller = \"fixed\""),
    ] {
        let config = AugmentConfig { ada: Some(ada(text).unwrap()), ..AugmentConfig::default() };
        assert_eq!(
            config.check().unwrap_err().to_string().split_once(want).map(|(before, _)| before),
            Some(""),
            "{text}"
        );
    }
}

#[test]
fn sets_and_strengths() {
    let names = |pipe: &str| Pipe::parse(pipe).unwrap().steps(3).map(Step::name).collect::<Vec<_>>().join(",");
    assert_eq!(names("blit"), "xflip,rotate90,xint");
    assert_eq!(names("geom"), "scale,prerot,aniso,postrot,xfrac");
    assert_eq!(names("color"), "brightness,contrast,lumaflip,hue,saturation");
    assert_eq!(names("filter"), names("imgfilter"));
    assert_eq!(names("bg"), names("geom,blit"));
    assert_eq!(names("bgc"), names("bg,color"));
    assert_eq!(names("bgcfnc"), names("bgc,filter,noise,cutout"));
    assert_eq!(names("bgcfn"), names("bgcfnc,cutout:0"));
    let pipe = Pipe::parse(" bgc , hue : 0.25,xflip:1 ").unwrap();
    assert_eq!(pipe.to_string(), "bgc,hue:0.25,xflip");
    assert_eq!(pipe.to_string().parse(), Ok(pipe.clone()));
    assert_eq!(pipe.strength(Transform::Hue), 0.25);
    assert!(matches!(Pipe::parse("BGC"), Err(PipeError::UnknownName { .. })), "names are lower case");
}

#[test]
fn what_acts() {
    let none = parse("policy = \"\"").unwrap();
    assert!(Augmentation::new(&none).unwrap().is_identity());
    let fixed = |p| AdaConfig { controller: ControllerKind::Fixed, p, ..AdaConfig::default() };
    for (ada, acts) in [(fixed(0.0), false), (fixed(0.1), true), (AdaConfig::default(), true)] {
        let config = AugmentConfig { ada: Some(ada), ..none.clone() };
        assert_eq!((config.acts(), config.acts_on_reals()), (acts, acts));
        assert_eq!(Augmentation::new(&config).unwrap().is_identity(), !acts);
    }
}
