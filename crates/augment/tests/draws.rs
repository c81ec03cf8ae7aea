//! Draws: their ranges and laws, and that nothing but seed, purpose and step decides them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use frugan_augment::{CrAugment, Draw, Draws, DrawsError, Policy};
use frugan_nn::{Purpose, Stream};

const N: usize = 40_000;

fn stream(step: u64) -> Stream {
    Stream::new(11, Purpose::new("test.augment"), step)
}

fn draw(policy: &str, height: usize, width: usize) -> Vec<Draw> {
    Policy::parse(policy).unwrap().draw(N, height, width, &mut stream(0)).as_slice().to_vec()
}

/// Every value of low..=high occurs, none else, each as often as chance allows (chi squared, 5 standard deviations).
fn assert_uniform(values: &[i32], low: i32, high: i32) {
    let mut counts: BTreeMap<i32, f64> = (low..=high).map(|v| (v, 0.0)).collect();
    for value in values {
        *counts.get_mut(value).unwrap_or_else(|| panic!("{value} is not in {low}..={high}")) += 1.0;
    }
    let expected = values.len() as f64 / counts.len() as f64;
    let chi_squared: f64 = counts.values().map(|count| (count - expected).powi(2) / expected).sum();
    let freedom = (counts.len() - 1) as f64;
    assert!(chi_squared <= freedom + 5.0 * (2.0 * freedom).sqrt(), "{chi_squared} of {freedom}: {counts:?}");
}

fn correlation(a: &[i32], b: &[i32]) -> f64 {
    let mean = |v: &[i32]| v.iter().map(|x| f64::from(*x)).sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let product = |x: &[i32], mx: f64, y: &[i32], my: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (f64::from(*x) - mx) * (f64::from(*y) - my)).sum()
    };
    product(a, ma, b, mb) / (product(a, ma, a, ma) * product(b, mb, b, mb)).sqrt()
}

#[test]
fn translation_has_nine_values_at_32_pixels() {
    // (side, s): an eighth, rounded half up.
    for (side, s) in [(32, 4), (13, 2), (18, 2), (28, 4), (4, 1), (3, 0), (1, 0)] {
        let draws = draw("translation", side, 32);
        let [Draw::Translation { tx, ty }] = &draws[..] else { panic!("{draws:?}") };
        assert_uniform(tx, -s, s);
        assert_uniform(ty, -4, 4);
    }
}

#[test]
fn cutout_has_33_centres_at_32_pixels() {
    // (side, highest centre): an even rectangle has one more.
    for (side, highest) in [(32, 32), (13, 12), (18, 17), (9, 8), (8, 8), (2, 1), (1, 0)] {
        let draws = draw("cutout", 32, side);
        let [Draw::Cutout { ox, oy }] = &draws[..] else { panic!("{draws:?}") };
        assert_uniform(ox, 0, 32);
        assert_uniform(oy, 0, highest);
    }
}

#[test]
fn rows_and_columns_and_transforms_do_not_hang_together() {
    let draws = draw("translation,cutout", 32, 32);
    let [Draw::Translation { tx, ty }, Draw::Cutout { ox, oy }] = &draws[..] else { panic!("{draws:?}") };
    for (a, b) in [(tx, ty), (ox, oy), (tx, ox), (ty, oy)] {
        assert!(correlation(a, b).abs() < 5.0 / (N as f64).sqrt());
    }
}

#[test]
fn color_draws_are_uniform() {
    for draw in draw("color", 8, 8) {
        let (Draw::Brightness { u } | Draw::Saturation { u } | Draw::Contrast { u }) = draw else { panic!("{draw:?}") };
        assert!(u.iter().all(|u| (0.0..1.0).contains(u)));
        assert_uniform(&u.iter().map(|u| (u * 16.0) as i32).collect::<Vec<_>>(), 0, 15);
    }
}

#[test]
fn draws_are_taken_in_the_order_of_the_policy() {
    let mut by_hand = stream(0);
    let drawn = Policy::parse("cutout,brightness,translation").unwrap().draw(3, 32, 32, &mut stream(0));
    let offset = |draws: Vec<u32>, low: i32| draws.into_iter().map(|v| v as i32 + low).collect::<Vec<_>>();
    let ox = offset(by_hand.integers(3, 33), 0);
    let oy = offset(by_hand.integers(3, 33), 0);
    let u = by_hand.uniforms(3);
    let tx = offset(by_hand.integers(3, 9), -4);
    let ty = offset(by_hand.integers(3, 9), -4);
    let expected = [Draw::Cutout { ox, oy }, Draw::Brightness { u }, Draw::Translation { tx, ty }];
    assert_eq!(drawn.as_slice(), expected);
}

#[test]
fn a_step_decides_its_draws() {
    let policy = Policy::parse("color,translation,cutout").unwrap();
    let at = |step| policy.draw(5, 32, 32, &mut stream(step));
    assert_eq!(at(3), at(3));
    assert_ne!(at(3), at(4));
}

#[test]
fn coins_come_before_the_translation() {
    let draws = CrAugment::parse("flip,translation").unwrap().draw(4, 32, 32, &mut stream(0));
    let mut by_hand = stream(0);
    let coins: Vec<bool> = by_hand.integers(4, 2).into_iter().map(|coin| coin > 0).collect();
    assert_eq!(draws.flip, coins);
    assert_eq!(draws.draws, Policy::parse("translation").unwrap().draw(4, 32, 32, &mut by_hand));
}

#[test]
fn a_part_of_a_batch_keeps_its_draws() {
    let draws = Policy::parse("color,translation,cutout").unwrap().draw(6, 32, 32, &mut stream(0));
    let part = draws.narrow(2, 3);
    assert_eq!(part.len(), 3);
    for (whole, part) in draws.as_slice().iter().zip(part.as_slice()) {
        match (whole, part) {
            (Draw::Translation { tx, .. }, Draw::Translation { tx: part, .. }) => assert_eq!(tx[2..5], part[..]),
            (Draw::Cutout { oy, .. }, Draw::Cutout { oy: part, .. }) => assert_eq!(oy[2..5], part[..]),
            (Draw::Contrast { u }, Draw::Contrast { u: part }) => assert_eq!(u[2..5], part[..]),
            _ => assert_eq!(whole.transform(), part.transform()),
        }
    }
}

#[test]
fn lists_of_different_length_are_refused() {
    let color = Draw::Brightness { u: vec![0.1, 0.2] };
    let ragged = Draws::new(vec![color.clone(), Draw::Translation { tx: vec![0, 1], ty: vec![0] }]);
    assert_eq!(ragged, Err(DrawsError::Ragged { name: "translation.ty", given: 1, expected: 2 }));
    let ragged = Draws::new(vec![color, Draw::Contrast { u: vec![0.5; 3] }]);
    assert_eq!(
        ragged.unwrap_err().to_string(),
        "draws: contrast.u has 3 values, the first list has 2: give one value a sample"
    );
}
