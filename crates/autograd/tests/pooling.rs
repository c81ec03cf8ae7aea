//! Sliding windows against their definition: values and gradients, odd sizes, every stride and padding, NaN.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::spread;
use frugan_autograd::{DType, Device, GraphMode, Result, Tensor, Var, grad};

/// A pooled plane and, for each of its pixels, the share of each input pixel in it.
fn by_definition(
    plane: &[f64],
    [height, width]: [usize; 2],
    [kernel, stride, padding]: [usize; 3],
    is_max: bool,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let out = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    let (mut values, mut shares) = (Vec::new(), Vec::new());
    for (y, x) in (0..out(height)).flat_map(|y| (0..out(width)).map(move |x| (y, x))) {
        let covers = |at: usize, i: usize| (i * stride..i * stride + kernel).contains(&(at + padding));
        let window: Vec<usize> =
            (0..height * width).filter(|at| covers(at / width, y) && covers(at % width, x)).collect();
        let mut share = vec![0.0; plane.len()];
        if is_max {
            let best = window.iter().copied().reduce(|a, b| if plane[b] > plane[a] { b } else { a }).unwrap();
            share[best] = 1.0;
        } else {
            window.iter().for_each(|at| share[*at] = 1.0 / window.len() as f64);
        }
        values.push(plane.iter().zip(&share).map(|(v, share)| v * share).sum());
        shares.push(share);
    }
    (values, shares)
}

fn pool(x: &Var, [kernel, stride, padding]: [usize; 3], is_max: bool) -> Result<Var> {
    if is_max { x.max_pool2d(kernel, stride, padding) } else { x.avg_pool2d(kernel, stride, padding) }
}

fn check(size: [usize; 2], window: [usize; 3], is_max: bool, dtype: DType) -> Result<()> {
    let planes = 6;
    let x = Var::leaf(spread(&[2, 3, size[0], size[1]], -1.0, 1.0, 1)?.to_dtype(dtype)?);
    let y = pool(&x, window, is_max)?;
    let cotangent = Var::constant(spread(y.dims(), -1.0, 1.0, 2)?.to_dtype(dtype)?);
    let gx = &grad(&[&y], &[&cotangent], &[&x], GraphMode::Free)?[0];
    let wide = |v: &Var| v.to_dtype(DType::F64)?.to_vec::<f64>();
    let (x, y, cotangent, gx) = (wide(&x)?, wide(&y)?, wide(&cotangent)?, wide(gx)?);
    let [area, out_area] = [x.len() / planes, y.len() / planes];
    let bound = if dtype == DType::F64 { 1e-13 } else { 1e-5 };
    for p in 0..planes {
        let (want, shares) = by_definition(&x[p * area..][..area], size, window, is_max);
        let close = |got: &[f64], want: &[f64]| {
            assert_eq!(got.len(), want.len());
            let near = got.iter().zip(want).all(|(a, b)| (a - b).abs() < bound);
            assert!(near, "{size:?} {window:?} max {is_max} {dtype:?}: {got:?}, expected {want:?}");
        };
        close(&y[p * out_area..][..out_area], &want);
        let back = |at: usize| shares.iter().zip(&cotangent[p * out_area..]).map(|(share, g)| share[at] * g).sum();
        close(&gx[p * area..][..area], &(0..area).map(back).collect::<Vec<f64>>());
    }
    Ok(())
}

#[test]
fn every_window_is_right() -> Result<()> {
    for size in [[1, 1], [3, 3], [5, 4], [7, 17], [35, 20]] {
        for kernel in 1..=5 {
            for (stride, padding) in (1..4).flat_map(|stride| (0..=kernel / 2).map(move |padding| (stride, padding))) {
                if size[0].min(size[1]) + 2 * padding < kernel {
                    continue;
                }
                for is_max in [true, false] {
                    check(size, [kernel, stride, padding], is_max, DType::F32)?;
                    check(size, [kernel, stride, padding], is_max, DType::F64)?;
                }
            }
        }
    }
    Ok(())
}

/// A window with a NaN is NaN, and no other is, whatever it holds besides; its gradient goes to the NaN.
#[test]
fn a_nan_wins_its_windows() -> Result<()> {
    let (height, width) = (9, 33);
    for at in [0, 8, 32, 4 * 33 + 15, 4 * 33 + 16, 8 * 33, 9 * 33 - 1] {
        let mut values: Vec<f32> = (0..height * width).map(|i| (i * 37 % 101) as f32 - 200.0).collect();
        values[at] = f32::NAN;
        values[(at + 1) % (height * width)] = f32::INFINITY;
        for window in [[3, 1, 1], [3, 2, 0], [2, 2, 1], [3, 3, 1]] {
            let [kernel, stride, padding] = window;
            for is_max in [true, false] {
                let x = Var::leaf(Tensor::from_vec(values.clone(), (1, 1, height, width), &candle_core::Device::Cpu)?);
                let y = pool(&x, window, is_max)?;
                let covers = |at: usize, i: usize| (i * stride..i * stride + kernel).contains(&(at + padding));
                for (i, v) in y.to_vec::<f32>()?.iter().enumerate() {
                    let (row, column) = (i / y.dims()[3], i % y.dims()[3]);
                    let holds = covers(at / width, row) && covers(at % width, column);
                    assert_eq!(v.is_nan(), holds, "{window:?} max {is_max}: NaN at {at}, output {row}, {column}");
                }
                let ones = Var::full(1.0, y.dims(), DType::F32, &Device::Cpu)?;
                let gx = grad(&[&y], &[&ones], &[&x], GraphMode::Free)?[0].to_vec::<f32>()?;
                let windows = y.to_vec::<f32>()?.iter().filter(|v| v.is_nan()).count();
                assert!(!is_max || gx[at] == windows as f32, "{window:?}: {} at the NaN of {windows}", gx[at]);
            }
        }
    }
    Ok(())
}

/// Windows of nothing but the least value give it, not the padding's.
#[test]
fn minus_infinity_is_a_value() -> Result<()> {
    let x = Var::full(f64::NEG_INFINITY, &[1, 2, 4, 5], DType::F32, &Device::Cpu)?;
    assert!(x.max_pool2d(3, 1, 1)?.to_vec::<f32>()?.iter().all(|v| *v == f32::NEG_INFINITY));
    Ok(())
}
