//! Weights files: whole, partial, and of other networks.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use frugan_metrics::inception::{Inception, Weights};
use frugan_metrics::{EvalConfig, Evaluator, FeatureNetwork, Images, Tap};

type Tensors = BTreeMap<String, Tensor>;

fn conv(tensors: &mut Tensors, name: &str, shape: [usize; 4]) {
    let filled = |value: f32, dims: &[usize]| Tensor::full(value, dims, &Device::Cpu).unwrap();
    tensors.insert(format!("{name}.conv.weight"), filled(0.01, &shape));
    for (part, value) in [("weight", 1.0), ("bias", 0.1), ("running_mean", 0.0), ("running_var", 1.0)] {
        tensors.insert(format!("{name}.bn.{part}"), filled(value, &shape[..1]));
    }
    let counter = Tensor::zeros((), DType::I64, &Device::Cpu).unwrap();
    tensors.insert(format!("{name}.bn.num_batches_tracked"), counter);
}

/// The stem up to the first or the second max pooling.
fn stem(layers: usize) -> Tensors {
    let all = [
        ("Conv2d_1a_3x3", [32, 3, 3, 3]),
        ("Conv2d_2a_3x3", [32, 32, 3, 3]),
        ("Conv2d_2b_3x3", [64, 32, 3, 3]),
        ("Conv2d_3b_1x1", [80, 64, 1, 1]),
        ("Conv2d_4a_3x3", [192, 80, 3, 3]),
    ];
    let mut tensors = Tensors::new();
    all[..layers].iter().for_each(|(name, shape)| conv(&mut tensors, name, *shape));
    tensors
}

fn error(tensors: Tensors) -> String {
    Inception::new(&Weights::from_tensors(tensors)).unwrap_err().to_string()
}

fn saved(tensors: Tensors) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().suffix(".safetensors").tempfile().unwrap();
    candle_core::safetensors::save(&tensors.into_iter().collect::<HashMap<_, _>>(), file.path()).unwrap();
    file
}

#[test]
fn a_partial_file_gives_its_last_tap_and_its_own_names() {
    for (layers, tap, name) in [(3, Tap::Mean64, "fid64_10_test"), (5, Tap::Mean192, "fid192_10_test")] {
        let file = saved(stem(layers));
        let config = EvalConfig {
            weights: Some(file.path().to_path_buf()),
            num_fakes: 10,
            metrics: vec!["fid".into(), "is".into()],
            ..EvalConfig::default()
        };
        let evaluator = Evaluator::open(&config).unwrap();
        assert_eq!(evaluator.network().tap(), tap);
        assert_eq!(evaluator.protocol().fid(), name);
    }
}

#[test]
fn a_partial_network_has_no_inception_score() {
    let file = saved(stem(3));
    let config = EvalConfig {
        weights: Some(file.path().to_path_buf()),
        num_fakes: 10,
        metrics: vec!["is".into()],
        ..EvalConfig::default()
    };
    let pixels: Vec<u8> = (0..10 * 12).map(|i| (i * 37 % 256) as u8).collect();
    let scores = Evaluator::open(&config).unwrap().evaluate(Images::new(&pixels, [3, 2, 2]).unwrap()).unwrap();
    let shown = scores[0].1.to_string();
    assert_eq!(scores[0].0, "is10");
    assert!(shown.starts_with("n/a (no logits") && shown.contains("cargo xtask assets inception"), "{shown}");
}

#[test]
fn a_missing_tensor_is_named() {
    let mut tensors = stem(5);
    tensors.remove("Conv2d_4a_3x3.bn.running_var");
    assert!(error(tensors).contains("has no tensor Conv2d_4a_3x3.bn.running_var"));
    let mut tensors = stem(5);
    conv(&mut tensors, "Mixed_5b.branch1x1", [64, 192, 1, 1]);
    assert!(error(tensors).contains("has no tensor Mixed_5b.branch5x5_1.conv.weight"));
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let mut tensors = stem(3);
    conv(&mut tensors, "Conv2d_2a_3x3", [32, 32, 5, 5]);
    let error = error(tensors);
    assert!(error.contains("Conv2d_2a_3x3.conv.weight is [32, 32, 5, 5], expected [32, 32, 3, 3]"), "{error}");
}

#[test]
fn other_networks_are_refused() {
    let mut torchvision = stem(5);
    conv(&mut torchvision, "AuxLogits.conv0", [128, 768, 1, 1]);
    assert!(error(torchvision).contains("torchvision's Inception-v3"));
    let mut vgg = Tensors::new();
    conv(&mut vgg, "features.0", [64, 3, 3, 3]);
    let error = error(vgg);
    assert!(error.contains("features.0") && error.contains("another network"), "{error}");
}

#[test]
fn damaged_files_are_errors() {
    let file = saved(stem(3));
    let whole = std::fs::read(file.path()).unwrap();
    for content in [&whole[..whole.len() / 2], b"PK\x03\x04 no zip", b"", b"<html>"] {
        std::fs::write(file.path(), content).unwrap();
        let error = FeatureNetwork::inception(file.path()).unwrap_err().to_string();
        assert!(error.starts_with(&file.path().display().to_string()), "{error}");
    }
}
