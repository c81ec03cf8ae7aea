//! Kind `ada`, case `r1_augmented`: R1 of D by the reals ahead of ADA's pipe, with its gradient, a second derivative through
//! D and the pipe alike.
//!
//! In f64: the penalty differentiates the resampling and D twice, which magnifies the rounding of f32 to the files' tolerance.

use anyhow::Result;
use frugan_augment::ada::Pipe;
use frugan_autograd::{DType, GraphMode, Var, grad_of_scalar};
use frugan_losses::r1_penalty;
use frugan_nn::Mode;
use serde::Deserialize;

use super::ada::pipe_draws;
use super::check::Check;
use super::file::GoldenFile;
use super::sg2_models::{classes, networks};

const DTYPE: DType = DType::F64;

#[derive(Deserialize)]
struct Config {
    on: Vec<String>,
    p: f64,
    r1_gamma: f64,
}

pub(super) fn check(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let config: Config = file.config()?;
    let pipe = Pipe::parse(&config.on.join(","))?;
    let d = networks(file, DTYPE)?.discriminator;
    d.params().load(&file.state("param.", DTYPE)?)?;
    let x = Var::leaf(file.array("in.x")?.to_tensor(DTYPE)?);
    let draws = pipe_draws(&pipe, x.dims4()?.1, &mut file.draws())?;
    let augmented = pipe.apply(&x, &draws, config.p)?;
    check.var("out.augmented", &augmented)?;
    let logits = d.logits(&augmented, &classes(file.array("in.c")?), Mode::Train)?;
    check.var("out.logits", &logits)?;
    check.var("out.r1_grads", &grad_of_scalar(&logits.sum()?, &[&x], GraphMode::Keep)?[0])?;
    let penalty = r1_penalty(&logits, &x)?;
    check.var("out.r1_penalty", &penalty)?;
    let loss = penalty.mean()?.scale(config.r1_gamma / 2.0)?;
    let gradients = grad_of_scalar(&loss, &d.params().weights(), GraphMode::Free)?;
    for ((name, _), gradient) in d.params().named_weights().zip(&gradients) {
        check.var(&format!("grad2.param.{name}"), gradient)?;
    }
    Ok(())
}
