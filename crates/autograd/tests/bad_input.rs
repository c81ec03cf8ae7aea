//! Wrong arguments are errors that name the op, the argument, and expected against given.
#![allow(clippy::unwrap_used)]

use frugan_autograd::update::{AdamStep, adam, assign, lerp};
use frugan_autograd::{
    Activation, BiasAct, Conv2dConfig, DType, Device, Fir, GraphMode, Ints, ModulatedConv2d, Resample, Result, Tensor,
    Upfirdn2d, Var, concat, grad, grad_of_scalar,
};

fn zeros(shape: &[usize]) -> Var {
    Var::zeros(shape, DType::F32, &Device::Cpu).unwrap()
}

fn ints(count: i32) -> Ints {
    (0..count).collect()
}

/// Checks that the call fails and that its message has all of `parts`.
#[track_caller]
fn fails<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("no error, expected one with {parts:?}") };
    let message = error.to_string();
    let message = message.lines().next().unwrap();
    assert!(parts.iter().all(|part| message.contains(part)), "{message:?} lacks some of {parts:?}");
}

#[test]
fn arithmetic() {
    let (a, b) = (zeros(&[2, 3]), zeros(&[4]));
    fails(a.add(&b), &["add", "[2, 3]", "[4]"]);
    fails(a.sub(&b), &["sub", "[2, 3]", "[4]"]);
    fails(a.mul(&b), &["mul", "[2, 3]", "[4]"]);
    fails(a.div(&b), &["div", "[2, 3]", "[4]"]);
    let wide = Var::zeros(&[2, 3], DType::F64, &Device::Cpu).unwrap();
    fails(a.add(&wide), &["add", "F32", "F64", "to_dtype"]);
    fails(a.leaky_relu(-0.1), &["leaky_relu", "-0.1"]);
    fails(a.clamp(1.0, 0.0), &["clamp", "from 1 to 0"]);
    fails(a.to_dtype(DType::U8), &["to_dtype", "U8"]);
    fails(Var::zeros(&[1], DType::I64, &Device::Cpu), &["I64", "F32 or F64"]);
    fails(Var::zeros(&[1], DType::F32, &Device::Cuda(0)), &["cuda:0", "--device cpu"]);
}

#[test]
fn shapes() {
    let x = zeros(&[2, 3]);
    fails(x.reshape(&[4]), &["reshape", "[2, 3]", "6", "[4]"]);
    fails(x.permute(&[0, 0]), &["permute", "[0, 0]", "[2, 3]"]);
    fails(zeros(&[2]).t(), &["t:", "[2]"]);
    fails(x.narrow(1, 2, 2), &["narrow", "2 entries from 2", "[2, 3]"]);
    fails(x.narrow(1, usize::MAX, 2), &["narrow", "[2, 3]"]);
    fails(x.narrow(2, 0, 1), &["narrow", "axis 2"]);
    fails(x.flip(2), &["flip", "axis 2"]);
    fails(x.softmax(2), &["softmax", "axis 2"]);
    fails(x.sum_keep(&[3]), &["sum_keep", "axis 3"]);
    fails(x.sum_to(&[4]), &["sum_to", "[2, 3]", "[4]"]);
    fails(x.sum_to(&[2, 2, 3]), &["sum_to", "[2, 2, 3]"]);
    fails(x.broadcast_to(&[3, 3]), &["broadcast_to", "[2, 3]", "[3, 3]"]);
    fails(x.broadcast_to(&[3]), &["broadcast_to", "[3]"]);
    fails(x.dims4(), &["[2, 3]", "[N, C, H, W]"]);
    fails(x.item(), &["item", "6 elements"]);
    fails(concat(&[], 0), &["concat", "no parts"]);
    fails(concat(&[&x], 2), &["concat", "axis 2"]);
    fails(concat(&[&x, &zeros(&[3, 2])], 0), &["concat", "part 1", "[3, 2]", "[3, 3]"]);
    fails(concat(&[&x, &zeros(&[3])], 1), &["concat", "part 1", "[3]"]);
}

