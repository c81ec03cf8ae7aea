//! Which modes store what, and that sigma is the largest singular value.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{DType, Device, GraphMode, Tensor, Var, check, grad_of_scalar};
use frugan_nn::{Builder, Init, LayerOptions, Linear, Mode, Params, Purpose, SpectralNorm, SpectralNormOptions};

fn builder() -> Builder {
    Builder::new(3, Purpose::new("test"), DType::F64, &Device::Cpu)
}

fn values(params: &Params, name: &str) -> Vec<f64> {
    params.get(name).unwrap().to_vec().unwrap()
}

fn norm_of(options: SpectralNormOptions) -> (Var, SpectralNorm, Params) {
    let builder = builder();
    let weight = builder.weight("weight", &[4, 3], Init::Normal(1.0)).unwrap();
    let norm = SpectralNorm::new(&builder, &weight, options, DType::F64).unwrap();
    (weight, norm, builder.finish())
}

#[test]
fn only_training_stores_the_power_step() {
    let (weight, norm, params) = norm_of(SpectralNormOptions::default());
    let before = (values(&params, "u0"), values(&params, "sv0"));
    let other: Vec<Vec<f64>> = [Mode::Batch, Mode::Running, Mode::Standing { pass: 0 }]
        .into_iter()
        .map(|mode| norm.normalise(&weight, mode).unwrap().to_vec().unwrap())
        .collect();
    assert_eq!((values(&params, "u0"), values(&params, "sv0")), before);
    let trained: Vec<f64> = norm.normalise(&weight, Mode::Train).unwrap().to_vec().unwrap();
    assert!(other.iter().all(|w| *w == trained), "every mode makes the same step");
    assert_ne!(values(&params, "u0"), before.0);
    let u_norm: f64 = values(&params, "u0").iter().map(|v| v * v).sum();
    assert!((u_norm - 1.0).abs() < 1e-12);
    // The stored sigma is the weight's ratio to what came out.
    let ratio = weight.to_vec::<f64>().unwrap()[0] / trained[0];
    assert!((ratio - values(&params, "sv0")[0]).abs() < 1e-12);
}

#[test]
fn several_steps_a_pass_are_several_passes() {
    let (weight, thrice, params) = norm_of(SpectralNormOptions { num_itrs: 3, ..Default::default() });
    let (_, once, single) = norm_of(SpectralNormOptions::default());
    thrice.normalise(&weight, Mode::Train).unwrap();
    for _ in 0..3 {
        once.normalise(&weight, Mode::Train).unwrap();
    }
    assert_eq!(values(&params, "u0"), values(&single, "u0"));
    assert_eq!(values(&params, "sv0"), values(&single, "sv0"));
}

#[test]
fn sigma_converges_to_the_largest_singular_value() {
    let (weight, norm, params) = norm_of(SpectralNormOptions::default());
    let diagonal = [3.0f64, 0.0, 0.0, 0.0, -5.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let tensor = Tensor::from_slice(&diagonal, (4, 3), &candle_core::Device::Cpu).unwrap();
    frugan_autograd::update::assign(&weight, &Var::constant(tensor)).unwrap();
    for _ in 0..60 {
        norm.normalise(&weight, Mode::Train).unwrap();
    }
    assert!((values(&params, "sv0")[0] - 5.0).abs() < 1e-9);
}

#[test]
fn a_zero_weight_stays_finite() {
    let (weight, norm, _) = norm_of(SpectralNormOptions::default());
    let zero = weight.zeros_like().unwrap();
    // sigma is 0 and 0 / 0 is not a number: the same as in the reference, but u must not be poisoned.
    norm.normalise(&zero, Mode::Train).unwrap();
    let (_, fresh, params) = norm_of(SpectralNormOptions::default());
    fresh.normalise(&zero, Mode::Train).unwrap();
    assert!(values(&params, "u0").iter().all(|v| v.is_finite()));
}

#[test]
fn the_gradient_flows_through_sigma() {
    let (_, norm, params) = norm_of(SpectralNormOptions::default());
    // Converge u first: then holding u and v constant changes the derivative of sigma only in second order.
    let weight = params.get("weight").unwrap().clone();
    for _ in 0..200 {
        norm.normalise(&weight, Mode::Train).unwrap();
    }
    let cotangent = builder().buffer("c", &[4, 3], Init::Normal(1.0)).unwrap();
    let f = |w: &[Var]| norm.normalise(&w[0], Mode::Batch)?.mul(&cotangent)?.sum();
    check::gradcheck(f, &[weight.to_tensor().unwrap()]).unwrap();
}

#[test]
fn the_bias_is_left_alone() {
    let builder = builder();
    let options = LayerOptions { spectral: Some(SpectralNormOptions::default()), ..Default::default() };
    let linear = Linear::new(&builder, 3, 2, &options).unwrap();
    let params = builder.finish();
    let names: Vec<&str> = params.iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["weight", "bias", "u0", "sv0"]);
    let zero = Var::zeros(&[1, 3], DType::F64, &Device::Cpu).unwrap();
    let y = linear.forward(&zero, Mode::Batch).unwrap();
    assert_eq!(y.to_vec::<f64>().unwrap(), values(&params, "bias"));
    let loss = y.sum().unwrap();
    let grads = grad_of_scalar(&loss, &params.weights(), GraphMode::Free).unwrap();
    assert_eq!(grads[1].to_vec::<f64>().unwrap(), [1.0, 1.0]);
}
