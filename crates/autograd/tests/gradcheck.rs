//! Every op against central differences in f64, first and second order.

use frugan_autograd::ops::concat;
use frugan_autograd::{DType, Device, GraphMode, Result, Tensor, Var, grad, grad_of_scalar};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

type Function<'a> = &'a dyn Fn(&[Var]) -> Result<Var>;

fn uniform(rng: &mut SmallRng, shape: &[usize], low: f64, high: f64) -> Tensor {
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| rng.random_range(low..high)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn leaves(tensors: &[Tensor]) -> Vec<Var> {
    tensors.iter().map(|t| Var::leaf(t.clone())).collect()
}

/// `<cotangent, f(x)>`, and its gradient by the tape.
fn value(f: Function, x: &[Tensor], cotangent: &Tensor) -> f64 {
    let y = f(&leaves(x)).unwrap();
    (y.tensor() * cotangent).unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap()
}

fn check(name: &str, f: Function, x: &[Tensor]) {
    const STEP: f64 = 1e-5;
    let vars = leaves(x);
    let y = f(&vars).unwrap();
    let cotangent = uniform(&mut SmallRng::seed_from_u64(7), y.dims(), -1.0, 1.0);
    let inputs: Vec<&Var> = vars.iter().collect();
    let gradients = grad(&[&y], &[&cotangent.clone().into()], &inputs, GraphMode::Free).unwrap();
    for (i, gradient) in gradients.iter().enumerate() {
        let analytic = gradient.tensor().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(gradient.dims(), x[i].dims(), "{name}: shape of gradient {i}");
        let base = x[i].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for j in 0..base.len() {
            let at = |step: f64| {
                let (mut values, mut x) = (base.clone(), x.to_vec());
                values[j] += step;
                x[i] = Tensor::from_vec(values, x[i].dims(), &Device::Cpu).unwrap();
                value(f, &x, &cotangent)
            };
            let numeric = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let error = (numeric - analytic[j]).abs();
            assert!(
                error < 1e-6 * (1.0 + numeric.abs()),
                "{name}: input {i}[{j}]: tape {}, differences {numeric}",
                analytic[j]
            );
        }
    }
}

/// gradcheck of f and of its gradient as a function of inputs and cotangent.
fn check_twice(name: &str, f: Function, x: &[Tensor]) {
    check(name, f, x);
    let y = f(&leaves(x)).unwrap();
    let mut extended = x.to_vec();
    extended.push(uniform(&mut SmallRng::seed_from_u64(11), y.dims(), -1.0, 1.0));
    for i in 0..x.len() {
        let gradient = |v: &[Var]| {
            let (cotangent, v) = v.split_last().unwrap();
            // Fresh products, so that a leaf returned as it is still has a node of its own.
            let inputs: Vec<Var> = v.iter().map(|v| v.scale(1.0)).collect::<Result<_>>()?;
            let y = f(&inputs)?;
            let g = grad(&[&y], &[cotangent], &[&inputs[i]], GraphMode::Create)?;
            g[0].scale(1.0)
        };
        check(&format!("{name} twice, input {i}"), &gradient, &extended);
    }
}

fn tensors(shapes: &[&[usize]], low: f64, high: f64) -> Vec<Tensor> {
    let mut rng = SmallRng::seed_from_u64(5);
    shapes.iter().map(|s| uniform(&mut rng, s, low, high)).collect()
}

macro_rules! gradcheck {
    ($($name:ident: [$($shape:expr),+], $low:expr, $high:expr, |$v:ident| $body:expr;)+) => {
        $(#[test]
        fn $name() {
            check_twice(stringify!($name), &|$v: &[Var]| $body, &tensors(&[$(&$shape),+], $low, $high));
        })+
    };
}

gradcheck! {
    add: [[2, 3], [2, 3]], -1.0, 1.0, |v| v[0].add(&v[1]);
    sub_broadcast: [[2, 3], [3]], -1.0, 1.0, |v| v[0].sub(&v[1]);
    mul_broadcast: [[2, 1, 3], [4, 1]], -1.0, 1.0, |v| v[0].mul(&v[1]);
    div: [[2, 3], [2, 1]], 0.5, 2.0, |v| v[0].div(&v[1]);
    mul_by_scalar: [[2, 3], [1, 1]], -1.0, 1.0, |v| v[1].mul(&v[0])?.mul(&v[0]);
    div_by_scalar: [[2, 3], [1]], 0.5, 2.0, |v| v[0].div(&v[1]);
    affine: [[4]], -1.0, 1.0, |v| v[0].affine(-1.5, 0.3);
    square: [[4]], -1.0, 1.0, |v| v[0].square();
    exp: [[4]], -1.0, 1.0, |v| v[0].exp();
    log: [[4]], 0.5, 2.0, |v| v[0].log();
    sqrt: [[4]], 0.5, 2.0, |v| v[0].sqrt();
    tanh: [[4]], -1.0, 1.0, |v| v[0].tanh();
    sigmoid: [[4]], -1.0, 1.0, |v| v[0].sigmoid();
    softplus: [[4]], -2.0, 2.0, |v| v[0].softplus();
    relu: [[9]], -1.0, 1.0, |v| v[0].relu();
    leaky_relu: [[9]], -1.0, 1.0, |v| v[0].leaky_relu(0.2);
    broadcast_to: [[2, 1, 3, 1]], -1.0, 1.0, |v| v[0].broadcast_to(&[2, 2, 4, 3, 2]);
    sum_to: [[2, 3, 1, 4]], -1.0, 1.0, |v| v[0].sum_to(&[3, 1, 1]);
    sum_keep: [[2, 3, 4]], -1.0, 1.0, |v| v[0].sum_keep(&[0, 2]);
    mean: [[2, 3]], -1.0, 1.0, |v| v[0].square()?.mean();
    reshape: [[2, 6]], -1.0, 1.0, |v| v[0].square()?.reshape(&[3, 4]);
    permute: [[2, 3, 4]], -1.0, 1.0, |v| v[0].permute(&[2, 0, 1])?.square();
    narrow: [[3, 5]], -1.0, 1.0, |v| v[0].narrow(1, 1, 3)?.square();
    concatenation: [[2, 3], [2, 2]], -1.0, 1.0, |v| concat(&[&v[0], &v[1]], 1)?.square();
    matmul: [[3, 4], [4, 2]], -1.0, 1.0, |v| v[0].matmul(&v[1]);
    matmul_transposed: [[4, 3], [2, 4]], -1.0, 1.0, |v| v[0].t()?.matmul(&v[1].t()?);
    conv2d_3x3: [[2, 3, 5, 4], [2, 3, 3, 3], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), 1);
    conv2d_relu: [[2, 2, 3, 4], [2, 2, 3, 3], [2]], -1.0, 1.0, |v| v[0].conv2d_relu(&v[1], Some(&v[2]), 1);
    conv2d_3x3_valid: [[1, 2, 4, 5], [2, 2, 3, 3]], -1.0, 1.0, |v| v[0].conv2d(&v[1], None, 0);
    conv2d_1x1: [[2, 3, 2, 3], [2, 3, 1, 1], [2]], -1.0, 1.0, |v| v[0].conv2d(&v[1], Some(&v[2]), 0);
    conv2d_input_grad: [[2, 2, 4, 3], [2, 2, 3, 3]], -1.0, 1.0, |v| v[0].conv2d_input_grad(&v[1], 1, (4, 3));
    conv2d_weight_grad: [[2, 2, 4, 3], [2, 2, 4, 3]], -1.0, 1.0, |v| v[0].conv2d_weight_grad(&v[1], 3, 1);
    avg_pool2: [[1, 2, 4, 6]], -1.0, 1.0, |v| v[0].avg_pool2()?.square();
    upsample2: [[1, 2, 2, 3]], -1.0, 1.0, |v| v[0].upsample2()?.square();
    gather: [[4, 3]], -1.0, 1.0, |v| v[0].gather(&[2, 0, 2, 3])?.square();
    shift: [[3, 2, 4, 5]], -1.0, 1.0, |v| v[0].shift(&[(1, -2), (-3, 1), (4, 0)])?.square();
    batch_norm: [[3, 2, 2, 2], [1, 2], [1, 2]], 0.2, 2.0, |v| v[0].batch_norm(&v[1], &v[2], 1e-2, false);
    batch_norm_conditional: [[3, 2, 2, 3], [3, 2], [3, 2]], -1.0, 1.0, |v| v[0].batch_norm(&v[1], &v[2], 1e-2, true);
}

