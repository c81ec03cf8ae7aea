//! Adam's state, clipping, and when averages start.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{DType, Device, Tensor, Var};
use frugan_nn::{
    Adam, AdamConfig, Builder, Ema, Init, LoadError, Metadata, Params, Purpose, Stream, clip_by_norm, clip_by_value,
    from_safetensors, to_safetensors,
};

fn network() -> Params {
    let builder = Builder::new(0, Purpose::new("test"), DType::F32, &Device::Cpu);
    builder.weight("a", &[3, 2], Init::Normal(1.0)).unwrap();
    builder.buffer("mean", &[2], Init::ONES).unwrap();
    builder.weight("b", &[], Init::ONES).unwrap();
    builder.finish()
}

fn var(values: &[f32], shape: &[usize]) -> Var {
    Var::constant(Tensor::from_slice(values, shape, &candle_core::Device::Cpu).unwrap())
}

fn gradients(step: u64) -> Vec<Var> {
    let values = Stream::new(1, Purpose::new("gradients"), step).normals(7);
    vec![var(&values[..6], &[3, 2]), var(&values[6..], &[])]
}

fn values(params: &Params) -> Vec<Vec<f32>> {
    params.iter().map(|(_, _, v)| v.to_vec().unwrap()).collect()
}

#[test]
fn a_resumed_adam_goes_on_bit_for_bit() {
    let config = AdamConfig { beta1: 0.5, ..Default::default() };
    let whole = network();
    let mut adam = Adam::new(config, &whole).unwrap();
    for step in 0..3 {
        adam.step(&whole, &gradients(step)).unwrap();
    }
    let bytes = to_safetensors(&adam.state_tensors().unwrap(), &Metadata::new()).unwrap();
    let weights = whole.to_tensors().unwrap();
    for step in 3..6 {
        adam.step(&whole, &gradients(step)).unwrap();
    }
    let resumed = network();
    resumed.load(&weights).unwrap();
    let mut again = Adam::new(config, &resumed).unwrap();
    again.load_state(&from_safetensors(&bytes).unwrap().0).unwrap();
    assert_eq!(again.steps(), 3);
    for step in 3..6 {
        again.step(&resumed, &gradients(step)).unwrap();
    }
    assert_eq!(values(&whole), values(&resumed));
    assert_ne!(values(&whole), values(&network()));
}

#[test]
fn adam_says_what_does_not_fit() {
    let params = network();
    let mut adam = Adam::new(AdamConfig::default(), &params).unwrap();
    let before = values(&params);
    let error = adam.step(&params, &gradients(0)[..1]).unwrap_err().to_string();
    assert!(error.contains("2 weights and 1 gradients"), "{error}");
    let swapped: Vec<Var> = gradients(0).into_iter().rev().collect();
    let error = adam.step(&params, &swapped).unwrap_err().to_string();
    assert!(error.contains("`a`"), "{error}");
    assert_eq!((adam.steps(), values(&params)), (0, before));

    let mut state = adam.state_tensors().unwrap();
    state.insert("exp_avg.c".into(), state["exp_avg.b"].clone());
    assert!(matches!(adam.load_state(&state), Err(LoadError::Unexpected(names)) if names == ["exp_avg.c"]));
    state.remove("exp_avg.c");
    state.insert("step".into(), Tensor::new(-1i64, &candle_core::Device::Cpu).unwrap());
    assert!(matches!(adam.load_state(&state), Err(LoadError::DType { name, .. }) if name == "step"));
    state.remove("exp_avg.a");
    assert!(matches!(adam.load_state(&state), Err(LoadError::Missing(names)) if names == ["exp_avg.a"]));
}

#[test]
fn the_average_is_a_copy_between_step_1_and_the_start() {
    let ema = Ema { decay: 0.9, start_itr: 3 };
    // Step 0 averages at once: the published code takes a step of zero for one that was not given.
    assert_eq!([0, 1, 2, 3, 4].map(|itr| ema.decay_at(itr)), [0.9, 0.0, 0.0, 0.9, 0.9]);
    assert_eq!(Ema { start_itr: 0, ..ema }.decay_at(1), 0.9);
    let (average, source) = (network(), network());
    let twos = source.to_tensors().unwrap().into_iter().map(|(n, t)| (n, (t.ones_like().unwrap() * 2.0).unwrap()));
    source.load(&twos.collect()).unwrap();
    ema.update(&average, &source, 0).unwrap();
    // 0.9 * 1 + 0.1 * 2, for a weight and for a buffer.
    let buffer: Vec<f32> = average.get("mean").unwrap().to_vec().unwrap();
    assert!(buffer.iter().all(|v| (v - 1.1).abs() < 1e-6), "{buffer:?}");
    assert!((average.get("b").unwrap().item().unwrap() - 1.1).abs() < 1e-6);
    ema.update(&average, &source, 1).unwrap();
    assert_eq!(values(&average), values(&source));
}

#[test]
fn averages_of_other_networks_are_errors() {
    let builder = Builder::new(0, Purpose::new("test"), DType::F32, &Device::Cpu);
    builder.weight("a", &[3, 2], Init::ZEROS).unwrap();
    let error = Ema::default().update(&builder.finish(), &network(), 5).unwrap_err().to_string();
    assert!(error.contains("1 tensors for a network of 3"), "{error}");
}

#[test]
fn clipping_by_norm_keeps_the_direction() {
    let mut grads = [var(&[3.0, 0.0], &[2]), var(&[4.0], &[])];
    let norm = clip_by_norm(&mut grads, 10.0).unwrap();
    assert_eq!((norm, grads[0].to_vec::<f32>().unwrap()), (5.0, vec![3.0, 0.0]));
    clip_by_norm(&mut grads, 1.0).unwrap();
    let clipped: Vec<f32> = grads.iter().flat_map(|g| g.to_vec::<f32>().unwrap()).collect();
    assert!(clipped.iter().zip([0.6, 0.0, 0.8]).all(|(got, want)| (got - want).abs() < 1e-5), "{clipped:?}");
    let mut broken = [var(&[f32::NAN], &[1]), var(&[2.0], &[])];
    assert!(clip_by_norm(&mut broken, 1.0).unwrap().is_nan());
    assert_eq!(broken[1].item().unwrap(), 2.0);
}

#[test]
fn clipping_by_value_clamps_each_element() {
    let mut grads = [var(&[3.0, -0.25, -7.0], &[3])];
    clip_by_value(&mut grads, 0.5).unwrap();
    assert_eq!(grads[0].to_vec::<f32>().unwrap(), [0.5, -0.25, -0.5]);
}
