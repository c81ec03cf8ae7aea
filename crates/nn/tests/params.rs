//! Names, first values, strict loading.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{DType, Device, Tensor};
use frugan_nn::{
    Builder, Conv2d, Conv2dShape, Init, Kind, LayerOptions, LoadError, Metadata, Params, Purpose, SpectralNormOptions,
    from_safetensors, to_safetensors,
};

fn network(seed: u64, outputs: usize) -> Params {
    let builder = Builder::new(seed, Purpose::new("init.test"), DType::F32, &Device::Cpu);
    let layer = LayerOptions { spectral: Some(SpectralNormOptions::default()), ..Default::default() };
    for i in 0..2 {
        Conv2d::new(&builder.at("blocks").at(i), Conv2dShape::same(3, outputs, 3), &layer).unwrap();
    }
    builder.weight("gamma", &[], Init::ZEROS).unwrap();
    builder.finish()
}

fn values(params: &Params, name: &str) -> Vec<f32> {
    params.get(name).unwrap().to_vec().unwrap()
}

#[test]
fn names_follow_module_order() {
    let params = network(0, 5);
    let names: Vec<&str> = params.iter().map(|(name, ..)| name).collect();
    let block = |i: usize| ["weight", "bias", "u0", "sv0"].map(|n| format!("blocks.{i}.{n}"));
    let want: Vec<String> = block(0).into_iter().chain(block(1)).chain(["gamma".to_string()]).collect();
    assert_eq!(names, want);
    assert_eq!(params.count_weights(), 2 * (5 * 27 + 5) + 1);
    let buffers: Vec<&str> =
        params.iter().filter(|(_, kind, _)| *kind == Kind::Buffer).map(|(name, ..)| name).collect();
    assert_eq!(buffers, ["blocks.0.u0", "blocks.0.sv0", "blocks.1.u0", "blocks.1.sv0"]);
    assert!(params.weights().iter().all(|w| w.requires_grad()));
    assert!(!params.get("blocks.0.u0").unwrap().requires_grad());
}

#[test]
fn first_values_depend_on_seed_and_place_only() {
    let (a, b, other) = (network(1, 5), network(1, 5), network(2, 5));
    for (name, _, _) in a.iter() {
        assert_eq!(values(&a, name), values(&b, name));
    }
    assert_ne!(values(&a, "blocks.0.weight"), values(&other, "blocks.0.weight"));
    assert_ne!(values(&a, "blocks.0.weight"), values(&a, "blocks.1.weight"));
    // N02 weights, and biases within 1 / sqrt(27) as torch draws them.
    let weights = values(&a, "blocks.0.weight");
    let deviation = (weights.iter().map(|w| w * w).sum::<f32>() / weights.len() as f32).sqrt();
    assert!((0.015..0.025).contains(&deviation), "{deviation}");
    let largest = values(&a, "blocks.0.bias").iter().fold(0f32, |m, b| m.max(b.abs()));
    assert!(largest < 1.0 / 27f32.sqrt() && largest > 0.02, "{largest}");
}

#[test]
fn a_network_comes_back_from_bytes() {
    let (from, to) = (network(1, 5), network(2, 5));
    let bytes = to_safetensors(&from.to_tensors().unwrap(), &Metadata::new()).unwrap();
    to.load(&from_safetensors(&bytes).unwrap().0).unwrap();
    for (name, _, _) in from.iter() {
        assert_eq!(values(&from, name), values(&to, name), "{name}");
    }
}

#[test]
fn copies_do_not_share_memory() {
    let (from, to) = (network(1, 5), network(2, 5));
    let saved = to.to_tensors().unwrap();
    to.copy_from(&from).unwrap();
    assert_eq!(values(&to, "blocks.1.weight"), values(&from, "blocks.1.weight"));
    // What was saved before is not moved by what came after, nor is the source by its copy.
    assert_ne!(
        saved["blocks.1.weight"].flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        values(&to, "blocks.1.weight")
    );
    let before = values(&from, "blocks.1.weight");
    to.load(&saved).unwrap();
    assert_eq!(values(&from, "blocks.1.weight"), before);
}

#[test]
fn a_set_that_does_not_fit_is_named_and_changes_nothing() {
    let params = network(1, 5);
    let good = network(2, 5).to_tensors().unwrap();
    let before = values(&params, "blocks.0.weight");
    let fails = |change: &dyn Fn(&mut frugan_nn::TensorMap)| {
        let mut tensors = good.clone();
        change(&mut tensors);
        let error = params.load(&tensors).unwrap_err();
        assert_eq!(values(&params, "blocks.0.weight"), before);
        error
    };
    let error = fails(&|t| drop(t.remove("blocks.1.u0")));
    assert!(matches!(&error, LoadError::Missing(names) if names == &["blocks.1.u0"]), "{error}");
    assert!(error.to_string().contains("`blocks.1.u0`"), "{error}");

    let error = fails(&|t| drop(t.insert("blocks.2.weight".into(), t["gamma"].clone())));
    assert!(matches!(&error, LoadError::Unexpected(names) if names == &["blocks.2.weight"]), "{error}");

    let error = fails(&|t| drop(t.insert("blocks.1.bias".into(), t["gamma"].clone())));
    assert!(matches!(&error, LoadError::Shape { name, .. } if name == "blocks.1.bias"), "{error}");
    assert!(error.to_string().contains("[5]"), "{error}");

    let error = fails(&|t| drop(t.insert("gamma".into(), Tensor::new(1u32, &candle_core::Device::Cpu).unwrap())));
    assert!(matches!(&error, LoadError::DType { name, .. } if name == "gamma"), "{error}");

    let error = params.load(&network(2, 6).to_tensors().unwrap()).unwrap_err().to_string();
    assert!(error.contains("[6, 3, 3, 3]") && error.contains("[5, 3, 3, 3]"), "{error}");
    let error = params.load(&frugan_nn::TensorMap::new()).unwrap_err().to_string();
    assert!(error.contains("and 6 more"), "{error}");
}

#[test]
#[should_panic(expected = "two tensors are named w")]
fn a_name_is_given_once() {
    let builder = Builder::new(0, Purpose::new("init.test"), DType::F32, &Device::Cpu);
    builder.weight("w", &[1], Init::ZEROS).unwrap();
    builder.weight("w", &[1], Init::ZEROS).unwrap();
}
