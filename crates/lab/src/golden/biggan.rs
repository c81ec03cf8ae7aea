//! Kind `biggan`: the networks of BigGAN and their parts, forward, gradient and buffers.

use anyhow::{Context, Result, ensure};
use frugan_autograd::{DType, Device, GraphMode, Tensor, Var, grad};
use frugan_losses::orthogonal_gradient;
use frugan_models::{BigganConfig, ModelConfig, Models, Placement};
use frugan_nn::{Builder, Init, LayerOptions, Mode, Params, Purpose, SelfAttention, SpectralNormOptions};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::GoldenFile;
use super::formula::signed;

const RESOLUTION: usize = 32;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    Some(match case {
        "g_train" => |file, check| generator(file, check, Mode::Train),
        "g_eval" => |file, check| generator(file, check, Mode::Running),
        "d_train" => |file, check| discriminator(file, check, Mode::Train),
        "d_eval" => |file, check| discriminator(file, check, Mode::Running),
        "full" => full,
        "attention" => attention,
        "ortho_reg" => ortho,
        _ => return None,
    })
}

/// What the files say of the networks; the rest is as published.
#[derive(Deserialize)]
struct Config {
    ch: usize,
    n_classes: usize,
    dim_z: usize,
    #[serde(rename = "SN_eps")]
    sn_eps: Option<f64>,
    #[serde(rename = "BN_eps")]
    bn_eps: Option<f64>,
}

/// BigGAN as a file's config describes it, with first weights of its own.
pub(super) fn networks(file: &GoldenFile, dtype: DType) -> Result<Models> {
    let Config { ch, n_classes, dim_z, sn_eps, bn_eps } = file.config()?;
    let published = BigganConfig::default();
    let config = BigganConfig {
        g_ch: ch,
        d_ch: ch,
        latent_dim: dim_z,
        sn_eps: sn_eps.unwrap_or(published.sn_eps),
        bn_eps: bn_eps.unwrap_or(published.bn_eps),
        ..published
    };
    let placement = Placement { dtype, ..Placement::default() };
    Ok(ModelConfig::Biggan(config).build_at(n_classes, RESOLUTION, 0, placement)?)
}

fn generator(file: &GoldenFile, check: &mut Check, mode: Mode) -> Result<()> {
    let models = networks(file, DType::F32)?;
    let params = models.generator.params();
    params.load(&file.state("param.", DType::F32)?)?;
    let z = file.leaf("in.z")?;
    let y = models.generator.generate(&z, &file.ints("in.y")?, mode)?;
    gradients(file, check, ("z", &z), params, &y)
}

fn discriminator(file: &GoldenFile, check: &mut Check, mode: Mode) -> Result<()> {
    let models = networks(file, DType::F32)?;
    let params = models.discriminator.params();
    params.load(&file.state("param.", DType::F32)?)?;
    let x = file.leaf("in.x")?;
    let y = models.discriminator.logits(&x, &file.ints("in.y")?, mode)?;
    gradients(file, check, ("x", &x), params, &y)
}

/// The output, its gradients to the input and all weights, and the buffers after the pass.
fn gradients(
    file: &GoldenFile,
    check: &mut Check,
    (name, input): (&str, &Var),
    params: &Params,
    y: &Var,
) -> Result<()> {
    check.var("out.y", y)?;
    let inputs: Vec<&Var> = std::iter::once(input).chain(params.weights()).collect();
    let gradients = grad(&[y], &[&file.constant("in.cotangent")?], &inputs, GraphMode::Free)?;
    check.var(&format!("grad.{name}"), &gradients[0])?;
    for ((weight, _), gradient) in params.named_weights().zip(&gradients[1..]) {
        check.var(&format!("grad.param.{weight}"), gradient)?;
    }
    for (buffer, _) in file.below("out.buffer.") {
        let got = params.get(buffer).with_context(|| format!("the network has no buffer {buffer}"))?;
        check.var(&format!("out.buffer.{buffer}"), got)?;
    }
    Ok(())
}