#[test]
fn products() {
    let (a, b) = (zeros(&[2, 3]), zeros(&[2, 3]));
    fails(a.matmul(&b), &["matmul", "right", "[2, 3]", "[3, 3]"]);
    fails(a.matmul_t(&zeros(&[3, 2])), &["matmul_t", "right", "[3, 2]", "[3, 3]"]);
    fails(a.matmul(&zeros(&[3])), &["matmul", "right", "[3]"]);
    fails(a.batch_matmul(&b), &["batch_matmul", "left", "[2, 3]"]);
    fails(zeros(&[2, 3, 4]).batch_matmul(&zeros(&[1, 4, 2])), &["batch_matmul", "right", "[1, 4, 2]", "[2, 4, 2]"]);
}

#[test]
fn convolutions() {
    let (x, w, config) = (zeros(&[2, 3, 5, 5]), zeros(&[4, 3, 3, 3]), Conv2dConfig::same(3));
    fails(zeros(&[3, 5, 5]).conv2d(&w, None, config), &["conv2d", "input", "[3, 5, 5]"]);
    fails(x.conv2d(&zeros(&[4, 3, 3]), None, config), &["conv2d", "filter", "[4, 3, 3]"]);
    fails(x.conv2d(&zeros(&[4, 2, 3, 3]), None, config), &["conv2d", "[4, 2, 3, 3]", "3 input channels"]);
    fails(x.conv2d(&w, Some(&zeros(&[5])), config), &["conv2d", "bias", "[5]", "[4]"]);
    fails(x.conv2d_relu(&w, Some(&zeros(&[1, 4])), config), &["conv2d", "bias", "[1, 4]"]);
    fails(
        x.conv2d(&zeros(&[4, 3, 7, 3]), None, Conv2dConfig::default()),
        &["conv2d", "[4, 3, 7, 3]", "padding [0, 0]"],
    );
    fails(x.conv2d(&w, None, Conv2dConfig { stride: 0, ..config }), &["conv2d", "stride 0"]);
    fails(x.conv_transpose2d(&w, None, config), &["conv_transpose2d", "[4, 3, 3, 3]", "[3, O, KH, KW]"]);
    fails(x.conv2d_avg_pool2(&w, None, config), &["conv2d_avg_pool2", "[2, 4, 5, 5]", "even"]);
    fails(x.upsample2_conv2d(&w, Some(&zeros(&[3])), config), &["upsample2_conv2d", "bias", "[3]", "[4]"]);
    let padded = Conv2dConfig { stride: 1, padding: [4, 0] };
    fails(x.conv_transpose2d(&zeros(&[3, 2, 3, 3]), None, padded), &["conv_transpose2d", "padding [4, 0]"]);
}

#[test]
fn pools_and_normalisation() {
    let x = zeros(&[2, 3, 5, 4]);
    fails(x.avg_pool2(), &["avg_pool2", "[2, 3, 5, 4]", "even"]);
    fails(zeros(&[2, 3]).upsample2(), &["upsample2", "[2, 3]"]);
    fails(x.max_pool2d(6, 1, 0), &["max_pool2d", "[2, 3, 5, 4]", "6 by 6"]);
    fails(x.max_pool2d(3, 0, 0), &["max_pool2d", "stride 0"]);
    fails(x.avg_pool2d(3, 1, 2), &["avg_pool2d", "padding 2"]);
    fails(x.avg_pool2d(0, 1, 0), &["avg_pool2d", "kernel 0"]);
    let (scale, shift) = (zeros(&[1, 3]), zeros(&[1, 3]));
    fails(zeros(&[2, 3]).batch_norm(&scale, &shift, 1e-5, false), &["batch_norm", "input", "[2, 3]"]);
    fails(x.batch_norm(&zeros(&[3]), &shift, 1e-5, false), &["batch_norm", "scale", "[3]"]);
    fails(x.batch_norm(&zeros(&[1, 2]), &shift, 1e-5, false), &["batch_norm", "scale", "[1, 2]", "[2, 3]"]);
    fails(x.batch_norm(&scale, &zeros(&[2, 3]), 1e-5, false), &["batch_norm", "shift", "[2, 3]", "[1, 3]"]);
}

