//! Changes in place.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::spread;
use frugan_autograd::update::{AdamStep, adam, assign, lerp};
use frugan_autograd::{DType, Result, Var};

fn array(len: usize, low: f64, high: f64, salt: u64, dtype: DType) -> Var {
    Var::leaf(spread(&[len], low, high, salt).unwrap().to_dtype(dtype).unwrap())
}

fn values(x: &Var) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().to_vec().unwrap()
}

#[test]
fn adam_follows_the_paper() -> Result<()> {
    for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6)] {
        let len = 20_000; // more than one chunk
        let (p, m, v) =
            (array(len, -1.0, 1.0, 1, dtype), array(len, 0.0, 0.0, 2, dtype), array(len, 0.0, 0.0, 3, dtype));
        let (mut wp, mut wm, mut wv) = (values(&p), values(&m), values(&v));
        for t in 1..=3 {
            let (lr, beta1, beta2, epsilon) = (2e-2, 0.5, 0.9, 1e-3);
            let g = array(len, -1.0, 1.0, 10 + t, dtype);
            adam(&AdamStep { lr, beta1, beta2, epsilon, step: t }, &p, &m, &v, &g)?;
            for (i, g) in values(&g).into_iter().enumerate() {
                wm[i] = beta1 * wm[i] + (1.0 - beta1) * g;
                wv[i] = beta2 * wv[i] + (1.0 - beta2) * g * g;
                let (mean, square) = (wm[i] / (1.0 - beta1.powi(t as i32)), wv[i] / (1.0 - beta2.powi(t as i32)));
                wp[i] -= lr * mean / (square.sqrt() + epsilon);
            }
        }
        for (got, want) in [(&p, &wp), (&m, &wm), (&v, &wv)] {
            assert!(values(got).iter().zip(want).all(|(got, want)| (got - want).abs() < tolerance));
        }
    }
    Ok(())
}

#[test]
fn a_moving_average_moves_by_its_weight() -> Result<()> {
    let (average, x) = (array(5, -1.0, 1.0, 1, DType::F64), array(5, -1.0, 1.0, 2, DType::F64));
    let before = values(&average);
    lerp(&average, &x, 0.25)?;
    for ((got, before), x) in values(&average).iter().zip(before).zip(values(&x)) {
        assert!((got - (0.75 * before + 0.25 * x)).abs() < 1e-15);
    }
    assign(&average, &x)?;
    assert_eq!(values(&average), values(&x));
    Ok(())
}

#[test]
fn a_copy_has_memory_of_its_own_and_a_clone_has_not() -> Result<()> {
    let x = array(3, -1.0, 1.0, 1, DType::F64);
    let (copy, clone, before) = (x.copy()?, x.clone(), values(&x));
    assert!(copy.requires_grad());
    assign(&x, &x.zeros_like()?)?;
    assert_eq!(values(&copy), before);
    assert_eq!(values(&clone), [0.0; 3]);
    Ok(())
}

/// A source within the target's own memory neither deadlocks nor reads what was just written.
#[test]
fn a_source_may_share_the_targets_memory() -> Result<()> {
    let x = array(6, -1.0, 1.0, 1, DType::F64);
    let before = values(&x);
    let (first, last) = (x.narrow(0, 0, 4)?, x.narrow(0, 2, 4)?);
    assign(&last, &first)?;
    assert_eq!(values(&last), before[..4]);
    assign(&x, &x)?;
    lerp(&x, &x, 0.5)?;
    assert_eq!(values(&x), [before[0], before[1], before[0], before[1], before[2], before[3]]);
    Ok(())
}
