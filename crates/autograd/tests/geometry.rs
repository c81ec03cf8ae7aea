//! Affine sampling, mirrored borders and filters by image: against their definitions, and twice differentiated.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{DType, Result, Tensor, Var, concat};

fn images(shape: [usize; 4]) -> Tensor {
    spread(&shape, -1.0, 1.0, 5).unwrap()
}

fn thetas(rows: &[[f64; 6]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), 2, 3), &candle_core::Device::Cpu).unwrap()
}

const IDENTITY: [f64; 6] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
/// A turn with a shift and a change of scale; one that leaves the image on one side; one far outside.
const MIXED: [[f64; 6]; 3] =
    [[0.7, -0.6, 0.1, 0.5, 0.8, -0.2], [-1.4, 0.3, 0.9, 0.2, 1.7, 0.4], [1.0, 0.0, 40.0, 0.0, 1.0, -3e9]];

fn worst(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn samples_are_their_definition() -> Result<()> {
    let ([n, c, height, width], [out_height, out_width]) = ([3, 2, 5, 7], [6, 9]);
    let (x, theta) = (images([n, c, height, width]), thetas(&MIXED));
    let values = x.flatten_all()?.to_vec1::<f64>()?;
    let mut want = Vec::new();
    for plane in 0..n * c {
        let t = MIXED[plane / c];
        let pixel = |row: i64, column: i64| {
            let inside = (0..height as i64).contains(&row) && (0..width as i64).contains(&column);
            if inside { values[(plane * height + row as usize) * width + column as usize] } else { 0.0 }
        };
        for (i, j) in (0..out_height).flat_map(|i| (0..out_width).map(move |j| (i, j))) {
            let (u, v) = ((2 * j + 1) as f64 / out_width as f64 - 1.0, (2 * i + 1) as f64 / out_height as f64 - 1.0);
            let column = ((t[0] * u + t[1] * v + t[2] + 1.0) * width as f64 - 1.0) / 2.0;
            let row = ((t[3] * u + t[4] * v + t[5] + 1.0) * height as f64 - 1.0) / 2.0;
            // The tent of every pixel near by.
            let (top, left) = (row.floor() as i64, column.floor() as i64);
            let tent = |at: f64, centre: i64| (1.0 - (at - centre as f64).abs()).max(0.0);
            let near = (top..top + 2).flat_map(|r| (left..left + 2).map(move |s| (r, s)));
            want.push(near.map(|(r, s)| tent(row, r) * tent(column, s) * pixel(r, s)).sum());
        }
    }
    let theta = Var::from(theta);
    let y = Var::from(x.clone()).affine_sample(&theta, [out_height, out_width])?;
    assert_eq!(y.dims(), [n, c, out_height, out_width]);
    assert!(worst(&y.to_vec::<f64>()?, &want) < 1e-12);
    // An F32 image on an F64 grid.
    let y = Var::from(x.to_dtype(DType::F32)?).affine_sample(&theta, [out_height, out_width])?;
    assert!(worst(&y.to_dtype(DType::F64)?.to_vec::<f64>()?, &want) < 1e-6);
    Ok(())
}

#[test]
fn the_identity_gives_the_image_back() -> Result<()> {
    let x = Var::from(images([2, 3, 4, 6]));
    let y = x.affine_sample(&thetas(&[IDENTITY; 2]).into(), [4, 6])?;
    assert!(worst(&y.to_vec::<f64>()?, &x.to_vec::<f64>()?) < 1e-14);
    Ok(())
}

#[test]
fn samples_are_twice_differentiable() -> Result<()> {
    let theta = Var::from(thetas(&MIXED));
    gradgradcheck(|v| v[0].affine_sample(&theta, [4, 3])?.square(), &[images([3, 2, 3, 4])])?;
    gradgradcheck(|v| v[0].affine_sample(&theta, [2, 5])?.tanh(), &[images([3, 1, 4, 2])])
}

#[test]
fn borders_mirror_without_repeating_the_edge() -> Result<()> {
    let x = Var::from(Tensor::arange(0.0, 6.0, &candle_core::Device::Cpu)?.reshape((1, 1, 2, 3))?);
    let y = x.reflect_pad2d([2, 1, 1, 0])?;
    assert_eq!(y.dims(), [1, 1, 3, 6]);
    let want = [5.0, 4.0, 3.0, 4.0, 5.0, 4.0, 2.0, 1.0, 0.0, 1.0, 2.0, 1.0, 5.0, 4.0, 3.0, 4.0, 5.0, 4.0];
    assert_eq!(y.to_vec::<f64>()?, want);
    assert_eq!(x.reflect_pad2d([0; 4])?.to_vec::<f64>()?, x.to_vec::<f64>()?);
    Ok(())
}

/// Torn apart into rows and columns and put together again.
#[test]
fn borders_are_the_reversed_inside() -> Result<()> {
    let x = Var::from(images([2, 3, 5, 4]));
    let beside = |x: &Var, axis: usize, before: usize, after: usize| {
        let size = x.dims()[axis];
        let (head, tail) =
            (x.narrow(axis, 1, before)?.flip(axis)?, x.narrow(axis, size - 1 - after, after)?.flip(axis)?);
        concat(&[&head, x, &tail], axis)
    };
    for [x0, x1, y0, y1] in [[1, 2, 3, 4], [3, 3, 4, 1], [2, 1, 1, 3]] {
        let want = beside(&beside(&x, 3, x0, x1)?, 2, y0, y1)?;
        assert_eq!(x.reflect_pad2d([x0, x1, y0, y1])?.to_vec::<f64>()?, want.to_vec::<f64>()?);
    }
    Ok(())
}

#[test]
fn borders_are_twice_differentiable() -> Result<()> {
    gradgradcheck(|v| v[0].reflect_pad2d([2, 1, 0, 3])?.square(), &[images([2, 2, 4, 3])])?;
    gradgradcheck(|v| v[0].reflect_pad2d([0, 4, 2, 2])?.tanh(), &[images([2, 1, 3, 5])])
}

#[test]
fn filters_by_image_are_correlations() -> Result<()> {
    let (x, taps) = (images([3, 2, 6, 8]), spread(&[3, 4], -1.0, 1.0, 6)?);
    let (x, taps) = (Var::from(x), Var::from(taps));
    let y = x.filter_per_sample(&taps)?;
    assert_eq!(y.dims(), [3, 2, 3, 5]);
    for n in 0..3 {
        let row = taps.narrow(0, n, 1)?;
        let planes = x.narrow(0, n, 1)?.reshape(&[2, 1, 6, 8])?;
        let w = row.reshape(&[1, 1, 4, 1])?.mul(&row.reshape(&[1, 1, 1, 4])?)?;
        let want = planes.conv2d(&w, None, frugan_autograd::Conv2dConfig::default())?;
        assert!(worst(&y.narrow(0, n, 1)?.to_vec::<f64>()?, &want.to_vec::<f64>()?) < 1e-13);
    }
    Ok(())
}

#[test]
fn filters_by_image_are_twice_differentiable() -> Result<()> {
    for (shape, taps) in [([3, 2, 4, 5], 3), ([2, 1, 6, 5], 5), ([2, 2, 3, 2], 1)] {
        let taps = Var::from(spread(&[shape[0], taps], -1.0, 1.0, 6)?);
        gradgradcheck(|v| v[0].filter_per_sample(&taps)?.square(), &[images(shape)])?;
    }
    Ok(())
}