/// The published size, on weights by formula: with running statistics, which changes nothing, then in training mode.
///
/// In f64: behind 13 layers of 256 channels the rounding of f32 (1.5e-5 by Winograd's convolution) is as large as the
/// file's tolerance. The smaller networks and their gradients are checked in f32.
fn full(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Sizes {
        #[serde(rename = "nG")]
        num_g: usize,
        #[serde(rename = "nD")]
        num_d: usize,
    }
    let Models { generator, discriminator } = networks(file, DType::F64)?;
    let networks = [("G", generator.params()), ("D", discriminator.params())];
    let Sizes { num_g, num_d } = file.config()?;
    for ((letter, params), wanted) in networks.iter().zip([num_g, num_d]) {
        let count = params.count_weights();
        ensure!(count == wanted, "{letter} has {count} parameters, the reference {wanted}");
        params.load(&by_formula(letter, params)?)?;
    }
    for (name, _) in file.below("check.") {
        check.values(&format!("check.{name}"), state(&networks, name)?.into_iter().take(4))?;
    }
    let exact = |name: &str| Ok::<_, anyhow::Error>(file.constant(name)?.to_dtype(DType::F64)?);
    let (z, x, labels) = (exact("in.z")?, exact("in.x")?, file.ints("in.y")?);
    for (mode, name) in [(Mode::Running, "eval"), (Mode::Train, "train")] {
        check.var(&format!("out.img_{name}"), &generator.generate(&z, &labels, mode)?)?;
        check.var(&format!("out.logits_{name}"), &discriminator.logits(&x, &labels, mode)?)?;
    }
    for (name, _) in file.below("out.").filter(|(name, _)| name.starts_with("G.") || name.starts_with("D.")) {
        check.values(&format!("out.{name}"), state(&networks, name)?)?;
    }
    Ok(())
}

/// The weight or buffer `G.name` or `D.name`.
fn state(networks: &[(&str, &Params)], name: &str) -> Result<Vec<f64>> {
    let found = networks.iter().find_map(|(letter, params)| params.get(name.strip_prefix(letter)?.strip_prefix('.')?));
    Ok(found.with_context(|| format!("no network has {name}"))?.to_vec::<f64>()?)
}

fn by_formula(letter: &str, params: &Params) -> Result<std::collections::BTreeMap<String, Tensor>> {
    let mut tensors = std::collections::BTreeMap::new();
    for (name, _, var) in params.iter() {
        let (offset, scale) = formula_of(name);
        // The formula's numbers are rounded to f32, whatever they are computed in later.
        let values = signed(&format!("{letter}/{name}"), var.elem_count()).map(|s| (offset + scale * s) as f32);
        let values: Vec<f64> = values.map(f64::from).collect();
        let tensor = Tensor::from_vec(values, var.dims(), &candle_core::Device::Cpu)?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// (offset, scale) of the formula's numbers on [-1, 1).
fn formula_of(name: &str) -> (f64, f64) {
    let embedding = name.ends_with(".gain.weight") || name.ends_with(".bias.weight");
    match name.rsplit('.').next() {
        _ if embedding => (0.0, 0.2),
        Some("stored_var") => (1.0, 0.3),
        Some("stored_mean") => (0.0, 0.2),
        Some("gain") => (1.0, 0.1),
        Some("sv0") => (1.0, 0.0),
        Some("u0") => (0.0, 1.0),
        Some("bias") => (0.0, 0.1),
        _ => (0.0, 0.05),
    }
}

fn attention(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        ch: usize,
        #[serde(rename = "SN_eps")]
        sn_eps: f64,
    }
    let Config { ch, sn_eps } = file.config()?;
    let builder = Builder::new(0, Purpose::new("golden"), DType::F32, &Device::Cpu);
    let spectral = SpectralNormOptions { eps: sn_eps, ..SpectralNormOptions::default() };
    let options = LayerOptions { init: Init::N02, bias: false, spectral: Some(spectral) };
    let layer = SelfAttention::new(&builder, ch, &options)?;
    let params = builder.finish();
    params.load(&file.state("param.", DType::F32)?)?;
    let x = file.leaf("in.x")?;
    let y = layer.forward(&x, Mode::Train)?;
    gradients(file, check, ("x", &x), &params, &y)
}

fn ortho(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        strength: f64,
    }
    let strength = file.config::<Config>()?.strength;
    check.var("out.added_grad", &orthogonal_gradient(&file.constant("in.w")?, strength)?)
}
