//! Kind `metrics`, cases of LPIPS and of the path length's parts.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use frugan_autograd::{DType, GraphMode, Tensor, Var, grad_of_scalar};
use frugan_metrics::{Lpips, LpipsNet, PathLength, lerp, slerp};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;
use super::formula::uniforms;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    match case {
        "lpips" => Some(lpips),
        "ppl_interp" => Some(interpolation),
        "ppl_reduce" => Some(reduction),
        _ => None,
    }
}

#[derive(Deserialize)]
struct Config {
    net: String,
    /// The reference's names, a convolution's weight and bias in turn, then the heads twice: by attribute and in a list.
    state_names: Vec<String>,
}

fn lpips(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let config: Config = file.config()?;
    let net = match config.net.as_str() {
        "alex" => LpipsNet::AlexNet,
        "vgg" => LpipsNet::Vgg16,
        other => bail!("unknown net {other}"),
    };
    let lpips = Lpips::from_tensors(net, &weights(net, &config.state_names)?)?;
    let (a, b) = (file.constant("in.in0")?, file.constant("in.in1")?);
    for (i, tap) in lpips.tap_distances(&a, &b)?.iter().enumerate() {
        check.var(&format!("out.layer{i}"), tap)?;
    }
    check.var("out.total", &lpips.distance(&a, &b)?)?;
    // In f64: in the case of VGG16 the two largest values of one pooling window lie 6e-7 apart, and in f32 the order of a
    // sum decides which of them the gradient goes to.
    let lpips = lpips.to_dtype(DType::F64)?;
    let double = |name: &str| file.array(name)?.to_tensor(DType::F64);
    let (a, b) = (Var::leaf(double("in.in0")?), Var::constant(double("in.in1")?));
    let total = lpips.distance(&a, &b)?.sum()?;
    check.var("grad.in0", &grad_of_scalar(&total, &[&a], GraphMode::Free)?[0])
}

/// Weights by formula. A head stands under two names in the reference; the one in the list is loaded last.
fn weights(net: LpipsNet, state_names: &[String]) -> Result<BTreeMap<String, Tensor>> {
    let trunk = state_names.iter().filter(|name| name.starts_with("net."));
    let names = trunk.chain(state_names.iter().filter(|name| name.starts_with("lins.")));
    let tensors = net.tensors();
    let mut weights = BTreeMap::new();
    for ((ours, shape), theirs) in tensors.into_iter().zip(names) {
        let fan_in: usize = shape[1..].iter().product();
        let scale = (6.0 / fan_in as f64).sqrt();
        let value = |u: f64| match (theirs.starts_with("net."), theirs.ends_with("bias")) {
            (true, true) => 0.1 * (2.0 * u - 1.0),
            (true, false) => scale * (2.0 * u - 1.0),
            (false, _) => u,
        };
        let uniforms = uniforms(&format!("lpips/{theirs}"), shape.iter().product());
        let values: Vec<f32> = uniforms.map(|u| value(u) as f32).collect();
        weights.insert(ours, Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?);
    }
    Ok(weights)
}

fn interpolation(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let (a, b) = (file.array("in.a")?, file.array("in.b")?);
    let dims = *a.shape.last().context("in.a is a scalar")?;
    for (name, places) in [("out.slerp", "in.t"), ("out.slerp_eps", "in.t_eps")] {
        let (a, b) = (a.to_f32(), b.to_f32());
        let rows = a.chunks(dims).zip(b.chunks(dims)).zip(&file.array(places)?.values);
        let points: Vec<f32> = rows.flat_map(|((a, b), t)| slerp(a, b, *t)).collect();
        check.f32s(name, &points)?;
    }
    check.var("out.lerp", &lerp(&file.constant("in.a")?, &file.constant("in.b")?, &file.constant("in.t")?)?)
}

fn reduction(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let length = PathLength::of(&file.array("in.dist")?.values)?;
    check.value("out.lo", length.low)?;
    check.value("out.hi", length.high)?;
    check.value("out.ppl", length.mean)
}
