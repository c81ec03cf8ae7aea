//! Balanced and latent consistency: formulas by hand, gradients against differences.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradgradcheck, spread};
use frugan_autograd::{GraphMode, Result, Tensor, Var, grad_of_scalar};
use frugan_losses::{BcrConfig, ZcrConfig};

fn column(values: &[f64]) -> Result<Var> {
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), (values.len(), 1), &candle_core::Device::Cpu)?))
}

#[test]
fn bcr_weighs_reals_and_fakes_apart() -> Result<()> {
    let config = BcrConfig { real: 10.0, fake: 3.0, ..Default::default() };
    let (real, real_a) = (column(&[1.0, 2.0])?, column(&[1.5, 0.0])?);
    let (fake, fake_a) = (column(&[-1.0, -2.0, 0.5])?, column(&[-1.0, 1.0, 0.0])?);
    let penalty = config.penalty((&real, &real_a), (&fake, &fake_a))?;
    // (0.25 + 4) / 2 on reals, (0 + 9 + 0.25) / 3 on fakes.
    assert!((penalty.item()? - (10.0 * 2.125 + 3.0 * 9.25 / 3.0)).abs() < 1e-12);
    let gradients = grad_of_scalar(&penalty, &[&real, &real_a, &fake], GraphMode::Free)?;
    assert_eq!(gradients[0].to_vec::<f64>()?, [-5.0, 20.0]);
    assert_eq!(gradients[1].to_vec::<f64>()?, [5.0, -20.0], "both sides take gradient");
    for (got, want) in gradients[2].to_vec::<f64>()?.into_iter().zip([0.0, -6.0, 1.0]) {
        assert!((got - want).abs() < 1e-12, "{got} for {want}");
    }
    Ok(())
}

#[test]
fn zcr_pulls_d_together_and_g_apart() -> Result<()> {
    let config = ZcrConfig { d_weight: 2.0, g_weight: 0.5, noise_std: 0.1 };
    let moved = config.moved(&column(&[1.0, -1.0])?, &column(&[3.0, -2.0])?)?;
    assert_eq!(moved.to_vec::<f64>()?, [1.0 + 0.1 * 3.0, -1.0 + 0.1 * -2.0]);
    let (here, there) = (column(&[1.0, 2.0])?, column(&[0.0, 4.0])?);
    assert_eq!(config.discriminator(&here, &there)?.item()?, 2.0 * 2.5);
    let g = config.generator(&here, &there)?;
    assert_eq!(g.item()?, -0.5 * 2.5);
    let gradients = grad_of_scalar(&g, &[&here, &there], GraphMode::Free)?;
    assert_eq!(gradients[0].to_vec::<f64>()?, [-0.5, 1.0]);
    assert_eq!(gradients[1].to_vec::<f64>()?, [0.5, -1.0]);
    Ok(())
}

#[test]
fn both_orders_of_gradients() -> Result<()> {
    let inputs = |count| (0..count).map(|i| spread(&[3, 2], -1.0, 1.0, i)).collect::<Result<Vec<_>>>();
    let (bcr, zcr) = (BcrConfig::default(), ZcrConfig::default());
    gradgradcheck(|v| bcr.penalty((&v[0], &v[1]), (&v[2], &v[3])), &inputs(4)?)?;
    gradgradcheck(|v| zcr.discriminator(&v[0], &v[1]), &inputs(2)?)?;
    gradgradcheck(|v| zcr.generator(&v[0], &v[1]), &inputs(2)?)
}
