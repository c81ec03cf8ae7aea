//! Inception's first layers with rounded factors, and images resized on the device, against the CPU's.
#![allow(clippy::unwrap_used, clippy::explicit_write, missing_docs)]

use std::collections::{BTreeMap, HashMap};
use std::io::Write;

use candle_core::Tensor;
use frugan_autograd::Device;
use frugan_metrics::inception::{prepare, prepare_on};
use frugan_metrics::{FeatureCache, FeatureNetwork, Images};
use frugan_nn::{Precision, Purpose, Stream};

fn no_emulator() -> bool {
    let error = Device::Emulated.open().err();
    if let Some(error) = &error {
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
    }
    error.is_some()
}

/// Drawn weights up to the first max pooling, as a file.
fn stem() -> tempfile::NamedTempFile {
    let mut tensors = BTreeMap::new();
    let layers =
        [("Conv2d_1a_3x3", [32, 3, 3, 3]), ("Conv2d_2a_3x3", [32, 32, 3, 3]), ("Conv2d_2b_3x3", [64, 32, 3, 3])];
    for (i, (name, shape)) in layers.into_iter().enumerate() {
        let fan_in: usize = shape[1..].iter().product();
        let mut stream = Stream::new(3, Purpose::new("metrics.test"), i as u64);
        let weights = stream.normals(shape[0] * fan_in);
        let weights: Vec<f32> = weights.iter().map(|w| w * (2.0 / fan_in as f32).sqrt()).collect();
        tensors.insert(
            format!("{name}.conv.weight"),
            Tensor::from_vec(weights, &shape, &candle_core::Device::Cpu).unwrap(),
        );
        for (part, value) in [("weight", 1.0_f32), ("bias", 0.1), ("running_mean", 0.0), ("running_var", 1.0)] {
            let filled = Tensor::full(value, shape[0], &candle_core::Device::Cpu).unwrap();
            tensors.insert(format!("{name}.bn.{part}"), filled);
        }
    }
    let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
    candle_core::safetensors::save(&tensors.into_iter().collect::<HashMap<_, _>>(), file.path()).unwrap();
    file
}

fn pixels(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * i * 31 % 251) as u8).collect()
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn features_in_each_precision_are_a_gpu_s() {
    if no_emulator() {
        return;
    }
    let file = stem();
    let pixels = pixels(2 * 3 * 8 * 8);
    let images = Images::new(&pixels, [3, 8, 8]).unwrap();
    let of = |device: Device, precision: Precision| {
        let network = FeatureNetwork::inception(file.path()).unwrap().in_precision(precision).unwrap();
        network.to_device(&device).unwrap().extract(images).unwrap().pool
    };
    let exact = of(Device::Cpu, Precision::F32);
    let (tf32, bf16) = (of(Device::Cpu, Precision::Tf32), of(Device::Cpu, Precision::Bf16));
    let size = apart(&exact, &vec![0.0; exact.len()]);
    let (by_tf32, by_bf16) = (apart(&tf32, &exact) / size, apart(&bf16, &exact) / size);
    assert!(0.0 < by_tf32 && by_tf32 < by_bf16 / 4.0 && by_bf16 < 0.02, "{by_tf32} and {by_bf16}");
    let there = of(Device::Emulated, Precision::F32);
    assert!(apart(&there, &exact) < 1e-6 * size, "{}", apart(&there, &exact) / size);
    let there = of(Device::Emulated, Precision::Bf16);
    assert!(apart(&there, &bf16) < 0.1 * apart(&bf16, &exact), "{}", apart(&there, &bf16) / size / by_bf16);
}

#[test]
fn a_device_resizes_as_the_cpu_does() {
    if no_emulator() {
        return;
    }
    for shape in [[3, 32, 32], [1, 5, 7], [3, 299, 299], [3, 1, 300], [3, 301, 300]] {
        let pixels = pixels(2 * shape.iter().product::<usize>());
        let images = Images::new(&pixels, shape).unwrap();
        let (want, got) = (prepare(images).unwrap(), prepare_on(images, &Device::Emulated).unwrap());
        assert_eq!((want.dims(), got.device()), (got.dims(), Device::Emulated));
        let (want, got) = (want.to_vec::<f32>().unwrap(), got.to_vec::<f32>().unwrap());
        let worst = want.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{shape:?}: {worst}");
    }
}

#[test]
fn a_rounded_network_has_its_own_name_and_its_own_cached_features() {
    let file = stem();
    let whole = FeatureNetwork::inception(file.path()).unwrap();
    let rounded = FeatureNetwork::inception(file.path()).unwrap().in_precision(Precision::Bf16).unwrap();
    assert_eq!(rounded.source(), format!("{} in bf16", whole.source()));
    let folder = tempfile::tempdir().unwrap();
    let (cache, pixels) = (FeatureCache::new(folder.path()), pixels(3 * 8 * 8));
    let images = Images::new(&pixels, [3, 8, 8]).unwrap();
    let [a, b] = [&whole, &rounded].map(|network| cache.features(network, images).unwrap());
    assert_ne!(a, b);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    assert_eq!([&whole, &rounded].map(|network| cache.features(network, images).unwrap()), [a, b]);
}
