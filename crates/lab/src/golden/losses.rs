//! Kind `losses`: adversarial losses and regularisers on given logits, with their gradients.

use anyhow::Result;
use frugan_autograd::{DType, Device, GraphMode, Var, grad_of_scalar};
use frugan_losses::{Adversarial, Lecam, LecamConfig, consistency, lecam_penalty, wasserstein_drift};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    Some(match case {
        "hinge" => |file, check| adversarial(file, check, Adversarial::Hinge),
        "dcgan_softplus" => |file, check| adversarial(file, check, Adversarial::NonSaturating),
        "ls_standard" => |file, check| adversarial(file, check, Adversarial::LeastSquares),
        "ls_lecam" => |file, check| adversarial(file, check, Adversarial::LeastSquaresLecam),
        "nonsat_logistic_per_sample" => per_sample,
        "rahinge" => relativistic,
        "wasserstein_eps" => wasserstein,
        "cr" => cr,
        "lecam" => lecam,
        "lecam_ema" => lecam_means,
        _ => return None,
    })
}

/// Logits of reals and fakes, as leaves.
fn logits(file: &GoldenFile) -> Result<(Var, Var)> {
    Ok((file.leaf("in.real")?, file.leaf("in.fake")?))
}

fn adversarial(file: &GoldenFile, check: &mut Check, loss: Adversarial) -> Result<()> {
    let (real, fake) = logits(file)?;
    let d = loss.discriminator(&real, &fake)?;
    let g = loss.generator(&fake, None)?;
    outputs(check, &[("d_real", d.real), ("d_fake", d.fake), ("g", g)], &[("real", &real), ("fake", &fake)])
}

fn per_sample(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let (real, fake) = logits(file)?;
    let (d_real, d_fake) = Adversarial::NonSaturating.discriminator_per_sample(&real, &fake)?;
    let g = Adversarial::NonSaturating.generator_per_sample(&fake)?;
    outputs(check, &[("d_real", d_real), ("d_fake", d_fake), ("g", g)], &[("real", &real), ("fake", &fake)])
}

fn relativistic(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let (real, fake) = logits(file)?;
    let d = Adversarial::RelativisticAverageHinge.discriminator(&real, &fake)?;
    outputs(check, &[("d_real", d.real), ("d_fake", d.fake)], &[("real", &real), ("fake", &fake)])
}

fn wasserstein(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let (real, fake) = logits(file)?;
    let loss = Adversarial::Wasserstein { drift: 0.0 };
    let d = loss.discriminator(&real, &fake)?.total;
    let g = loss.generator(&fake, None)?;
    let drift = wasserstein_drift(&real, 0.001)?;
    outputs(check, &[("d", d), ("g", g), ("eps_penalty", drift)], &[("real", &real), ("fake", &fake)])
}

fn cr(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        weight: f64,
    }
    let (real, paired) = (file.leaf("in.real")?, file.leaf("in.real_aug")?);
    let penalty = consistency(&real, &paired)?.scale(file.config::<Config>()?.weight)?;
    outputs(check, &[("cr", penalty)], &[("real", &real), ("real_aug", &paired)])
}

fn lecam(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        ema_real: f64,
        ema_fake: f64,
    }
    let config: Config = file.config()?;
    let (real, fake) = logits(file)?;
    let mean = |value| Var::full(value, &[], DType::F32, &Device::Cpu);
    let penalty = lecam_penalty(&real, &fake, &mean(config.ema_real)?, &mean(config.ema_fake)?)?;
    outputs(check, &[("reg", penalty)], &[("real", &real), ("fake", &fake)])
}

fn lecam_means(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        decay: f64,
        start_itr: u64,
    }
    let Config { decay, start_itr } = file.config()?;
    let mut lecam = Lecam::new(LecamConfig { weight: 1.0, decay, start_itr }, DType::F32, &Device::Cpu)?;
    let (mut reals, mut fakes) = (Vec::new(), Vec::new());
    let batches = file.array("in.batch_mean_real")?.values.iter().zip(&file.array("in.batch_mean_fake")?.values);
    for ((&real, &fake), &itr) in batches.zip(&file.array("in.itr")?.values) {
        let mean = |value| Var::full(value, &[], DType::F32, &Device::Cpu);
        lecam.observe(&mean(real)?, &mean(fake)?, itr as u64)?;
        reals.push(lecam.mean_real().item()?);
        fakes.push(lecam.mean_fake().item()?);
    }
    check.values("out.ema_real", reals)?;
    check.values("out.ema_fake", fakes)
}

/// `out.NAME`, and `grad.NAME.INPUT` of the output's sum.
fn outputs(check: &mut Check, outputs: &[(&str, Var)], inputs: &[(&str, &Var)]) -> Result<()> {
    let vars: Vec<&Var> = inputs.iter().map(|(_, var)| *var).collect();
    for (name, output) in outputs {
        check.var(&format!("out.{name}"), output)?;
        let gradients = grad_of_scalar(&output.sum()?, &vars, GraphMode::Keep)?;
        for ((input, _), gradient) in inputs.iter().zip(&gradients) {
            check.var(&format!("grad.{name}.{input}"), gradient)?;
        }
    }
    Ok(())
}
