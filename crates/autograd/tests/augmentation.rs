//! The ops behind augmentation: colour maps, and a shift with a box of zeros in one pass.

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{Ints, Result, Tensor, Var};

fn images(shape: [usize; 4]) -> Result<Tensor> {
    spread(&shape, -1.0, 1.0, 3)
}

/// Means as ops of their own, at a size of more than one block and run.
#[test]
fn a_color_map_is_its_formula() -> Result<()> {
    let x = Var::from(images([3, 3, 20, 23])?);
    let k = Var::from(spread(&[3, 4], -2.0, 2.0, 5)?);
    let column = |i| k.narrow(1, i, 1)?.reshape(&[3, 1, 1, 1]);
    let want = x
        .mul(&column(0)?)?
        .add(&x.mean_keep(&[1])?.mul(&column(1)?)?)?
        .add(&x.mean_keep(&[1, 2, 3])?.mul(&column(2)?)?)?
        .add(&column(3)?)?;
    let difference = x.color_mix(&k)?.sub(&want)?.abs()?.to_vec::<f64>()?.into_iter().fold(0.0, f64::max);
    assert!(difference < 1e-12, "{difference}");
    Ok(())
}

#[test]
fn color_maps_are_twice_differentiable() -> Result<()> {
    let k = Var::from(spread(&[2, 4], -2.0, 2.0, 5)?);
    gradgradcheck(|v| v[0].color_mix(&k)?.tanh(), &[images([2, 3, 3, 4])?])
}

#[test]
fn color_maps_refuse_what_does_not_fit() -> Result<()> {
    let x = Var::from(images([2, 3, 3, 4])?);
    let error = |k: Var| x.color_mix(&k).expect_err("bad coefficients").to_string();
    assert!(error(Var::from(spread(&[2, 3], 0.0, 1.0, 0)?)).contains("coefficients has shape [2, 3], expected [2, 4]"));
    assert!(error(Var::leaf(spread(&[2, 4], 0.0, 1.0, 0)?)).contains("take no gradient"));
    Ok(())
}

/// Offsets and corners inside, across the borders, and far outside.
fn moves() -> [[Ints; 2]; 2] {
    let ints = |values: [i32; 5]| Ints::from(values.to_vec());
    [[ints([0, 2, -3, 1, 40]), ints([0, -1, 4, -30, 0])], [ints([1, -2, 3, 5, 0]), ints([2, 4, -1, 0, 90])]]
}

#[test]
fn one_pass_is_the_shift_and_then_the_box() -> Result<()> {
    let ([[dy, dx], [top, left]], size) = (moves(), [3, 4]);
    let x = Var::from(images([5, 2, 6, 7])?);
    let fused = x.shift_erase([&dy, &dx], [&top, &left], size)?;
    let apart = x.shift(&dy, &dx)?.erase(&top, &left, size[0], size[1])?;
    assert_eq!(fused.to_vec::<f64>()?, apart.to_vec::<f64>()?);
    let fused = x.erase_shift([&top, &left], size, [&dy, &dx])?;
    let apart = x.erase(&top, &left, size[0], size[1])?.shift(&dy, &dx)?;
    assert_eq!(fused.to_vec::<f64>()?, apart.to_vec::<f64>()?);
    Ok(())
}

#[test]
fn shifts_with_boxes_are_twice_differentiable() -> Result<()> {
    let ([[dy, dx], [top, left]], size) = (moves(), [2, 3]);
    let x = images([5, 1, 4, 5])?;
    gradgradcheck(|v| v[0].shift_erase([&dy, &dx], [&top, &left], size)?.tanh(), std::slice::from_ref(&x))?;
    gradgradcheck(|v| v[0].erase_shift([&top, &left], size, [&dy, &dx])?.tanh(), &[x])
}

#[test]
fn every_image_needs_its_numbers() -> Result<()> {
    let x = Var::from(images([2, 3, 4, 4])?);
    let (two, three) = (Ints::from(vec![0; 2]), Ints::from(vec![0; 3]));
    let error = x.shift_erase([&two, &two], [&two, &three], [1, 1]).expect_err("three corners").to_string();
    assert!(error.contains("left has 3 numbers, expected 2"), "{error}");
    Ok(())
}
