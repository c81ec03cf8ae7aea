//! Every golden file of kind `losses`, and BigGAN's orthogonal regularisation, at their tolerances.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod golden_file;

use frugan_autograd::{DType, Device, GraphMode, Result, Var, grad_of_scalar};
use frugan_losses::{
    Adversarial, Lecam, LecamConfig, consistency, lecam_penalty, orthogonal_gradient, wasserstein_drift,
};
use golden_file::{Golden, golden};

/// Compares `out.<name>` with the value and `grad.<name>.*` with the gradients of its sum.
fn check(file: &Golden, name: &str, value: &Var, inputs: &[(&str, &Var)]) -> Result<()> {
    file.compare(&format!("out.{name}"), value)?;
    let leaves: Vec<&Var> = inputs.iter().map(|(_, input)| *input).collect();
    let gradients = grad_of_scalar(&value.sum()?, &leaves, GraphMode::Keep)?;
    for ((input, _), gradient) in inputs.iter().zip(&gradients) {
        file.compare_if_present(&format!("grad.{name}.{input}"), gradient)?;
    }
    Ok(())
}

fn adversarial(case: &str, loss: Adversarial) -> Result<()> {
    let Some(file) = golden(&format!("losses_{case}")) else { return Ok(()) };
    let (real, fake) = (file.leaf("in.real")?, file.leaf("in.fake")?);
    let inputs = [("real", &real), ("fake", &fake)];
    let d = loss.discriminator(&real, &fake)?;
    check(&file, "d_real", &d.real, &inputs)?;
    check(&file, "d_fake", &d.fake, &inputs)?;
    if file.has("out.g") {
        check(&file, "g", &loss.generator(&fake, Some(&real))?, &inputs)?;
    }
    assert_eq!(d.total.item()?, d.real.item()? + d.fake.item()?);
    file.assert_complete();
    Ok(())
}

#[test]
fn hinge() -> Result<()> {
    adversarial("hinge", Adversarial::Hinge)
}

#[test]
fn logistic_is_bce_without_smoothing() -> Result<()> {
    adversarial("dcgan_softplus", Adversarial::NonSaturating)?;
    adversarial("dcgan_softplus", Adversarial::Bce { label_smoothing: 0.0 })
}

#[test]
fn least_squares_in_both_forms() -> Result<()> {
    adversarial("ls_standard", Adversarial::LeastSquares)?;
    adversarial("ls_lecam", Adversarial::LeastSquaresLecam)
}

#[test]
fn relativistic_average_hinge() -> Result<()> {
    adversarial("rahinge", Adversarial::RelativisticAverageHinge)
}

#[test]
fn logistic_per_sample() -> Result<()> {
    let Some(file) = golden("losses_nonsat_logistic_per_sample") else { return Ok(()) };
    let (real, fake) = (file.leaf("in.real")?, file.leaf("in.fake")?);
    let inputs = [("real", &real), ("fake", &fake)];
    let (d_real, d_fake) = Adversarial::NonSaturating.discriminator_per_sample(&real, &fake)?;
    check(&file, "d_real", &d_real, &inputs)?;
    check(&file, "d_fake", &d_fake, &inputs)?;
    check(&file, "g", &Adversarial::NonSaturating.generator_per_sample(&fake)?, &inputs)?;
    file.assert_complete();
    Ok(())
}

#[test]
fn wasserstein_and_its_drift() -> Result<()> {
    let Some(file) = golden("losses_wasserstein_eps") else { return Ok(()) };
    let (real, fake) = (file.leaf("in.real")?, file.leaf("in.fake")?);
    let inputs = [("real", &real), ("fake", &fake)];
    let plain = Adversarial::Wasserstein { drift: 0.0 }.discriminator(&real, &fake)?.total;
    check(&file, "d", &plain, &inputs)?;
    let drift = wasserstein_drift(&real, 0.001)?;
    check(&file, "eps_penalty", &drift, &inputs)?;
    check(&file, "g", &Adversarial::Wasserstein { drift: 0.001 }.generator(&fake, None)?, &inputs)?;
    let total = Adversarial::Wasserstein { drift: 0.001 }.discriminator(&real, &fake)?.total;
    assert_eq!(total.item()?, plain.item()? + drift.item()?);
    file.assert_complete();
    Ok(())
}

#[test]
fn consistency_reaches_both_sides() -> Result<()> {
    let Some(file) = golden("losses_cr") else { return Ok(()) };
    let (real, paired) = (file.leaf("in.real")?, file.leaf("in.real_aug")?);
    let penalty = consistency(&real, &paired)?.scale(10.0)?;
    check(&file, "cr", &penalty, &[("real", &real), ("real_aug", &paired)])?;
    file.assert_complete();
    Ok(())
}

#[test]
fn lecam_penalty_about_given_means() -> Result<()> {
    let Some(file) = golden("losses_lecam") else { return Ok(()) };
    let (real, fake) = (file.leaf("in.real")?, file.leaf("in.fake")?);
    let mean = |value| Var::full(value, &[], DType::F64, &Device::Cpu);
    let penalty = lecam_penalty(&real, &fake, &mean(0.7)?, &mean(-0.4)?)?;
    check(&file, "reg", &penalty, &[("real", &real), ("fake", &fake)])?;
    file.assert_complete();
    Ok(())
}

#[test]
fn lecam_means_over_eight_steps() -> Result<()> {
    let Some(file) = golden("losses_lecam_ema") else { return Ok(()) };
    let config = LecamConfig { weight: 1.0, decay: 0.9, start_itr: 3 };
    let mut lecam = Lecam::new(config, DType::F64, &Device::Cpu)?;
    let (real, fake) = (file.leaf("in.batch_mean_real")?, file.leaf("in.batch_mean_fake")?);
    let (mut reals, mut fakes) = (Vec::new(), Vec::new());
    for itr in 0..8 {
        let at = |means: &Var| means.narrow(0, itr, 1)?.reshape(&[]);
        lecam.observe(&at(&real)?, &at(&fake)?, itr as u64)?;
        reals.push(lecam.mean_real().copy()?.reshape(&[1])?);
        fakes.push(lecam.mean_fake().copy()?.reshape(&[1])?);
    }
    file.compare("out.ema_real", &frugan_autograd::concat(&reals.iter().collect::<Vec<_>>(), 0)?)?;
    file.compare("out.ema_fake", &frugan_autograd::concat(&fakes.iter().collect::<Vec<_>>(), 0)?)
}

#[test]
fn orthogonal_regularisation() -> Result<()> {
    let Some(file) = golden("biggan_ortho") else { return Ok(()) };
    file.compare("out.added_grad", &orthogonal_gradient(&file.leaf("in.w")?, 0.01)?)
}
