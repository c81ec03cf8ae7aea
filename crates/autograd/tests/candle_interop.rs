//! Functions of Vars inside candle's own graph.
#![allow(clippy::unwrap_used)]

use candle_core::{Device, Tensor, Var as CandleVar};
use frugan_autograd::check::spread;
use frugan_autograd::{Conv2dConfig, GraphMode, Ints, Result, Var, candle, grad, no_grad};

fn variable(shape: &[usize], salt: u64) -> CandleVar {
    CandleVar::from_tensor(&spread(shape, -1.0, 1.0, salt).unwrap()).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// What an augmentation looks like: shifts, boxes, a colour change.
fn augment(x: &Var) -> Result<Var> {
    let x = x.shift(&Ints::from(vec![1, -1]), &Ints::from(vec![0, 2]))?;
    let x = x.erase(&Ints::from(vec![0, 1]), &Ints::from(vec![1, 2]), 2, 2)?;
    x.sub(&x.mean_keep(&[1])?)?.scale(1.5)?.tanh()
}

#[test]
fn gradients_are_the_tapes() -> Result<()> {
    let (x, w) = (variable(&[2, 3, 5, 4], 1), variable(&[2, 3, 3, 3], 2));
    let f = |x: &Var, w: &Var| augment(x)?.conv2d(w, None, Conv2dConfig::same(3));
    let y = candle::apply2(x.as_tensor(), w.as_tensor(), f)?;
    let cotangent = spread(y.dims(), -1.0, 1.0, 3)?;
    let store = (&y * &cotangent)?.sum_all()?.backward()?;

    let (vx, vw) = (Var::leaf(x.as_tensor().clone()), Var::leaf(w.as_tensor().clone()));
    let want = f(&vx, &vw)?;
    let gradients = grad(&[&want], &[&cotangent.into()], &[&vx, &vw], GraphMode::Free)?;
    assert_eq!(values(&y), want.to_vec::<f64>()?);
    assert_eq!(values(store.get(&x).unwrap()), gradients[0].to_vec::<f64>()?);
    assert_eq!(values(store.get(&w).unwrap()), gradients[1].to_vec::<f64>()?);
    Ok(())
}

/// Between candle's ops before and after, and beside another use of the same tensor.
#[test]
fn candles_chain_rule_runs_through() -> Result<()> {
    let (x, w) = (variable(&[3, 4], 1), variable(&[4, 2], 2));
    let loss = |ours: bool| -> Result<(f64, Tensor, Tensor)> {
        let h = x.as_tensor().matmul(w.as_tensor())?;
        let a =
            if ours { candle::apply1(&h, |h| h.square()?.scale(0.5)?.tanh())? } else { (h.sqr()? * 0.5)?.tanh()? };
        let b = if ours {
            candle::apply3(&h, &a, w.as_tensor(), |h, a, w| h.mul(a)?.matmul_t(w))?
        } else {
            (&h * &a)?.matmul(&w.as_tensor().t()?)?
        };
        let loss = (b.sqr()?.sum_all()? + h.sum_all()?)?;
        let store = loss.backward()?;
        Ok((loss.to_scalar()?, store.get(&x).unwrap().clone(), store.get(&w).unwrap().clone()))
    };
    let ((got, gx, gw), (want, wx, ww)) = (loss(true)?, loss(false)?);
    assert!((got - want).abs() < 1e-12 * want.abs());
    for (got, want) in values(&gx).iter().chain(&values(&gw)).zip(values(&wx).iter().chain(&values(&ww))) {
        assert!((got - want).abs() < 1e-11, "{got} for {want}");
    }
    Ok(())
}

#[test]
fn an_input_that_candle_does_not_track_gets_none() -> Result<()> {
    let (x, fixed) = (variable(&[3], 1), spread(&[3], -1.0, 1.0, 2)?);
    let y = candle::apply2(x.as_tensor(), &fixed, |x, fixed| {
        assert!(x.requires_grad() && !fixed.requires_grad());
        x.mul(fixed)
    })?;
    let store = y.sum_all()?.backward()?;
    assert_eq!(values(store.get(&x).unwrap()), values(&fixed));
    assert!(store.get(&fixed).is_none());
    let y = candle::apply1(&fixed, |x| {
        assert!(!x.requires_grad());
        x.square()
    })?;
    assert_eq!(values(&y), values(&fixed.sqr()?));
    Ok(())
}

#[test]
fn it_records_even_where_the_tape_is_off() -> Result<()> {
    let x = variable(&[3], 1);
    let y = no_grad(|| candle::apply1(x.as_tensor(), Var::square))?;
    let first = y.sum_all()?.backward()?;
    let second = y.sum_all()?.backward()?;
    assert_eq!(values(first.get(&x).unwrap()), values(&(x.as_tensor() * 2.0)?));
    assert_eq!(values(first.get(&x).unwrap()), values(second.get(&x).unwrap()));
    Ok(())
}

#[test]
fn errors_come_through() {
    let x = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
    let error = candle::apply1(&x, |x| x.reshape(&[2])).unwrap_err().to_string();
    assert!(error.contains("reshape") && error.contains("[3]"), "{error}");
    let x = Tensor::zeros(3, candle_core::DType::U32, &Device::Cpu).unwrap();
    let error = candle::apply1(&x, |x| x.exp()).unwrap_err().to_string();
    assert!(error.contains("exp") && error.contains("F32 or F64"), "{error}");
}
