//! The leak measure on made-up photographs: what T does to half of them is found in half of them.
#![allow(clippy::unwrap_used)]

use frugan_metrics::{Images, Leak, LeakCounts, LeakDetector, to_uint8_diffaugment};
use frugan_nn::{Purpose, Stream};

const SIDE: usize = 32;
const SHAPE: [usize; 3] = [3, SIDE, SIDE];
const PIXELS: usize = SIDE * SIDE;

/// Smooth gradients with some grain, in [-1, 1]; each image has its own colours.
fn photographs(step: u64, n: usize) -> Vec<f32> {
    let mut stream = Stream::new(1, Purpose::new("test.photographs"), step);
    let mut images = Vec::new();
    for _ in 0..n {
        for _ in 0..3 {
            let [level, dy, dx, wave] = stream.normals(4).try_into().unwrap();
            let grain = stream.normals(PIXELS);
            images.extend((0..PIXELS).map(|i| {
                let (y, x) = ((i / SIDE) as f32 / 16.0 - 1.0, (i % SIDE) as f32 / 16.0 - 1.0);
                let value = 0.25 * level + 0.3 * dy * y + 0.3 * dx * x + 0.2 * (6.0 * wave * (x + y)).sin();
                (value + 0.12 * grain[i]).clamp(-1.0, 1.0)
            }));
        }
    }
    images
}

/// DiffAugment's three operations, one at a time, plainly written.
fn augment(images: &[f32], kind: Leak, step: u64) -> Vec<f32> {
    let mut stream = Stream::new(2, Purpose::new("test.augment"), step);
    let one = |image: &[f32]| -> Vec<f32> {
        match kind {
            Leak::Color => {
                let u = stream.uniforms(3);
                let grey = |at: usize| (0..3).map(|c| image[c * PIXELS + at] + u[0] - 0.5).sum::<f32>() / 3.0;
                let saturated = |i: usize| {
                    let mean = grey(i % PIXELS);
                    (image[i] + u[0] - 0.5 - mean) * 2.0 * u[1] + mean
                };
                let values: Vec<f32> = (0..3 * PIXELS).map(saturated).collect();
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                values.iter().map(|v| (v - mean) * (u[2] + 0.5) + mean).collect()
            }
            Leak::Translation => {
                let shift = stream.integers(2, 9);
                let from = |i: usize, by: u32| (i + by as usize).checked_sub(4).filter(|i| *i < SIDE);
                let value = |i: usize| match (from(i / SIDE % SIDE, shift[0]), from(i % SIDE, shift[1])) {
                    (Some(y), Some(x)) => image[i / PIXELS * PIXELS + y * SIDE + x],
                    _ => 0.0,
                };
                (0..3 * PIXELS).map(value).collect()
            }
            Leak::Cutout => {
                let centre = stream.integers(2, 33);
                let inside = |i: usize, centre: u32| (centre as usize..centre as usize + 16).contains(&(i + 8));
                let cut = |i: usize| inside(i / SIDE % SIDE, centre[0]) && inside(i % SIDE, centre[1]);
                (0..3 * PIXELS).map(|i| if cut(i) { 0.0 } else { image[i] }).collect()
            }
        }
    };
    images.chunks(3 * PIXELS).flat_map(one).collect()
}

fn images(bytes: &[u8]) -> Images<'_> {
    Images::new(bytes, SHAPE).unwrap()
}

fn detector() -> LeakDetector {
    let reals = photographs(0, 600);
    let sets = Leak::ALL.map(|kind| (kind, to_uint8_diffaugment(&augment(&reals, kind, 0))));
    let sets: Vec<_> = sets.iter().map(|(kind, bytes)| (*kind, images(bytes))).collect();
    LeakDetector::calibrate(images(&to_uint8_diffaugment(&reals)), &sets).unwrap()
}

fn leaks(detector: &LeakDetector, samples: &[u8]) -> [f64; 3] {
    let rates = detector.rates(&detector.count(images(samples)).unwrap());
    [0, 1, 2].map(|i| rates[i].1.leak().unwrap())
}

#[test]
fn half_a_leak_reads_as_one_half_and_of_its_own_kind() {
    let detector = detector();
    let clean = photographs(1, 400);
    for (i, kind) in Leak::ALL.into_iter().enumerate() {
        let mut samples = clean.clone();
        let augmented = augment(&clean, kind, 1);
        samples[..augmented.len() / 2].copy_from_slice(&augmented[..augmented.len() / 2]);
        let found = leaks(&detector, &to_uint8_diffaugment(&samples));
        assert!((found[i] - 0.5).abs() < 0.12, "{kind:?}: {found:?}");
        if kind != Leak::Color {
            assert!((0..3).all(|j| j == i || found[j].abs() < 0.15), "{kind:?}: {found:?}");
        }
    }
}

#[test]
fn clean_samples_do_not_leak() {
    let found = leaks(&detector(), &to_uint8_diffaugment(&photographs(2, 400)));
    assert!(found.iter().all(|leak| leak.abs() < 0.1), "{found:?}");
}

#[test]
fn soft_grey_rectangles_count() {
    let clean = photographs(3, 400);
    let grain = Stream::new(3, Purpose::new("test.grain"), 0).normals(clean.len());
    let cut = augment(&clean, Leak::Cutout, 3);
    let soft: Vec<f32> = cut.iter().zip(&grain).map(|(v, g)| if *v == 0.0 { 0.03 * g + 0.02 } else { *v }).collect();
    let found = leaks(&detector(), &to_uint8_diffaugment(&soft));
    assert!(found[2] > 0.6, "{found:?}");
}

#[test]
fn an_untrained_generators_grey_is_no_rectangle() {
    let found = leaks(&detector(), &vec![128; 100 * 3 * PIXELS]);
    assert!(found[1] < 0.05 && found[2] < 0.05, "{found:?}");
}

#[test]
fn traces_that_the_reals_have_too_give_no_number() {
    let reals = to_uint8_diffaugment(&photographs(0, 200));
    let detector = LeakDetector::calibrate(images(&reals), &[(Leak::Cutout, images(&reals))]).unwrap();
    let rates = detector.rates(&detector.count(images(&reals)).unwrap());
    assert_eq!(rates[0].1.leak(), None);
}

#[test]
fn counts_of_batches_add_up() {
    let detector = detector();
    let samples = to_uint8_diffaugment(&augment(&photographs(4, 100), Leak::Cutout, 4));
    let mut sum = LeakCounts::default();
    for start in (0..100).step_by(30) {
        sum.add(&detector.count(images(&samples).slice(start, 30)).unwrap());
    }
    assert_eq!(sum, detector.count(images(&samples)).unwrap());
}