#[test]
fn whole_numbers() {
    let x = zeros(&[2, 3, 4, 4]);
    fails(x.shift(&ints(3), &ints(2)), &["shift", "dy", "3", "2, one an image"]);
    fails(x.shift(&ints(2), &ints(1)), &["shift", "dx", "1"]);
    fails(x.erase(&ints(2), &ints(3), 1, 1), &["erase", "left", "3"]);
    fails(zeros(&[2, 3]).erase(&ints(2), &ints(2), 1, 1), &["erase", "input", "[2, 3]"]);
    fails(zeros(&[2]).gather(&ints(1)), &["gather", "table", "[2]"]);
    fails(zeros(&[2, 3]).gather(&vec![0, 1, 2].into()), &["gather", "index 2 is 2", "0 to 1"]);
    fails(zeros(&[2, 3]).gather(&vec![-1].into()), &["gather", "index 0 is -1"]);
}

#[test]
fn resampling() {
    let (x, fir, config) = (zeros(&[2, 3, 2, 5]), Fir::outer(&[1.0, 3.0, 3.0, 1.0]), Upfirdn2d::default());
    fails(zeros(&[3, 5, 5]).upfirdn2d(&fir, &config), &["upfirdn2d", "input", "[3, 5, 5]"]);
    fails(x.upfirdn2d(&fir, &config), &["upfirdn2d", "height is 2", "2 by 5", "4 taps"]);
    fails(
        zeros(&[2, 3, 5, 5]).upfirdn2d(&fir, &Upfirdn2d { padding: [-1, -1, 0, 0], ..config }),
        &["upfirdn2d", "width is 3", "[-1, -1, 0, 0]", "4 taps"],
    );
    fails(x.upfirdn2d(&fir, &Upfirdn2d { up: [1, 0], ..config }), &["upfirdn2d", "up [1, 0]", "at least 1"]);
    fails(x.upfirdn2d(&fir, &Upfirdn2d { down: [0, 1], ..config }), &["upfirdn2d", "down [0, 1]"]);
    fails(x.upfirdn2d(&Fir::full(&[]), &config), &["upfirdn2d", "0 by 0 taps"]);
    fails(x.filter2d(&Fir::separable(&[]), 0, false, 1.0), &["upfirdn2d", "0 by 0 taps"]);
    fails(x.upsample2d(&fir, 0, false, 1.0), &["upfirdn2d", "up [0, 0]"]);
    fails(x.downsample2d(&fir, 0, false, 1.0), &["upfirdn2d", "down [0, 0]"]);
}

#[test]
fn layers_of_stylegan2() {
    let (x, w, resample) = (zeros(&[2, 3, 6, 6]), zeros(&[4, 3, 3, 3]), Resample { padding: 1, ..Resample::default() });
    fails(x.conv2d_resample(&zeros(&[4, 3]), None, &resample), &["conv2d_resample", "filter", "[4, 3]"]);
    fails(x.conv2d_resample(&zeros(&[4, 2, 3, 3]), None, &resample), &["[4, 2, 3, 3]", "3 input channels"]);
    let both = Resample { up: 2, down: 2, ..resample };
    fails(x.conv2d_resample(&w, None, &both), &["conv2d_resample", "up 2 and down 2"]);
    fails(x.conv2d_resample(&w, None, &Resample { up: 3, ..resample }), &["conv2d_resample", "up 3"]);
    let config = ModulatedConv2d { up: 1, padding: 1, demodulate: true, flip_weight: true };
    let modulated =
        |styles: &[usize], noise: Option<&Var>| x.modulated_conv2d(&w, &zeros(styles), &config, None, noise);
    fails(modulated(&[2, 4], None), &["modulated_conv2d", "styles", "[2, 4]", "[2, 3]"]);
    fails(
        modulated(&[2, 3], Some(&zeros(&[2, 1, 3, 6]))),
        &["modulated_conv2d", "noise", "[2, 1, 3, 6]", "[2, 1, 6, 6]"],
    );
    fails(modulated(&[2, 3], Some(&zeros(&[6, 6]))), &["modulated_conv2d", "noise", "[6, 6]"]);
    let styles = zeros(&[2, 3]);
    fails(
        x.modulated_conv2d(&zeros(&[4, 5, 3, 3]), &styles, &config, None, None),
        &["modulated_conv2d", "[4, 5, 3, 3]"],
    );
    let act = BiasAct::new(Activation::Lrelu);
    fails(zeros(&[3]).bias_act(None, &act), &["bias_act", "[3]", "[N, C, ..]"]);
    fails(x.bias_act(Some(&zeros(&[2])), &act), &["bias_act", "bias", "[2]", "[3]"]);
    fails(x.bias_act(None, &BiasAct { gain: 0.0, ..act }), &["bias_act", "gain 0"]);
    fails(x.bias_act(None, &BiasAct { alpha: -0.1, ..act }), &["bias_act", "alpha -0.1"]);
    fails(x.bias_act(None, &BiasAct { clamp: Some(-1.0), ..act }), &["bias_act", "clamp -1"]);
    fails(x.minibatch_stddev(Some(0), 1), &["minibatch_stddev", "groups of 0", "[2, 3, 6, 6]"]);
    fails(zeros(&[3, 3, 6, 6]).minibatch_stddev(Some(2), 1), &["minibatch_stddev", "groups of 2", "3 images"]);
    fails(x.minibatch_stddev(None, 2), &["minibatch_stddev", "2 new channels", "3 of"]);
    fails(x.normalize_second_moment(1e-8), &["normalize_second_moment", "[2, 3, 6, 6]", "[N, D]"]);
}

