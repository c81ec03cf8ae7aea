//! p over a run: what moves it, where it stops, and that a resumed run goes on bit for bit.
#![allow(clippy::unwrap_used)]

use frugan_augment::ada::{AdaConfig, Controller, ControllerKind, PMax, Source, Update};

fn controller(config: AdaConfig) -> Controller {
    Controller::new(&config).unwrap()
}

/// Iterations with the same outputs of D until p satisfies `done`: how many images that took.
fn images_until(controller: &mut Controller, batch: usize, logit: f32, done: impl Fn(f64) -> bool) -> usize {
    for iteration in 1.. {
        controller.observe(Source::Real, &vec![logit; batch]);
        if controller.end_iteration(batch).is_some_and(|update| done(update.p)) {
            return iteration * batch;
        }
    }
    unreachable!("the loop has no end")
}

#[test]
fn p_reaches_1_at_the_first_update_after_500_000_images() {
    assert_eq!(images_until(&mut controller(AdaConfig::default()), 64, 1.0, |p| p >= 1.0), 500_224);
    // Where 500,000 images are a whole number of updates p is exactly 1 then: sums of 0.0004 would not be.
    let mut unbounded = controller(AdaConfig { p_max: PMax::None, ..AdaConfig::default() });
    assert_eq!(images_until(&mut unbounded, 50, 1.0, |p| p >= 1.0), 500_000);
    assert_eq!(unbounded.p(), 1.0);
    assert_eq!(images_until(&mut unbounded, 50, 1.0, |p| p > 1.0), 200);
}

#[test]
fn p_stays_within_its_bounds() {
    let mut bounded = controller(AdaConfig { p_max: PMax::At(0.002), kimg: 100.0, ..AdaConfig::default() });
    assert_eq!(images_until(&mut bounded, 64, 1.0, |p| p == 0.002), 256);
    assert_eq!(images_until(&mut bounded, 64, -1.0, |p| p == 0.0), 256);
    assert_eq!(images_until(&mut bounded, 64, -1.0, |p| p == 0.0), 256);
}

#[test]
fn what_moves_p() {
    // A mean sign on target, above it, below it; an output of exactly 0 has no sign.
    for (logits, want) in [
        (vec![1.0, 1.0, 1.0, 1.0, -1.0], 0.5),
        (vec![2.0, 2.0, 2.0, 2.0, 0.0], 0.5 + 0.04),
        (vec![0.0; 5], 0.5 - 0.04),
        (vec![-0.0, -3.0, 9.0, 9.0, 9.0], 0.5 - 0.04),
    ] {
        let mut controller = controller(AdaConfig { p: 0.5, kimg: 0.5, ..AdaConfig::default() });
        controller.observe(Source::Fake, &[-1.0; 50]);
        for _ in 0..4 {
            controller.observe(Source::Real, &logits);
            controller.end_iteration(5);
        }
        assert!((controller.p() - want).abs() < 1e-12, "{logits:?}: {}", controller.p());
    }
}

#[test]
fn without_outputs_p_stays() {
    for kind in [ControllerKind::Rt, ControllerKind::Rv] {
        let config = AdaConfig { controller: kind, p: 0.25, interval: 1, ..AdaConfig::default() };
        let mut controller = controller(config);
        controller.observe(Source::Fake, &[1.0]);
        assert_eq!(controller.end_iteration(64), Some(Update { statistic: None, p: 0.25 }));
    }
}

#[test]
fn a_fixed_p_stays() {
    let mut fixed = controller(AdaConfig { controller: ControllerKind::Fixed, p: 0.3, ..AdaConfig::default() });
    for _ in 0..8 {
        fixed.observe(Source::Real, &[1.0; 64]);
        assert_eq!(fixed.end_iteration(64), None);
    }
    assert_eq!(fixed.p(), 0.3);
}

/// Stopped anywhere between two updates, with sums that are no round numbers.
#[test]
fn a_resumed_run_is_the_unbroken_one() {
    let config = AdaConfig { controller: ControllerKind::Rv, kimg: 1.0, p: 0.1, ..AdaConfig::default() };
    let step = |controller: &mut Controller, i: u32| {
        let logit = |k: u32| ((i * 37 + k * 11) % 17) as f32 / 7.0 - 1.0;
        controller.observe(Source::Real, &[logit(0) + 1.0, logit(1)]);
        controller.observe(Source::Fake, &[logit(2), logit(3) - 1.0]);
        controller.observe(Source::HeldOut, &[logit(4)]);
        controller.end_iteration(2)
    };
    let mut unbroken = controller(config.clone());
    let whole: Vec<_> = (0..60).map(|i| step(&mut unbroken, i)).collect();
    assert!(whole.iter().flatten().any(|update| update.p > 0.1) && whole.iter().flatten().any(|update| update.p < 0.1));
    for stop in [1, 7, 30, 59] {
        let mut first = controller(config.clone());
        let mut updates: Vec<_> = (0..stop).map(|i| step(&mut first, i)).collect();
        let text = serde_json::to_string(&first.state()).unwrap();
        let mut resumed = controller(config.clone());
        resumed.load_state(serde_json::from_str(&text).unwrap());
        updates.extend((stop..60).map(|i| step(&mut resumed, i)));
        assert_eq!(updates, whole, "stopped at {stop}");
        assert_eq!(resumed, unbroken, "stopped at {stop}");
    }
}
