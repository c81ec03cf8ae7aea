//! Changes of resolution folded into filters in BF16: how far values and gradients are from those in F32.
#![allow(clippy::explicit_write, clippy::print_stderr, missing_docs)]

use std::io::Write;

use frugan_autograd::check::spread;
use frugan_autograd::{Conv2dConfig, DType, Device, GraphMode, Result, Var, grad_of_scalar};

/// The value, and the gradients of the input and of the filter, of a convolution behind a doubling or ahead of a halving; images and
/// filter in these types.
fn parts(doubles: bool, images: DType, filter: DType) -> Result<Vec<Vec<f64>>> {
    let array = |shape: &[usize], most: f64, salt| {
        Var::constant(spread(shape, -most, most, salt)?.to_dtype(DType::F32)?).to_device(&Device::Emulated)
    };
    // Images that BF16 holds exactly.
    let x = array(&[4, 16, 8, 8], 1.0, 1)?.to_dtype(DType::BF16)?.to_dtype(DType::F32)?.as_leaf();
    let w = array(&[16, 16, 3, 3], 0.3, 2)?.as_leaf();
    let (x_as, w_as, same) = (x.to_dtype(images)?, w.to_dtype(filter)?, Conv2dConfig::same(3));
    let y = if doubles { x_as.upsample2_conv2d(&w_as, None, same)? } else { x_as.conv2d_avg_pool2(&w_as, None, same)? };
    let y = y.to_dtype(DType::F32)?;
    let loss = y.mul(&array(y.dims(), 1.0, 3)?)?.sum()?;
    let gradients = grad_of_scalar(&loss, &[&x, &w], GraphMode::Free)?;
    let numbers = |var: &Var| Ok(var.to_vec::<f32>()?.into_iter().map(f64::from).collect());
    [&y, &gradients[0], &gradients[1]].into_iter().map(numbers).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn a_filter_that_is_folded_ahead_of_rounding_costs_nothing() -> Result<()> {
    if let Err(error) = Device::Emulated.open() {
        // Past the test harness, which would swallow it.
        writeln!(std::io::stderr(), "skipped: {error}")?;
        return Ok(());
    }
    for doubles in [true, false] {
        let exact = parts(doubles, DType::F32, DType::F32)?;
        let off = |filter| -> Result<Vec<f64>> {
            let rounded = parts(doubles, DType::BF16, filter)?;
            let share = |(exact, rounded): (&Vec<f64>, &Vec<f64>)| {
                distance(exact, rounded) / distance(exact, &vec![0.0; exact.len()])
            };
            Ok(exact.iter().zip(&rounded).map(share).collect())
        };
        // A filter in BF16 is not folded.
        let (folded, plain) = (off(DType::F32)?, off(DType::BF16)?);
        eprintln!("doubles {doubles}: value and gradients off by {folded:.5?} folded, {plain:.5?} not folded");
        assert!(folded.iter().zip(&plain).all(|(folded, plain)| *folded < 1.1 * plain), "{folded:?} and {plain:?}");
    }
    Ok(())
}
