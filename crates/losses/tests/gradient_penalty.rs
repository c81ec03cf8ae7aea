//! WGAN-GP and DRAGAN: where the gradient is taken, its norm, and the penalty's slope by the critic's weights.
#![allow(clippy::unwrap_used)]

use frugan_autograd::check::{gradcheck, spread};
use frugan_autograd::{Conv2dConfig, GraphMode, Result, Tensor, Var, grad_of_scalar};
use frugan_losses::{GradientPenaltyConfig, GradientPenaltyKind, gradient_norms};

const WGAN_GP: GradientPenaltyConfig =
    GradientPenaltyConfig { kind: GradientPenaltyKind::WganGp, weight: 10.0, target: 1.0, spread: 0.5 };
const DRAGAN: GradientPenaltyConfig = GradientPenaltyConfig { kind: GradientPenaltyKind::Dragan, ..WGAN_GP };

/// `[n, 1, 1, 2]`
fn images(values: &[f64]) -> Result<Var> {
    Ok(Var::leaf(Tensor::from_vec(values.to_vec(), (values.len() / 2, 1, 1, 2), &candle_core::Device::Cpu)?))
}

fn draws(values: &[f64]) -> Result<Var> {
    Ok(Var::from(Tensor::from_vec(values.to_vec(), values.len(), &candle_core::Device::Cpu)?))
}

#[test]
fn wgan_gps_points_lie_between_reals_and_fakes() -> Result<()> {
    let points =
        WGAN_GP.points(&images(&[1., 2., 3., 4.])?, &images(&[-1., 0., 5., 8.])?, &draws(&[0.75, 0.0])?, None)?;
    assert_eq!(points.dims(), [2, 1, 1, 2]);
    assert_eq!(points.to_vec::<f64>()?, [0.5, 1.5, 5.0, 8.0]);
    assert!(!points.requires_grad());
    Ok(())
}

#[test]
fn dragans_points_lie_above_reals() -> Result<()> {
    let real = images(&[1., 3., 3., 1.])?; // mean 2, standard deviation 1
    let noise = images(&[0.0, 1.0, 0.5, 0.25])?;
    let points = DRAGAN.points(&real, &images(&[9.; 4])?, &draws(&[0.5, 1.0])?, Some(&noise))?;
    assert_eq!(points.to_vec::<f64>()?, [1.0, 3.25, 3.25, 1.125]);
    let error = DRAGAN.points(&real, &real, &draws(&[0.5, 1.0])?, None).unwrap_err().to_string();
    assert!(error.contains("dragan") && error.contains("one draw a pixel"), "{error}");
    assert!(DRAGAN.needs_noise() && !WGAN_GP.needs_noise());
    Ok(())
}

/// A quadratic critic `a |x|^2 / 2` has gradient `a x`.
#[test]
fn norms_and_penalty_are_their_formulas() -> Result<()> {
    let points = images(&[3.0, 4.0, 0.0, 0.5])?;
    let a = Var::leaf(Tensor::new(2f64, &candle_core::Device::Cpu)?);
    let critic = |x: &Var| x.square()?.sum_keep(&[1, 2, 3])?.mul(&a)?.scale(0.5);
    let norms = gradient_norms(critic, &points)?;
    assert_eq!(norms.dims(), [2]);
    for (got, want) in norms.to_vec::<f64>()?.into_iter().zip([10.0, 1.0]) {
        assert!((got - want).abs() < 1e-9, "{got} for {want}");
    }
    let penalty = WGAN_GP.penalty(critic, &points)?;
    assert!((penalty.item()? - 10.0 * 81.0 / 2.0).abs() < 1e-8);
    // d/da of 5 ((5a - 1)^2 + (a/2 - 1)^2) at a = 2.
    let slope = grad_of_scalar(&penalty, &[&a], GraphMode::Free)?[0].item()?;
    assert!((slope - 450.0).abs() < 1e-7, "{slope}");
    Ok(())
}

/// A gradient of 0 is penalised, and its own gradient is finite.
#[test]
fn a_flat_critic_gives_finite_numbers() -> Result<()> {
    let a = Var::leaf(Tensor::new(0f64, &candle_core::Device::Cpu)?);
    let penalty = WGAN_GP.penalty(|x| x.sum_keep(&[1, 2, 3])?.mul(&a), &images(&[1.0; 4])?)?;
    assert!((penalty.item()? - 10.0).abs() < 1e-4);
    assert!(grad_of_scalar(&penalty, &[&a], GraphMode::Free)?[0].item()?.is_finite());
    Ok(())
}

/// By the weights of a small convolutional critic, through the points of both kinds.
#[test]
fn the_penaltys_gradient_is_its_slope() -> Result<()> {
    let weights = [spread(&[3, 2, 3, 3], -0.5, 0.5, 1)?, spread(&[1, 3, 3, 3], -0.5, 0.5, 2)?];
    let at = |salt| spread(&[2, 2, 4, 4], -1.0, 1.0, salt).map(Var::from);
    let (real, fake, noise) = (at(3)?, at(4)?, at(5)?);
    for config in [WGAN_GP, DRAGAN] {
        let points = config.points(&real, &fake, &draws(&[0.3, 0.8])?, Some(&noise))?;
        let penalty = |w: &[Var]| {
            let critic = |x: &Var| {
                let h = x.conv2d(&w[0], None, Conv2dConfig::same(3))?.softplus()?;
                h.conv2d(&w[1], None, Conv2dConfig::same(3))?.tanh()?.sum_keep(&[1, 2, 3])
            };
            config.penalty(critic, &points)
        };
        gradcheck(penalty, &weights)?;
    }
    Ok(())
}
