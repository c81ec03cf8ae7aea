//! LPIPS as a function of images: gradients of both orders, symmetry, dead features, bad weights and bad images.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use frugan_autograd::check::spread;
use frugan_autograd::{GraphMode, Var, grad_of_scalar};
use frugan_metrics::{Lpips, LpipsNet};
use frugan_nn::{Purpose, Stream};

/// He's weights, small biases, non-negative heads.
fn tensors(net: LpipsNet) -> BTreeMap<String, Tensor> {
    let tensor = |(i, (name, shape)): (usize, (String, Vec<usize>))| {
        let (count, fan_in) = (shape.iter().product(), shape[1..].iter().product::<usize>());
        let mut values = Stream::new(1, Purpose::new("test.lpips"), i as u64).normals(count);
        let scale = if name.ends_with("bias") { 0.1 } else { (2.0 / fan_in as f32).sqrt() };
        values.iter_mut().for_each(|value| *value *= scale);
        if name.starts_with("lin") {
            values.iter_mut().for_each(|value| *value = value.abs());
        }
        (name, Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    net.tensors().into_iter().enumerate().map(tensor).collect()
}

fn alexnet() -> Lpips {
    Lpips::from_tensors(LpipsNet::AlexNet, &tensors(LpipsNet::AlexNet)).unwrap()
}

fn images(salt: u64) -> Tensor {
    spread(&[2, 3, 31, 33], -1.0, 1.0, salt).unwrap()
}

#[test]
fn the_gradient_and_its_gradient_agree_with_differences() {
    let lpips = alexnet().to_dtype(DType::F64).unwrap();
    let (x, y, direction) = (images(0), Var::constant(images(1)), images(2));
    let at = |t: f64| Var::leaf((&x + (&direction * t).unwrap()).unwrap());
    let distance = |x: &Var| lpips.distance(x, &y).unwrap().sum().unwrap();
    let slope = |x: &Var, mode| {
        let gradient = grad_of_scalar(&distance(x), &[x], mode).unwrap().remove(0);
        gradient.mul(&Var::constant(direction.clone())).unwrap().sum().unwrap()
    };
    // So short that the difference seldom steps over the edge of a ReLU.
    let h = 1e-7;
    let numeric = (distance(&at(h)).item().unwrap() - distance(&at(-h)).item().unwrap()) / (2.0 * h);
    let exact = slope(&at(0.0), GraphMode::Free).item().unwrap();
    assert!((numeric - exact).abs() < 1e-5 * exact.abs(), "{numeric} {exact}");

    let slope_at = |t: f64| slope(&at(t), GraphMode::Free).item().unwrap();
    let numeric = (slope_at(h) - slope_at(-h)) / (2.0 * h);
    let leaf = at(0.0);
    let gradient = grad_of_scalar(&slope(&leaf, GraphMode::Create), &[&leaf], GraphMode::Free).unwrap().remove(0);
    let exact = gradient.mul(&Var::constant(direction.clone())).unwrap().sum().unwrap().item().unwrap();
    assert!((numeric - exact).abs() < 1e-4 * exact.abs(), "{numeric} {exact}");
}

#[test]
fn it_is_a_symmetric_distance_and_the_points_of_embed_keep_it() {
    let lpips = alexnet();
    let f32s = |salt| Var::constant(images(salt).to_dtype(DType::F32).unwrap());
    let (a, b) = (f32s(0), f32s(1));
    let there = lpips.distance(&a, &b).unwrap().to_vec::<f32>().unwrap();
    let back = lpips.distance(&b, &a).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(there, back);
    assert_eq!(lpips.distance(&a, &a).unwrap().to_vec::<f32>().unwrap(), [0.0, 0.0]);
    let gap = lpips.embed(&a).unwrap().sub(&lpips.embed(&b).unwrap()).unwrap();
    let squares = gap.square().unwrap().sum_keep(&[1]).unwrap().to_vec::<f32>().unwrap();
    for (distance, square) in there.iter().zip(squares) {
        assert!(*distance > 0.0 && (distance - square).abs() < 1e-5 * distance, "{distance} {square}");
    }
}

#[test]
fn a_grey_image_stands_for_three_equal_channels() {
    let lpips = alexnet();
    let grey = |salt| Var::constant(spread(&[1, 1, 31, 31], -1.0, 1.0, salt).unwrap().to_dtype(DType::F32).unwrap());
    let (a, b) = (grey(0), grey(1));
    let thrice = |x: &Var| x.broadcast_to(&[1, 3, 31, 31]).unwrap();
    let one = lpips.distance(&a, &b).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(one, lpips.distance(&thrice(&a), &thrice(&b)).unwrap().to_vec::<f32>().unwrap());
}

#[test]
fn where_all_features_are_dead_the_gradients_stay_finite() {
    let mut tensors = tensors(LpipsNet::AlexNet);
    let dead = Tensor::full(-100_f32, 64, &Device::Cpu).unwrap();
    tensors.insert("conv0.bias".into(), dead);
    let lpips = Lpips::from_tensors(LpipsNet::AlexNet, &tensors).unwrap();
    let x = Var::leaf(images(0).to_dtype(DType::F32).unwrap());
    let distance = lpips.distance(&x, &Var::constant(images(1).to_dtype(DType::F32).unwrap())).unwrap().sum().unwrap();
    let gradient = grad_of_scalar(&distance, &[&x], GraphMode::Create).unwrap().remove(0);
    let penalty = gradient.square().unwrap().sum().unwrap();
    let second = grad_of_scalar(&penalty, &[&x], GraphMode::Free).unwrap().remove(0);
    for values in [gradient.to_vec::<f32>().unwrap(), second.to_vec::<f32>().unwrap()] {
        assert!(values.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn a_file_is_read_back_and_says_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lpips-alexnet.safetensors");
    let all: HashMap<String, Tensor> = tensors(LpipsNet::AlexNet).into_iter().collect();
    candle_core::safetensors::save(&all, &file).unwrap();
    let lpips = Lpips::open(LpipsNet::AlexNet, Some(folder.path())).unwrap();
    assert_eq!((lpips.net(), lpips.source()), (LpipsNet::AlexNet, file.display().to_string().as_str()));
    let grey = Var::constant(images(0).to_dtype(DType::F32).unwrap());
    let other = Var::constant(images(1).to_dtype(DType::F32).unwrap());
    let values = |lpips: &Lpips| lpips.distance(&grey, &other).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(values(&lpips), values(&alexnet()));
    let error = Lpips::read(LpipsNet::Vgg16, &file).unwrap_err().to_string();
    assert!(error.starts_with(&file.display().to_string()), "{error}");
    std::fs::write(&file, &std::fs::read(&file).unwrap()[..1000]).unwrap();
    let error = Lpips::read(LpipsNet::AlexNet, &file).unwrap_err().to_string();
    assert!(error.contains("cannot be read as safetensors"), "{error}");
}

#[test]
fn weights_of_another_network_are_named() {
    let error = |change: &dyn Fn(&mut BTreeMap<String, Tensor>)| {
        let mut tensors = tensors(LpipsNet::AlexNet);
        change(&mut tensors);
        Lpips::from_tensors(LpipsNet::AlexNet, &tensors).unwrap_err().to_string()
    };
    let filled = |value: f32, shape: &[usize]| Tensor::full(value, shape, &Device::Cpu).unwrap();
    let missing = error(&|tensors| drop(tensors.remove("conv3.bias")));
    assert!(missing.contains("has no tensor conv3.bias") && missing.contains("cargo xtask assets lpips"), "{missing}");
    let other = error(&|tensors| drop(tensors.insert("conv1.weight".into(), filled(0.0, &[192, 64, 3, 3]))));
    assert!(other.contains("conv1.weight is [192, 64, 3, 3], expected [192, 64, 5, 5]"), "{other}");
    let foreign = error(&|tensors| drop(tensors.insert("fc6.weight".into(), filled(0.0, &[1]))));
    assert!(foreign.contains("holds fc6.weight, which is no tensor of LPIPS v0.1 on alexnet"), "{foreign}");
    for bad in [-0.5, f32::NAN] {
        let head = error(&|tensors| drop(tensors.insert("lin2.weight".into(), filled(bad, &[1, 384, 1, 1]))));
        assert!(head.contains("lin2.weight holds") && head.contains("no value below 0"), "{head}");
    }
}

#[test]
fn images_that_do_not_fit_are_named() {
    let lpips = alexnet();
    let zeros = |shape: &[usize], dtype| Var::zeros(shape, dtype, &frugan_autograd::Device::Cpu).unwrap();
    let error = |a: &Var, b: &Var| lpips.distance(a, b).unwrap_err().to_string();
    let small = zeros(&[1, 3, 30, 31], DType::F32);
    assert!(error(&small, &small).contains("3x30x31 images; alexnet takes 1 or 3 channels and sides of at least 31"));
    let (one, two) = (zeros(&[1, 3, 31, 31], DType::F32), zeros(&[2, 3, 31, 31], DType::F32));
    assert!(error(&one, &two).contains("[1, 3, 31, 31] against [2, 3, 31, 31]"));
    let double = zeros(&[1, 3, 31, 31], DType::F64);
    assert!(error(&double, &double).contains("Lpips::to_dtype"));
}
