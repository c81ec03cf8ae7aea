//! Kind `optim`: Adam in both published forms, and both averages of weights.

use anyhow::{Context, Result};
use frugan_autograd::{DType, Device, Tensor, Var};
use frugan_nn::{Adam, AdamConfig, Builder, Ema, EpsPlacement, HalflifeEma, Init, Params, Purpose};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::{Array, GoldenFile};

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    match case {
        "adam" => Some(adam),
        "ema_biggan" => Some(ema),
        "ema_halflife" => Some(halflife),
        _ => None,
    }
}

/// Parameters that hold one vector, in f64: the references are.
fn vector(values: &[f64]) -> Result<Params> {
    let builder = Builder::new(0, Purpose::new("golden"), DType::F64, &Device::Cpu);
    builder.weight("w", &[values.len()], Init::ZEROS)?;
    let params = builder.finish();
    params.load(&[("w".to_owned(), tensor(values)?)].into())?;
    Ok(params)
}

fn tensor(values: &[f64]) -> Result<Tensor> {
    Ok(Tensor::from_slice(values, values.len(), &candle_core::Device::Cpu)?)
}

fn read(params: &Params) -> Result<Vec<f64>> {
    Ok(params.get("w").context("the vector is there")?.to_vec::<f64>()?)
}

fn rows(array: &Array) -> std::slice::ChunksExact<'_, f64> {
    array.values.chunks_exact(array.shape[1])
}

fn adam(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        lr: f64,
        betas: [f64; 2],
        eps: f64,
    }
    let Config { lr, betas: [beta1, beta2], eps } = file.config()?;
    for (name, eps_placement) in [("out.params", EpsPlacement::Torch), ("out.params_tf", EpsPlacement::Tf1)] {
        let params = vector(&file.array("in.params")?.values)?;
        let mut adam = Adam::new(AdamConfig { lr, beta1, beta2, eps, eps_placement }, &params)?;
        let mut steps = Vec::new();
        for gradient in rows(file.array("in.grads")?) {
            adam.step(&params, &[Var::constant(tensor(gradient)?)])?;
            steps.extend(read(&params)?);
        }
        check.values(name, steps)?;
        if eps_placement == EpsPlacement::Torch {
            let state = adam.state_tensors()?;
            check.values("out.exp_avg", state["exp_avg.w"].to_vec1::<f64>()?)?;
            check.values("out.exp_avg_sq", state["exp_avg_sq.w"].to_vec1::<f64>()?)?;
        }
    }
    Ok(())
}

fn ema(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        decay: f64,
        start_itr: u64,
        first_itr: u64,
    }
    let Config { decay, start_itr, first_itr } = file.config()?;
    let average = vector(&file.array("in.init")?.values)?;
    let mut steps = Vec::new();
    for (itr, source) in (first_itr..).zip(rows(file.array("in.source")?)) {
        Ema { decay, start_itr }.update(&average, &vector(source)?, itr)?;
        steps.extend(read(&average)?);
    }
    check.values("out.ema", steps)
}

fn halflife(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        batch: usize,
        ema_kimg: f64,
        rampup: Option<f64>,
        start_nimg: u64,
    }
    let Config { batch, ema_kimg, rampup, start_nimg } = file.config()?;
    let rule = HalflifeEma { ema_kimg, rampup };
    let average = vector(&file.array("in.init")?.values)?;
    let (mut decays, mut steps) = (Vec::new(), Vec::new());
    for (step, source) in rows(file.array("in.source")?).enumerate() {
        let cur_nimg = start_nimg + (step * batch) as u64;
        decays.push(rule.decay_at(batch, cur_nimg));
        rule.update(&average, &vector(source)?, batch, cur_nimg)?;
        steps.extend(read(&average)?);
    }
    check.values("out.beta", decays)?;
    check.values("out.ema", steps)
}
