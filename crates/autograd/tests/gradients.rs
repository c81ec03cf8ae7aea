//! Every op against central differences in f64, first and second order.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{Conv2dConfig, DType, GraphMode, Ints, Result, Tensor, Var, concat, grad, grad_of_scalar};

fn inputs(shapes: &[&[usize]], low: f64, high: f64) -> Vec<Tensor> {
    shapes.iter().enumerate().map(|(i, shape)| spread(shape, low, high, 20 + i as u64).unwrap()).collect()
}

fn ints(values: &[i32]) -> Ints {
    values.into()
}

fn config(stride: usize, vertical: usize, horizontal: usize) -> Conv2dConfig {
    Conv2dConfig { stride, padding: [vertical, horizontal] }
}

macro_rules! gradgrad {
    ($($name:ident: [$($shape:expr),+], $low:expr, $high:expr, |$v:ident| $body:expr;)+) => {
        $(#[test]
        fn $name() {
            gradgradcheck(|$v: &[Var]| $body, &inputs(&[$(&$shape),+], $low, $high)).unwrap();
        })+
    };
}

gradgrad! {
    add: [[2, 3], [2, 3]], -1.0, 1.0, |v| v[0].add(&v[1]);
    add_bias: [[2, 3, 2, 2], [1, 3, 1, 1]], -1.0, 1.0, |v| v[0].add(&v[1])?.square();
    sub_broadcast: [[2, 3], [3]], -1.0, 1.0, |v| v[0].sub(&v[1])?.square();
    mul_broadcast: [[2, 1, 3], [4, 1]], -1.0, 1.0, |v| v[0].mul(&v[1]);
    mul_by_scalar: [[2, 3], [1, 1]], -1.0, 1.0, |v| v[1].mul(&v[0])?.mul(&v[0]);
    div: [[2, 3], [2, 1]], 0.5, 2.0, |v| v[0].div(&v[1]);
    div_by_scalar: [[2, 3], [1]], 0.5, 2.0, |v| v[0].div(&v[1]);
    affine: [[4]], -1.0, 1.0, |v| v[0].affine(-1.5, 0.3);
    square: [[4]], -1.0, 1.0, |v| v[0].square();
    exp: [[4]], -1.0, 1.0, |v| v[0].exp();
    log: [[4]], 0.5, 2.0, |v| v[0].log();
    sqrt: [[4]], 0.5, 2.0, |v| v[0].sqrt();
    tanh: [[4]], -1.0, 1.0, |v| v[0].tanh();
    sigmoid: [[4]], -1.0, 1.0, |v| v[0].sigmoid();
    softplus: [[4]], -2.0, 2.0, |v| v[0].softplus();
    relu: [[9]], -1.0, 1.0, |v| v[0].relu()?.square();
    leaky_relu: [[9]], -1.0, 1.0, |v| v[0].leaky_relu(0.2)?.square();
    abs: [[9]], -1.0, 1.0, |v| v[0].abs()?.mul(&v[0]);
    clamp: [[19]], -1.0, 1.0, |v| v[0].clamp(-0.5, 0.4)?.square();
    broadcast_to: [[2, 1, 3, 1]], -1.0, 1.0, |v| v[0].square()?.broadcast_to(&[2, 2, 4, 3, 2]);
    sum_to: [[2, 3, 1, 4]], -1.0, 1.0, |v| v[0].square()?.sum_to(&[3, 1, 1]);
    sum_keep: [[2, 3, 4]], -1.0, 1.0, |v| v[0].square()?.sum_keep(&[0, 2]);
    mean_keep: [[2, 3, 4]], -1.0, 1.0, |v| v[0].square()?.mean_keep(&[1]);
    sum: [[2, 3]], -1.0, 1.0, |v| v[0].square()?.sum();
    mean: [[2, 3]], -1.0, 1.0, |v| v[0].square()?.mean();
    reshape: [[2, 6]], -1.0, 1.0, |v| v[0].square()?.reshape(&[3, 4]);
    permute: [[2, 3, 4]], -1.0, 1.0, |v| v[0].permute(&[2, 0, 1])?.square();
    narrow: [[3, 5]], -1.0, 1.0, |v| v[0].narrow(1, 1, 3)?.square();
    narrow_first: [[3, 5]], -1.0, 1.0, |v| v[0].narrow(0, 1, 2)?.square();
    flip: [[2, 3, 2]], -1.0, 1.0, |v| v[0].flip(1)?.mul(&v[0]);
    concatenation: [[2, 3], [2, 2]], -1.0, 1.0, |v| concat(&[&v[0], &v[1]], 1)?.square();
    concatenation_of_batches: [[2, 3], [1, 3]], -1.0, 1.0, |v| concat(&[&v[0], &v[1]], 0)?.square();
    softmax: [[2, 3]], -1.0, 1.0, |v| v[0].softmax(1);
    softmax_first: [[3, 2, 2]], -1.0, 1.0, |v| v[0].softmax(0);
    matmul: [[3, 4], [4, 2]], -1.0, 1.0, |v| v[0].matmul(&v[1]);
    matmul_transposed: [[4, 3], [2, 4]], -1.0, 1.0, |v| v[0].t()?.matmul(&v[1].t()?);
    matmul_t: [[3, 4], [2, 4]], -1.0, 1.0, |v| v[0].matmul_t(&v[1]);
    matmul_three: [[3, 2], [4, 2], [4, 3]], -1.0, 1.0, |v| v[0].matmul_t(&v[1])?.matmul(&v[2]);
    batch_matmul: [[2, 3, 2], [2, 2, 3]], -1.0, 1.0, |v| v[0].batch_matmul(&v[1]);
    conv2d_3x3: [[2, 3, 5, 4], [2, 3, 3, 3], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), config(1, 1, 1));
    conv2d_relu: [[2, 2, 3, 4], [2, 2, 3, 3], [2]], -1.0, 1.0, |v| v[0].conv2d_relu(&v[1], Some(&v[2]), config(1, 1, 1));
    relu_conv2d: [[2, 2, 3, 4], [2, 2, 3, 3], [2]], -1.0, 1.0, |v| v[0].relu_conv2d(&v[1], Some(&v[2]), config(1, 1, 1));
    relu_conv2d_1x1: [[2, 2, 3, 4], [2, 2, 1, 1]], -1.0, 1.0, |v| v[0].relu_conv2d(&v[1], None, config(1, 0, 0));
    relu_conv2d_relu: [[2, 2, 3, 4], [2, 2, 3, 3], [2]], -1.0, 1.0, |v| v[0].relu_conv2d_relu(&v[1], Some(&v[2]), config(1, 1, 1));
    upsample2_conv2d: [[2, 2, 2, 3], [2, 2, 3, 3], [2]], -1.0, 1.0,
        |v| v[0].upsample2_conv2d(&v[1], Some(&v[2]), config(1, 1, 1));
    conv2d_avg_pool2: [[2, 2, 4, 6], [2, 2, 3, 3], [2]], -1.0, 1.0,
        |v| v[0].conv2d_avg_pool2(&v[1], Some(&v[2]), config(1, 1, 1));
    conv2d_avg_pool2_valid: [[1, 2, 4, 7], [2, 2, 3, 2]], -1.0, 1.0, |v| v[0].conv2d_avg_pool2(&v[1], None, config(1, 0, 0));
    conv2d_3x3_valid: [[1, 2, 4, 5], [2, 2, 3, 3]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, config(1, 0, 0));
    conv2d_1x1: [[2, 3, 2, 3], [2, 3, 1, 1], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), config(1, 0, 0));
    conv2d_1x3: [[2, 2, 3, 4], [2, 2, 1, 3], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), config(1, 0, 1));
    conv2d_3x1: [[2, 2, 4, 3], [2, 2, 3, 1]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, config(1, 1, 0));
    conv2d_strided: [[2, 2, 5, 6], [2, 2, 3, 3], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), config(2, 1, 1));
    conv2d_stride_3: [[1, 2, 7, 5], [2, 2, 2, 2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, config(3, 0, 1));
    conv2d_strided_1x1: [[2, 2, 3, 4], [2, 2, 1, 1]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, config(2, 0, 0));
    conv2d_wide_padding: [[1, 1, 2, 2], [2, 1, 2, 2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, config(1, 2, 3));
    conv_transpose2d: [[2, 2, 2, 3], [2, 2, 4, 4], [2]], -1.0, 1.0,
        |v| v[0].conv_transpose2d(&v[1], Some(&v[2]), config(2, 1, 1));
    conv_transpose2d_first: [[2, 3, 1, 1], [3, 2, 4, 4]], -1.0, 1.0,
        |v| v[0].conv_transpose2d(&v[1], None, config(1, 0, 0));
    avg_pool2: [[1, 2, 4, 6]], -1.0, 1.0, |v| v[0].avg_pool2()?.square();
    upsample2: [[1, 2, 2, 3]], -1.0, 1.0, |v| v[0].upsample2()?.square();
    max_pool2d: [[2, 2, 5, 4]], -1.0, 1.0, |v| v[0].max_pool2d(3, 2, 0)?.square();
    max_pool2d_padded: [[1, 2, 5, 4]], -1.0, 1.0, |v| v[0].max_pool2d(3, 1, 1)?.square();
    avg_pool2d: [[2, 2, 5, 4]], -1.0, 1.0, |v| v[0].avg_pool2d(3, 1, 1)?.square();
    avg_pool2d_strided: [[1, 2, 5, 7]], -1.0, 1.0, |v| v[0].avg_pool2d(2, 3, 1)?.square();
    gather: [[4, 3]], -1.0, 1.0, |v| v[0].gather(&ints(&[2, 0, 2, 3]))?.square();
    shift: [[3, 2, 4, 5]], -1.0, 1.0, |v| v[0].shift(&ints(&[1, -3, 4]), &ints(&[-2, 1, 0]))?.square();
    erase: [[3, 2, 4, 5]], -1.0, 1.0, |v| v[0].erase(&ints(&[1, -1, 9]), &ints(&[0, 3, 0]), 2, 3)?.square();
    batch_norm: [[3, 2, 2, 2], [1, 2], [1, 2]], 0.2, 2.0, |v| v[0].batch_norm(&v[1], &v[2], 1e-2, false);
    batch_norm_conditional: [[3, 2, 2, 3], [3, 2], [3, 2]], -1.0, 1.0, |v| v[0].batch_norm(&v[1], &v[2], 1e-2, true);
}

/// R1 of a small discriminator: the squared gradient of its output by its image.
fn r1(v: &[Var]) -> Result<Var> {
    let image = v[0].scale(1.0)?;
    let h = image.conv2d(&v[1], None, Conv2dConfig::same(3))?.leaky_relu(0.2)?.avg_pool2()?;
    let h = h.conv2d(&v[2], None, Conv2dConfig::same(3))?.softplus()?.sum()?;
    grad(&[&h], &[&h.ones_like()?], &[&image], GraphMode::Create)?[0].square()?.sum()
}

#[test]
fn r1_penalty() {
    let x = inputs(&[&[2, 2, 4, 4], &[3, 2, 3, 3], &[2, 3, 3, 3]], -1.0, 1.0);
    frugan_autograd::check::gradcheck(r1, &x).unwrap();
}

/// The same through the fast kernels: the penalty's gradient in f32 against f64.
#[test]
fn r1_penalty_in_f32() -> Result<()> {
    let x = inputs(&[&[3, 3, 16, 16], &[20, 3, 3, 3], &[8, 20, 3, 3]], -0.5, 0.5);
    let gradients = |dtype| {
        let vars: Vec<Var> = x.iter().map(|t| t.to_dtype(dtype).map(Var::leaf)).collect::<Result<_>>()?;
        grad_of_scalar(&r1(&vars)?, &vars.iter().collect::<Vec<_>>(), GraphMode::Free)
    };
    for (got, want) in gradients(DType::F32)?.iter().zip(gradients(DType::F64)?) {
        let error = got.to_dtype(DType::F64)?.sub(&want)?.square()?.sum()?.item()?;
        let relative = (error / want.square()?.sum()?.item()?).sqrt();
        assert!(relative < 1e-5, "relative error {relative:.2e}");
    }
    Ok(())
}

#[test]
fn a_cast_gives_its_gradient_in_the_input_dtype() -> Result<()> {
    let x = Var::leaf(spread(&[5], -1.0, 1.0, 1)?);
    let y = x.to_dtype(DType::F32)?.square()?.sum()?;
    let g = &grad_of_scalar(&y, &[&x], GraphMode::Free)?[0];
    assert_eq!(g.dtype(), DType::F64);
    for (g, x) in g.to_vec::<f64>()?.iter().zip(x.to_vec::<f64>()?) {
        assert!((g - 2.0 * x).abs() < 1e-6);
    }
    Ok(())
}
