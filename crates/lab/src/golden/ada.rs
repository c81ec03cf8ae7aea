//! Kind `ada`: ADA's pipe, forward and gradient; its filters and its controllers.

use anyhow::{Context, Result, ensure};
use frugan_augment::ada::{
    AdaConfig, Controller, ControllerKind, Draw, Draws, PMax, Pipe, Source, Step, Tally, filter_bank, low_pass,
};
use frugan_autograd::{GraphMode, grad};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::{Array, GoldenFile};

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    match case {
        "augment" => Some(augment),
        "filters" => Some(filters),
        "r1_augmented" => Some(super::ada_r1::check),
        "controller" => Some(|file, check| controller(file, check, ControllerKind::Rt)),
        "controller_rv" => Some(|file, check| controller(file, check, ControllerKind::Rv)),
        _ => None,
    }
}

#[derive(Deserialize)]
struct PipeConfig {
    on: Vec<String>,
    p: f64,
    debug_percentile: Option<f64>,
}

fn augment(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let config: PipeConfig = file.config()?;
    let mut pipe = Pipe::parse(&config.on.join(","))?;
    if let Some(percentile) = config.debug_percentile {
        pipe = pipe.at_percentile(percentile)?;
    }
    let x = file.leaf("in.x")?;
    let (batch, channels, height, width) = x.dims4()?;
    let draws = pipe_draws(&pipe, channels, &mut file.draws())?;
    let y = pipe.apply(&x, &draws, config.p)?;
    check.var("out.y", &y)?;
    let gradients = grad(&[&y], &[&file.constant("in.cotangent")?], &[&x], GraphMode::Free)?;
    check.var("grad.x", &gradients[0])?;
    if let Some(geometry) = pipe.geometry(&draws, config.p, [height, width])? {
        let ([left, right, top, bottom], [rows, columns]) = (geometry.margin(), geometry.grid());
        check.values("out.margin", [left, top, right, bottom].map(|v| v as f64))?;
        check.values("out.grid_size", [batch, channels, rows, columns].map(|v| v as f64))?;
        check.values("out.theta", geometry.theta().into_iter().flatten().flatten())?;
    }
    Ok(())
}

/// The draws of a pipe, taken from arrays that stand in the order in which the reference drew them.
pub(super) fn pipe_draws<'a>(
    pipe: &Pipe,
    channels: usize,
    arrays: &mut dyn Iterator<Item = (&'a str, &'a Array)>,
) -> Result<Draws> {
    let mut next = |step: Step| {
        let (name, array) = arrays.next().context("the file has fewer draws than its pipe takes")?;
        ensure!(name.split('.').next() == Some(step.name()), "draw {name} where one of {} is due", step.name());
        Ok(array.to_f32())
    };
    let mut draws = Vec::new();
    for step in pipe.steps(channels) {
        let (first, second) = (next(step)?, next(step)?);
        let (values, gates) = if step == Step::Cutout { (second, first) } else { (first, second) };
        let pixels = if step == Step::Noise { next(step)? } else { Vec::new() };
        draws.push(Draw { step, values, gates, pixels });
    }
    Ok(Draws::new(draws)?)
}

fn filters(_: &GoldenFile, check: &mut Check) -> Result<()> {
    check.values("out.Hz_geom", low_pass())?;
    check.values("out.Hz_fbank", filter_bank().into_iter().flatten())
}

fn controller(file: &GoldenFile, check: &mut Check, kind: ControllerKind) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        batch: usize,
        target: f64,
        ada_kimg: f64,
        interval: u64,
        p0: f64,
    }
    let config: Config = file.config()?;
    let mut controller = Controller::new(&AdaConfig {
        controller: kind,
        p: config.p0,
        target: Some(config.target),
        kimg: config.ada_kimg,
        interval: config.interval,
        p_max: PMax::None,
        ..AdaConfig::default()
    })?;
    // The means of one window each, in place of the sums that a run adds up.
    let inputs = match kind {
        ControllerKind::Rv => {
            vec![(Source::Real, "in.score_real"), (Source::Fake, "in.score_fake"), (Source::HeldOut, "in.score_valid")]
        }
        _ => vec![(Source::Real, "in.r_t")],
    };
    let (mut p, mut statistics) = (Vec::new(), Vec::new());
    for window in 0..file.array("out.p")?.values.len() {
        for (source, name) in &inputs {
            let mean = *file.array(name)?.values.get(window).with_context(|| format!("{name} is too short"))?;
            controller.add(*source, Tally { sum: mean, count: 1 });
        }
        for _ in 0..config.interval {
            if let Some(update) = controller.end_iteration(config.batch) {
                p.push(update.p);
                statistics.extend(update.statistic);
            }
        }
    }
    check.values("out.p", p)?;
    if kind == ControllerKind::Rv { check.values("out.r_v", statistics) } else { Ok(()) }
}
