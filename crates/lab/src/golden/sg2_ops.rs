//! Kind `sg2`, its ops: resampling, activations and convolutions of StyleGAN2, forward and gradient.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use frugan_autograd::{Activation, BiasAct, Fir, GraphMode, ModulatedConv2d, Resample, Upfirdn2d, Var, grad};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    Some(match case {
        "upfirdn2d" => upfirdn2d,
        "filter2d" => |file, check| resampled(file, check, |x, fir| x.filter2d(fir, 0, false, 1.0)),
        "upsample2d" => |file, check| resampled(file, check, |x, fir| x.upsample2d(fir, 2, false, 1.0)),
        "downsample2d" => |file, check| resampled(file, check, |x, fir| x.downsample2d(fir, 2, false, 1.0)),
        "bias_act" => bias_act,
        "conv2d_resample" => conv2d_resample,
        "modulated_conv2d" => modulated_conv2d,
        "mbstd" => minibatch_stddev,
        _ => return None,
    })
}

/// A filter as the scripts give it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Taps {
    OneAxis(Vec<f64>),
    Full(Vec<Vec<f64>>),
}

#[derive(Deserialize)]
struct Filter {
    filter_raw: Taps,
}

/// From this many taps on, a filter given by one axis stays separable; a smaller one becomes its outer product.
const MIN_SEPARABLE: usize = 8;

impl Filter {
    fn normalised(self) -> Fir {
        match self.filter_raw {
            Taps::OneAxis(taps) if taps.len() < MIN_SEPARABLE => Fir::outer(&taps),
            Taps::OneAxis(taps) => Fir::separable(&taps),
            Taps::Full(rows) => Fir::full(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        }
        .normalised()
    }
}

/// The same filter in two forms: from the config, and as all the taps that the reference stored.
fn filters(file: &GoldenFile) -> Result<[Fir; 2]> {
    let stored = file.array("in.f")?;
    let stored = match stored.shape[..] {
        [_] => Fir::separable(&stored.values),
        [_, width] => Fir::full(&stored.values.chunks_exact(width).collect::<Vec<_>>()),
        _ => bail!("in.f has shape {:?}, expected one or two axes", stored.shape),
    };
    Ok([file.config::<Filter>()?.normalised(), stored])
}

/// `out.y`, and the gradients of the named inputs.
fn outputs(file: &GoldenFile, check: &mut Check, y: &Var, inputs: &[(&str, &Var)]) -> Result<()> {
    check.var("out.y", y)?;
    let vars: Vec<&Var> = inputs.iter().map(|(_, var)| *var).collect();
    let gradients = grad(&[y], &[&file.constant("in.cotangent")?], &vars, GraphMode::Free)?;
    for ((name, _), gradient) in inputs.iter().zip(&gradients) {
        check.var(&format!("grad.{name}"), gradient)?;
    }
    Ok(())
}

/// One number for both axes, or `[x, y]`.
#[derive(Deserialize, Clone, Copy)]
#[serde(untagged)]
enum Factor {
    Both(usize),
    Each([usize; 2]),
}

impl From<Factor> for [usize; 2] {
    fn from(factor: Factor) -> Self {
        match factor {
            Factor::Both(factor) => [factor; 2],
            Factor::Each(factors) => factors,
        }
    }
}

fn upfirdn2d(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        up: Factor,
        down: Factor,
        padding: [isize; 4],
        flip_filter: bool,
        gain: f64,
    }
    let Config { up, down, padding, flip_filter: flip, gain } = file.config()?;
    let config = Upfirdn2d { up: up.into(), down: down.into(), padding, flip, gain };
    for fir in filters(file)? {
        let x = file.leaf("in.x")?;
        outputs(file, check, &x.upfirdn2d(&fir, &config)?, &[("x", &x)])?;
    }
    Ok(())
}

fn resampled(
    file: &GoldenFile,
    check: &mut Check,
    f: impl Fn(&Var, &Fir) -> frugan_autograd::Result<Var>,
) -> Result<()> {
    for fir in filters(file)? {
        check.var("out.y", &f(&file.constant("in.x")?, &fir)?)?;
    }
    Ok(())
}

fn bias_act(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Variant {
        alpha: Option<f64>,
        gain: Option<f64>,
        clamp: Option<f64>,
    }
    #[derive(Deserialize)]
    struct Config {
        variants: BTreeMap<String, Variant>,
    }
    let activations = [
        ("linear", Activation::Linear),
        ("relu", Activation::Relu),
        ("lrelu", Activation::Lrelu),
        ("tanh", Activation::Tanh),
        ("sigmoid", Activation::Sigmoid),
        ("elu", Activation::Elu),
        ("selu", Activation::Selu),
        ("softplus", Activation::Softplus),
        ("swish", Activation::Swish),
    ];
    let (x, b, cotangent) = (file.leaf("in.x")?, file.leaf("in.b")?, file.constant("in.cotangent")?);
    for (variant, Variant { alpha, gain, clamp }) in file.config::<Config>()?.variants {
        for (name, activation) in activations {
            let default = BiasAct::new(activation);
            let (alpha, gain) = (alpha.unwrap_or(default.alpha), gain.unwrap_or(default.gain));
            let y = x.bias_act(Some(&b), &BiasAct { activation, alpha, gain, clamp })?;
            check.var(&format!("out.{name}.{variant}"), &y)?;
            let gradients = grad(&[&y], &[&cotangent], &[&x, &b], GraphMode::Free)?;
            for (input, gradient) in ["x", "b"].iter().zip(&gradients) {
                check.var(&format!("grad.{name}.{variant}.{input}"), gradient)?;
            }
        }
    }
    Ok(())
}

fn conv2d_resample(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        up: usize,
        down: usize,
        padding: usize,
        flip_weight: bool,
    }
    let Config { up, down, padding, flip_weight } = file.config()?;
    let fir = file.config::<Filter>()?.normalised();
    let (x, w) = (file.leaf("in.x")?, file.leaf("in.w")?);
    let y = x.conv2d_resample(&w, Some(&fir), &Resample { up, down, padding, flip_weight })?;
    outputs(file, check, &y, &[("x", &x), ("w", &w)])
}

fn modulated_conv2d(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        up: usize,
        demodulate: bool,
        padding: usize,
        flip_weight: bool,
    }
    let Config { up, demodulate, padding, flip_weight } = file.config()?;
    let fir = file.config::<Filter>()?.normalised();
    let [x, w, styles, noise] = ["in.x", "in.w", "in.styles", "in.noise"].map(|name| file.leaf(name));
    let (x, w, styles, noise) = (x?, w?, styles?, noise?);
    let config = ModulatedConv2d { up, padding, demodulate, flip_weight };
    let y = x.modulated_conv2d(&w, &styles, &config, Some(&fir), Some(&noise))?;
    outputs(file, check, &y, &[("x", &x), ("w", &w), ("styles", &styles), ("noise", &noise)])
}

fn minibatch_stddev(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        group_size: Option<usize>,
        num_channels: usize,
    }
    let Config { group_size, num_channels } = file.config()?;
    let x = file.leaf("in.x")?;
    outputs(file, check, &x.minibatch_stddev(group_size, num_channels)?, &[("x", &x)])
}