/// R1 of a small discriminator: the squared gradient of its output by its image.
fn r1(v: &[Var]) -> Result<Var> {
    let image = v[0].scale(1.0)?;
    let h = image.conv2d(&v[1], None, 1)?.leaky_relu(0.2)?.avg_pool2()?;
    let h = h.conv2d(&v[2], None, 1)?.softplus()?.sum()?;
    let one = Var::constant(Tensor::ones((), h.dtype(), &Device::Cpu)?);
    grad(&[&h], &[&one], &[&image], GraphMode::Create)?[0].square()?.sum()
}

#[test]
fn r1_penalty() {
    check("r1", &r1, &tensors(&[&[2, 2, 4, 4], &[3, 2, 3, 3], &[2, 3, 3, 3]], -1.0, 1.0));
}

/// The same through the fast kernels: the penalty's gradient in f32 against f64.
#[test]
fn r1_penalty_in_f32() -> Result<()> {
    let x = tensors(&[&[3, 3, 16, 16], &[20, 3, 3, 3], &[8, 20, 3, 3]], -0.5, 0.5);
    let gradients = |dtype| {
        let vars: Vec<Var> = x.iter().map(|t| t.to_dtype(dtype).map(Var::leaf)).collect::<Result<_>>()?;
        grad_of_scalar(&r1(&vars)?, &vars.iter().collect::<Vec<_>>(), GraphMode::Free)
    };
    for (got, want) in gradients(DType::F32)?.iter().zip(gradients(DType::F64)?) {
        let error = (got.tensor().to_dtype(DType::F64)? - want.tensor())?;
        let norm = |t: &Tensor| t.sqr()?.sum_all()?.to_scalar::<f64>();
        let relative = (norm(&error)? / norm(want.tensor())?).sqrt();
        assert!(relative < 1e-5, "relative error {relative:.2e}");
    }
    Ok(())
}