#[test]
fn geometry() {
    let x = zeros(&[2, 3, 5, 4]);
    fails(x.affine_sample(&zeros(&[2, 3, 2]), [4, 4]), &["affine_sample", "theta", "[2, 3, 2]", "[2, 2, 3]"]);
    fails(x.affine_sample(&zeros(&[2, 2, 3]), [4, 0]), &["affine_sample", "[4, 0]", "at least one pixel"]);
    let leaf = Var::leaf(zeros(&[2, 2, 3]).to_tensor().unwrap());
    fails(x.affine_sample(&leaf, [4, 4]), &["affine_sample", "theta", "detach"]);
    let nan = Tensor::full(f32::NAN, (2, 2, 3), &candle_core::Device::Cpu).unwrap();
    fails(x.affine_sample(&nan.into(), [4, 4]), &["affine_sample", "theta", "not finite"]);
    fails(x.reflect_pad2d([4, 0, 0, 0]), &["reflect_pad2d", "[4, 0, 0, 0]", "[2, 3, 5, 4]"]);
    fails(x.reflect_pad2d([0, 0, 1, 5]), &["reflect_pad2d", "[0, 0, 1, 5]"]);
    fails(zeros(&[5, 4]).reflect_pad2d([0; 4]), &["reflect_pad2d", "[5, 4]"]);
    fails(x.filter_per_sample(&zeros(&[3, 2])), &["filter_per_sample", "[3, 2]", "each image of [2, 3, 5, 4]"]);
    fails(x.filter_per_sample(&zeros(&[2, 5])), &["filter_per_sample", "[2, 5]", "1 to 4 taps"]);
    fails(x.filter_per_sample(&Var::leaf(zeros(&[2, 2]).to_tensor().unwrap())), &["filter_per_sample", "detach"]);
}

#[test]
fn gradients() {
    let (x, wrong) = (Var::leaf(zeros(&[2]).to_tensor().unwrap()), zeros(&[3]));
    fails(grad(&[&x], &[&wrong], &[&x], GraphMode::Free), &["grad", "cotangent 0", "[3]", "[2]"]);
    fails(grad(&[&x], &[], &[&x], GraphMode::Free), &["grad", "0 cotangents", "1"]);
    fails(grad_of_scalar(&x, &[&x], GraphMode::Free), &["grad_of_scalar", "[2]", "one element"]);
}

#[test]
fn updates() {
    let step = AdamStep { lr: 1e-3, beta1: 0.0, beta2: 0.9, epsilon: 1e-8, step: 1 };
    let array = || zeros(&[2]);
    fails(assign(&array(), &zeros(&[3])), &["assign", "[3]", "[2]"]);
    fails(lerp(&array(), &zeros(&[3]), 0.1), &["lerp", "[3]", "[2]"]);
    fails(adam(&step, &array(), &array(), &array(), &zeros(&[3])), &["adam", "gradient", "[3]", "[2]"]);
    fails(adam(&AdamStep { step: 0, ..step }, &array(), &array(), &array(), &array()), &["adam", "step 0"]);
    let shared = array();
    fails(adam(&step, &array(), &shared, &shared, &array()), &["adam", "share memory", "Var::copy"]);
}
