//! Feature networks on the GPU layer, its kernels run by the host, against the CPU's.
#![allow(clippy::unwrap_used, clippy::explicit_write, missing_docs)]

use std::io::Write;

use frugan_autograd::Device;
use frugan_metrics::{EvalConfig, Evaluator, FeatureNetwork, Images, Network};

fn noise(count: usize) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn features_and_scores_on_a_device_are_the_cpu_s() {
    if let Err(error) = Device::Emulated.open() {
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return;
    }
    let pixels = noise(60 * 3 * 64);
    let images = Images::new(&pixels, [3, 8, 8]).unwrap();
    let on = |device: Device| FeatureNetwork::random().unwrap().to_device(&device).unwrap();
    let [cpu, gpu] = [Device::Cpu, Device::Emulated].map(|device| on(device).extract(images).unwrap());
    assert_eq!((cpu.len(), cpu.dims), (gpu.len(), gpu.dims));
    let largest = cpu.pool.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let worst = cpu.pool.iter().zip(&gpu.pool).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5 * largest, "{worst} of {largest}");

    let config =
        EvalConfig { network: Network::Random, num_fakes: 30, metrics: vec!["fid".into()], ..EvalConfig::default() };
    let score = |device: Device| {
        let mut evaluator = Evaluator::open(&config).unwrap().to_device(&device).unwrap();
        evaluator.set_reference(images.slice(0, 30), None).unwrap();
        evaluator.evaluate(images.slice(30, 30)).unwrap()[0].1.value().unwrap()
    };
    let (cpu, gpu) = (score(Device::Cpu), score(Device::Emulated));
    assert!((cpu - gpu).abs() < 1e-3 * cpu, "{cpu} and {gpu}");
}
