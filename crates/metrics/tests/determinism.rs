//! Scores are the same bits for every number of threads and every way of batching.
#![allow(clippy::unwrap_used)]

use frugan_metrics::{EvalConfig, Evaluator, Images, Leak, LeakDetector, Network, Scores};
use frugan_nn::{Purpose, Stream};

const SHAPE: [usize; 3] = [3, 16, 16];

fn noise(step: u64, n: usize) -> Vec<u8> {
    let words = Stream::new(5, Purpose::new("test.noise"), step).integers(n * 768, 256);
    words.into_iter().map(|word| word as u8).collect()
}

fn scores(threads: usize, push: usize, batch: usize) -> Scores {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let config = EvalConfig {
            network: Network::Random,
            num_fakes: 120,
            metrics: ["fid", "kid", "prdc", "leak"].map(String::from).to_vec(),
            batch,
            ..EvalConfig::default()
        };
        let (reals, fakes, cut) = (noise(0, 300), noise(1, 120), noise(2, 60));
        let cut: Vec<u8> = cut.iter().enumerate().map(|(i, v)| if i % 16 < 8 { 128 } else { *v }).collect();
        let mut evaluator = Evaluator::open(&config).unwrap();
        let images = |bytes| Images::new(bytes, SHAPE).unwrap();
        evaluator.set_reference(images(&reals), None).unwrap();
        evaluator.set_leak(LeakDetector::calibrate(images(&reals), &[(Leak::Cutout, images(&cut))]).unwrap());
        let mut measurement = evaluator.begin();
        for start in (0..120).step_by(push) {
            measurement.push(images(&fakes).slice(start, push)).unwrap();
        }
        measurement.finish().unwrap()
    })
}

#[test]
fn threads_and_batches_change_no_bit() {
    let one = scores(1, 120, 50);
    assert_eq!(one, scores(2, 120, 50));
    assert_eq!(one, scores(3, 7, 11));
    assert!(one.iter().all(|(name, score)| score.value().is_some_and(f64::is_finite) && !name.starts_with("fid")));
}

#[test]
fn a_wrong_number_of_fakes_is_refused() {
    let config = EvalConfig { network: Network::Random, num_fakes: 20, ..EvalConfig::default() };
    let evaluator = Evaluator::open(&config).unwrap();
    let error = evaluator.evaluate(Images::new(&noise(0, 19), SHAPE).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "evaluation: 19 fakes; eval.num_fakes = 20");
}
