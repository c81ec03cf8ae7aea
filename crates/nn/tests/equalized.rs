//! Layers with an equalised learning rate against their formulas written out.
#![allow(clippy::unwrap_used)]

use frugan_autograd::{Activation, Conv2dConfig, DType, Device, GraphMode, Var, grad_of_scalar};
use frugan_nn::{
    Builder, EqualizedConv2d, EqualizedConv2dOptions, EqualizedLinear, EqualizedLinearOptions, Init, Params, Purpose,
    binomial_fir,
};

fn builder() -> Builder {
    Builder::new(4, Purpose::new("test"), DType::F64, &Device::Cpu)
}

fn input(shape: &[usize]) -> Var {
    let builder = Builder::new(5, Purpose::new("input"), DType::F64, &Device::Cpu);
    builder.weight("x", shape, Init::Normal(1.0)).unwrap()
}

fn set(params: &Params, name: &str, value: f64) {
    let var = params.get(name).unwrap();
    let full = Var::full(value, var.dims(), DType::F64, &Device::Cpu).unwrap();
    frugan_autograd::update::assign(var, &full).unwrap();
}

#[track_caller]
fn same(got: &Var, want: &Var) {
    assert_eq!(got.dims(), want.dims());
    let (got, want) = (got.to_vec::<f64>().unwrap(), want.to_vec::<f64>().unwrap());
    let error = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    assert!(error < 1e-12, "off by {error:e}");
}

fn deviation(var: &Var) -> f64 {
    let values = var.to_vec::<f64>().unwrap();
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn a_linear_layer_is_its_formula() {
    let builder = builder();
    let options = EqualizedLinearOptions {
        activation: Activation::Lrelu,
        lr_multiplier: 0.01,
        bias_init: 7.0,
        ..Default::default()
    };
    let layer = EqualizedLinear::new(&builder, 200, 300, &options).unwrap();
    let params = builder.finish();
    assert!((deviation(params.get("weight").unwrap()) - 100.0).abs() < 1.0, "stored 1 / lr_multiplier times as large");
    let x = input(&[3, 200]);
    let weight = params.get("weight").unwrap().scale(0.01 / 200f64.sqrt()).unwrap();
    // The stored bias is 7 whatever the multiplier; in use it is 0.07.
    let want = x.matmul_t(&weight).unwrap().affine(1.0, 0.07).unwrap();
    let want = want.leaky_relu(0.2).unwrap().scale(std::f64::consts::SQRT_2).unwrap();
    same(&layer.forward(&x).unwrap(), &want);
}

#[test]
fn a_linear_layer_without_bias_has_one_tensor() {
    let builder = builder();
    let options = EqualizedLinearOptions { bias: false, ..Default::default() };
    let layer = EqualizedLinear::new(&builder, 4, 2, &options).unwrap();
    assert_eq!(builder.finish().len(), 1);
    assert_eq!(layer.forward(&input(&[3, 4])).unwrap().dims(), [3, 2]);
    assert!(layer.forward(&input(&[3, 5])).is_err());
}

#[test]
fn a_convolution_is_its_formula() {
    let builder = builder();
    let options =
        EqualizedConv2dOptions { activation: Activation::Lrelu, gain: 0.5, clamp: Some(0.4), ..Default::default() };
    let layer = EqualizedConv2d::new(&builder, (4, 5, 3), &options).unwrap();
    let params = builder.finish();
    set(&params, "bias", 0.1);
    let x = input(&[2, 4, 6, 6]);
    let weight = params.get("weight").unwrap().scale(1.0 / 6.0).unwrap();
    let y = x.conv2d(&weight, params.get("bias"), Conv2dConfig { stride: 1, padding: [1, 1] }).unwrap();
    let y = y.leaky_relu(0.2).unwrap().scale(0.5 * std::f64::consts::SQRT_2).unwrap();
    // The clamp follows the gain.
    same(&layer.forward(&x).unwrap(), &y.clamp(-0.2, 0.2).unwrap());
}

#[test]
fn resampling_is_filtering_and_a_plain_convolution() {
    let x = input(&[2, 4, 6, 6]);
    let plain = |options: EqualizedConv2dOptions, kernel| {
        let builder = builder();
        let layer = EqualizedConv2d::new(&builder, (4, 5, kernel), &options).unwrap();
        (layer, builder.finish().get("weight").unwrap().clone())
    };
    let gain = |kernel: usize| 1.0 / (kernel as f64 * 2.0);
    let fir = binomial_fir();
    // 1x1: the convolution commutes with the filter.
    let (halving, weight) = plain(EqualizedConv2dOptions { down: 2, ..Default::default() }, 1);
    let weight = weight.scale(gain(1)).unwrap();
    let want = x.conv2d(&weight, None, Conv2dConfig::default()).unwrap().downsample2d(&fir, 2, false, 1.0).unwrap();
    same(&halving.forward(&x).unwrap(), &want);
    let (doubling, _) = plain(EqualizedConv2dOptions { up: 2, ..Default::default() }, 1);
    let want = x.conv2d(&weight, None, Conv2dConfig::default()).unwrap().upsample2d(&fir, 2, false, 1.0).unwrap();
    same(&doubling.forward(&x).unwrap(), &want);
    // 3x3: where the layer doubles, the kernel is turned around.
    let (doubling, weight) = plain(EqualizedConv2dOptions { up: 2, ..Default::default() }, 3);
    let turned = weight.scale(gain(3)).unwrap().reshape(&[20, 9]).unwrap().flip(1).unwrap();
    let turned = turned.reshape(&[5, 4, 3, 3]).unwrap();
    let doubled = x.upsample2d(&fir, 2, false, 1.0).unwrap();
    let want = doubled.conv2d(&turned, None, Conv2dConfig { stride: 1, padding: [1, 1] }).unwrap();
    let got = doubling.forward(&x).unwrap();
    assert_eq!(got.dims(), want.dims());
    // Within: at the rim a convolution of the filtered image would see what the filter leaves beyond it.
    let inner = |y: &Var| y.narrow(2, 2, 8).unwrap().narrow(3, 2, 8).unwrap();
    same(&inner(&got), &inner(&want));
}

#[test]
fn gradients_reach_every_tensor() {
    let builder = builder();
    let lrelu = EqualizedConv2dOptions { activation: Activation::Lrelu, down: 2, ..Default::default() };
    let conv = EqualizedConv2d::new(&builder.at("conv"), (3, 4, 3), &lrelu).unwrap();
    let linear = EqualizedLinear::new(&builder.at("linear"), 16, 2, &EqualizedLinearOptions::default()).unwrap();
    let params = builder.finish();
    let h = conv.forward(&input(&[2, 3, 4, 4])).unwrap().reshape(&[2, 16]).unwrap();
    let loss = linear.forward(&h).unwrap().square().unwrap().sum().unwrap();
    let grads = grad_of_scalar(&loss, &params.weights(), GraphMode::Free).unwrap();
    assert_eq!(grads.len(), 4);
    for ((name, _), grad) in params.named_weights().zip(&grads) {
        assert!(grad.to_vec::<f64>().unwrap().iter().all(|v| *v != 0.0), "{name}");
    }
}
