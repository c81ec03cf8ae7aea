//! Gradient penalties against formulas by hand, and their gradients against differences.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradcheck, spread};
use frugan_autograd::{DType, Device, Result, Tensor, Var};
use frugan_losses::{PathLength, path_lengths, r1_penalty};

/// Two smooth layers, so that second derivatives are not zero: `[n, 3]` to `[n, 1]`.
fn network(x: &Var, hidden: &Var, last: &Var) -> Result<Var> {
    x.matmul_t(hidden)?.tanh()?.matmul_t(last)
}

/// Images `[n, 2, 3, 2]` of styles `[n, 2, 3]`.
fn images(ws: &Var, weight: &Var) -> Result<Var> {
    let n = ws.dims()[0];
    ws.reshape(&[n, 6])?.matmul_t(weight)?.tanh()?.reshape(&[n, 2, 3, 2])
}

fn numbers(shape: &[usize], salt: u64) -> Tensor {
    spread(shape, -1.0, 1.0, salt).unwrap()
}

#[test]
fn r1_is_the_squared_slope_of_each_image() {
    let (x, w) = (Var::leaf(numbers(&[4, 3], 1)), Var::leaf(numbers(&[1, 3], 2)));
    // The logit <w, x>^2 / 2 has the slope <w, x> w.
    let products = x.matmul_t(&w).unwrap();
    let penalty = r1_penalty(&products.square().unwrap().scale(0.5).unwrap(), &x).unwrap();
    assert_eq!(penalty.dims(), [4]);
    let length = w.square().unwrap().sum().unwrap().item().unwrap();
    let products = products.to_vec::<f64>().unwrap();
    for (got, product) in penalty.to_vec::<f64>().unwrap().into_iter().zip(products) {
        assert!((got - product * product * length).abs() < 1e-12);
    }
}

#[test]
fn r1_has_the_right_gradients() -> Result<()> {
    let inputs = [numbers(&[2, 3], 1), numbers(&[4, 3], 2), numbers(&[1, 4], 3)];
    gradcheck(|v| r1_penalty(&network(&v[0], &v[1], &v[2])?, &v[0]), &inputs)
}

#[test]
fn r1_of_constants_is_an_error_and_not_zero() {
    let x = Var::constant(numbers(&[2, 3], 1));
    let error = r1_penalty(&x.matmul_t(&Var::leaf(numbers(&[1, 3], 2))).unwrap(), &x).unwrap_err().to_string();
    assert!(error.contains("Var::leaf"), "{error}");
}

#[test]
fn path_lengths_of_a_linear_generator_are_norms_of_its_matrix() {
    let (ws, weight) = (Var::leaf(numbers(&[2, 2, 3], 1)), numbers(&[12, 6], 2));
    let image = ws.reshape(&[2, 6]).unwrap().matmul_t(&Var::leaf(weight.clone())).unwrap();
    let noise = numbers(&[2, 2, 3, 2], 3);
    let lengths = path_lengths(&image.reshape(&[2, 2, 3, 2]).unwrap(), &ws, &Var::constant(noise.clone())).unwrap();
    // J^T y is y W; the square is averaged over 2 layers, and y is divided by sqrt(3 * 2 pixels).
    let product = (noise.reshape((2, 12)).unwrap() / 6f64.sqrt()).unwrap().matmul(&weight).unwrap();
    let squares = product.sqr().unwrap().sum(1).unwrap().to_vec1::<f64>().unwrap();
    for (got, square) in lengths.to_vec::<f64>().unwrap().into_iter().zip(squares) {
        assert!((got - (square / 2.0).sqrt()).abs() < 1e-12);
    }
}

/// Also the gradient through the batch's share in the mean: a large decay would show its lack.
#[test]
fn the_penalty_has_the_right_gradients() -> Result<()> {
    let noise = Var::constant(numbers(&[2, 2, 3, 2], 3));
    let penalty = |v: &[Var]| {
        let mut path_length = PathLength::new(0.4, DType::F64, &Device::Cpu)?;
        path_length.penalty(&images(&v[0], &v[1])?, &v[0], &noise)
    };
    gradcheck(penalty, &[numbers(&[2, 2, 3], 1), numbers(&[12, 6], 2)])
}

#[test]
fn the_mean_moves_before_it_is_read_and_survives_a_checkpoint() {
    let (ws, weight) = (Var::leaf(numbers(&[2, 2, 3], 1)), Var::leaf(numbers(&[12, 6], 2)));
    let noise = Var::constant(numbers(&[2, 2, 3, 2], 3));
    let mut path_length = PathLength::new(0.01, DType::F64, &Device::Cpu).unwrap();
    let image = images(&ws, &weight).unwrap();
    let lengths = path_lengths(&image, &ws, &noise).unwrap().to_vec::<f64>().unwrap();
    let batch = (lengths[0] + lengths[1]) / 2.0;
    let penalty = path_length.penalty(&image, &ws, &noise).unwrap();
    assert!((path_length.mean().item().unwrap() - 0.01 * batch).abs() < 1e-15);
    for (got, length) in penalty.to_vec::<f64>().unwrap().into_iter().zip(lengths) {
        assert!((got - (length - 0.01 * batch).powi(2)).abs() < 1e-12);
    }
    assert!(!path_length.mean().requires_grad());
    path_length.penalty(&image, &ws, &noise).unwrap();
    assert!((path_length.mean().item().unwrap() - (0.99 * 0.01 + 0.01) * batch).abs() < 1e-15);

    let mut resumed = PathLength::new(0.01, DType::F64, &Device::Cpu).unwrap();
    resumed.load_state(&path_length.state_tensors().unwrap()).unwrap();
    assert_eq!(resumed.mean().item().unwrap(), path_length.mean().item().unwrap());
    let mut damaged = path_length.state_tensors().unwrap();
    damaged.insert("means".into(), numbers(&[], 1));
    assert!(resumed.load_state(&damaged).unwrap_err().to_string().contains("unexpected means"));
    damaged = [("mean".to_string(), numbers(&[2], 1))].into();
    assert!(resumed.load_state(&damaged).unwrap_err().to_string().contains("[2]"));
    assert!(resumed.load_state(&Default::default()).unwrap_err().to_string().contains("missing"));
}

#[test]
fn styles_and_noise_that_do_not_fit_are_named() {
    let (ws, weight) = (Var::leaf(numbers(&[2, 2, 3], 1)), Var::leaf(numbers(&[12, 6], 2)));
    let image = images(&ws, &weight).unwrap();
    let noise = Var::constant(numbers(&[2, 2, 3, 2], 3));
    let error = |r: Result<Var>| r.unwrap_err().to_string();
    assert!(error(path_lengths(&image, &ws.detach(), &noise)).contains("constants"));
    assert!(error(path_lengths(&image, &ws, &noise.narrow(0, 0, 1).unwrap())).contains("[1, 2, 3, 2]"));
    let flat = ws.reshape(&[2, 6]).unwrap();
    assert!(error(path_lengths(&image, &flat, &noise)).contains("[2, 6]"));
}
