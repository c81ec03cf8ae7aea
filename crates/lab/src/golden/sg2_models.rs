//! Kind `sg2`: the networks of StyleGAN2, forward, gradients and R1's second gradients.
//!
//! The published sizes run in f64, as BigGAN's, and so does the phase of the path length; all else in f32.

use anyhow::{Context, Result, ensure};
use frugan_autograd::{DType, Device, GraphMode, Ints, Tensor, Var, grad, grad_of_scalar, no_grad};
use frugan_losses::r1_penalty;
use frugan_models::{
    LabelEmbedding, MappingNetwork, MappingOptions, ModelConfig, Models, Noise, Placement, StyleGan2Architecture,
    StyleGan2Config, SynthesisNetwork, Truncation,
};
use frugan_nn::{Builder, Mode, Params, Purpose};
use serde::Deserialize;

use super::CheckKind;
use super::check::Check;
use super::file::{Array, GoldenFile};
use super::formula::signed;
use super::sg2_phase;

const RESOLUTION: usize = 32;

pub(super) fn check_of(case: &str) -> Option<CheckKind> {
    Some(match case {
        "mapping" => mapping,
        "synthesis" => synthesis,
        "discriminator" => discriminator,
        "r1" => r1,
        "full" => full,
        "phase" => sg2_phase::check,
        _ => return None,
    })
}

/// What the files say of the networks.
#[derive(Deserialize)]
struct Config {
    c_dim: Option<usize>,
    z_dim: Option<usize>,
    w_dim: Option<usize>,
    channel_base: usize,
    channel_max: usize,
    /// Of the network that the case is about.
    architecture: Option<StyleGan2Architecture>,
    d_architecture: Option<StyleGan2Architecture>,
    mapping_layers: Option<usize>,
    d_mapping_layers: Option<usize>,
    mbstd_group_size: Option<usize>,
    conv_clamp: Option<f64>,
}

impl Config {
    fn model(&self) -> StyleGan2Config {
        let published = StyleGan2Config::default();
        StyleGan2Config {
            latent_dim: self.z_dim.unwrap_or(published.latent_dim),
            w_dim: self.w_dim.unwrap_or(published.w_dim),
            channel_base: self.channel_base,
            channel_max: self.channel_max,
            mapping_layers: self.mapping_layers.unwrap_or(published.mapping_layers),
            d_mapping_layers: self.d_mapping_layers.unwrap_or(published.d_mapping_layers),
            g_architecture: self.architecture.unwrap_or(published.g_architecture),
            d_architecture: self.d_architecture.or(self.architecture).unwrap_or(published.d_architecture),
            mbstd_group: self.mbstd_group_size.unwrap_or(published.mbstd_group),
            conv_clamp: self.conv_clamp.unwrap_or(0.0),
            ..published
        }
    }
}

/// Both networks as a file's config describes them, with first weights of their own.
pub(super) fn networks(file: &GoldenFile, dtype: DType) -> Result<Models> {
    let config: Config = file.config()?;
    let placement = Placement { dtype, ..Placement::default() };
    let classes = config.c_dim.unwrap_or(0).max(1);
    Ok(ModelConfig::StyleGan2(config.model()).build_at(classes, RESOLUTION, 0, placement)?)
}

/// Classes of one-hot rows; zeros where the rows have no columns.
pub(super) fn classes(array: &Array) -> Ints {
    let width = array.values.len() / array.shape[0];
    let class = |i: usize| array.values[i * width..(i + 1) * width].iter().position(|v| *v == 1.0).unwrap_or(0);
    (0..array.shape[0]).map(|i| class(i) as i32).collect()
}

fn builder(dtype: DType) -> Builder {
    Builder::new(0, Purpose::new("golden"), dtype, &Device::Cpu)
}

fn mapping(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        z_dim: usize,
        c_dim: usize,
        w_dim: usize,
        num_ws: Option<usize>,
        num_layers: usize,
        lr_multiplier: f64,
        truncation_psi: f64,
        truncation_cutoff: Option<usize>,
    }
    let config: Config = file.config()?;
    let builder = builder(DType::F32);
    let options = MappingOptions {
        latent_dim: config.z_dim,
        label_dim: config.c_dim,
        w_dim: config.w_dim,
        num_layers: config.num_layers,
        lr_multiplier: config.lr_multiplier,
        label_embedding: LabelEmbedding::Separate,
        // Without layers to feed there is no average: the discriminator's mapping.
        w_avg_beta: config.num_ws.map(|_| 0.995),
    };
    let network = MappingNetwork::new(&builder, options)?;
    let params = builder.finish();
    params.load(&file.state("param.", DType::F32)?)?;
    let labels = classes(file.array("in.c")?);
    let z = (config.z_dim > 0).then(|| file.leaf("in.z")).transpose()?;
    let mut w = network.forward(z.as_ref(), Some(&labels))?;
    if let Some(num_ws) = config.num_ws {
        network.update_average(&w)?;
        check.var("out.w_avg", params.get("w_avg").context("the network has no w_avg")?)?;
        let (n, dim) = (labels.len(), config.w_dim);
        w = w.reshape(&[n, 1, dim])?.broadcast_to(&[n, num_ws, dim])?;
        w = network.truncate(&w, Truncation { psi: config.truncation_psi, cutoff: config.truncation_cutoff })?;
    }
    check.var("out.w", &w)?;
    gradients(file, check, z.as_ref().map(|z| ("z", z)), &params, &w)
}

fn synthesis(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let config = file.config::<Config>()?.model();
    let builder = builder(DType::F32);
    let network = SynthesisNetwork::new(&builder, &config, RESOLUTION)?;
    let params = builder.finish();
    params.load(&file.state("param.", DType::F32)?)?;
    let ws = file.leaf("in.ws")?;
    let draws = file.draws().map(|(_, array)| Ok(Var::constant(array.to_tensor(DType::F32)?)));
    let draws = draws.collect::<Result<Vec<_>>>()?;
    let image = network.forward(&ws, if draws.is_empty() { Noise::Const } else { Noise::Given(&draws) })?;
    check.var("out.img", &image)?;
    gradients(file, check, Some(("ws", &ws)), &params, &image)
}

fn discriminator(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let d = networks(file, DType::F32)?.discriminator;
    d.params().load(&file.state("param.", DType::F32)?)?;
    let x = file.leaf("in.x")?;
    let logits = d.logits(&x, &classes(file.array("in.c")?), Mode::Train)?;
    check.var("out.logits", &logits)?;
    gradients(file, check, Some(("x", &x)), d.params(), &logits)
}

/// The gradients of the output by the input and by all weights.
fn gradients(
    file: &GoldenFile,
    check: &mut Check,
    input: Option<(&str, &Var)>,
    params: &Params,
    output: &Var,
) -> Result<()> {
    let inputs: Vec<&Var> = input.iter().map(|(_, var)| *var).chain(params.weights()).collect();
    let gradients = grad(&[output], &[&file.constant("in.cotangent")?], &inputs, GraphMode::Free)?;
    let names = input.iter().map(|(name, _)| format!("grad.{name}"));
    let names = names.chain(params.named_weights().map(|(name, _)| format!("grad.param.{name}")));
    names.zip(&gradients).try_for_each(|(name, gradient)| check.var(&name, gradient))
}

/// R1 with its gradient, which is a second derivative of D.
fn r1(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        r1_gamma: f64,
    }
    let d = networks(file, DType::F32)?.discriminator;
    d.params().load(&file.state("param.", DType::F32)?)?;
    let x = file.leaf("in.x")?;
    let logits = d.logits(&x, &classes(file.array("in.c")?), Mode::Train)?;
    check.var("out.r1_grads", &grad_of_scalar(&logits.sum()?, &[&x], GraphMode::Keep)?[0])?;
    let penalty = r1_penalty(&logits, &x)?;
    check.var("out.r1_penalty", &penalty)?;
    let loss = penalty.mean()?.scale(file.config::<Config>()?.r1_gamma / 2.0)?;
    let gradients = grad_of_scalar(&loss, &d.params().weights(), GraphMode::Free)?;
    for ((name, _), gradient) in d.params().named_weights().zip(&gradients) {
        check.var(&format!("grad2.param.{name}"), gradient)?;
    }
    Ok(())
}

/// The published sizes on weights by formula, in f64 as BigGAN's.
fn full(file: &GoldenFile, check: &mut Check) -> Result<()> {
    #[derive(Deserialize)]
    struct Sizes {
        #[serde(rename = "nG")]
        num_g: usize,
        #[serde(rename = "nD")]
        num_d: usize,
    }
    let Models { generator, discriminator } = networks(file, DType::F64)?;
    let Sizes { num_g, num_d } = file.config()?;
    for (letter, params, wanted) in [("G", generator.params(), num_g), ("D", discriminator.params(), num_d)] {
        let count = params.count_weights();
        ensure!(count == wanted, "{letter} has {count} parameters, the reference {wanted}");
        params.load(&by_formula(letter, params)?)?;
    }
    for (name, _) in file.below("check.") {
        let weight = name.strip_prefix("G.").and_then(|name| generator.params().get(name));
        let weight = weight.with_context(|| format!("the generator has no {name}"))?.to_vec::<f64>()?;
        check.values(&format!("check.{name}"), weight.into_iter().take(4))?;
    }
    let style = generator.as_style().context("the generator has no styles")?;
    let exact = |name: &str| Ok::<_, anyhow::Error>(file.constant(name)?.to_dtype(DType::F64)?);
    let (z, x) = (exact("in.z")?, exact("in.x")?);
    let labels = file.ints("in.class")?;
    no_grad(|| {
        let ws = style.map(&z, &labels, false)?;
        check.var("out.w", &ws.narrow(1, 0, 1)?.reshape(&[labels.len(), style.w_dim()])?)?;
        let image = style.synthesize(&ws, Noise::Const)?;
        check.var("out.img", &image)?;
        check.var("out.logits", &discriminator.logits(&x, &labels, Mode::Train)?)?;
        check.var("out.logits_tanh_img", &discriminator.logits(&image.tanh()?, &labels, Mode::Train)?)
    })
}

fn by_formula(letter: &str, params: &Params) -> Result<std::collections::BTreeMap<String, Tensor>> {
    let tensor = |(name, _, var): (&str, _, &Var)| {
        let (offset, scale) = formula_of(name);
        // The formula's numbers are rounded to f32, whatever they are computed in later.
        let values = signed(&format!("{letter}/{name}"), var.elem_count()).map(|s| (offset + scale * s) as f32);
        let values: Vec<f64> = values.map(f64::from).collect();
        Ok((name.to_owned(), Tensor::from_vec(values, var.dims(), &candle_core::Device::Cpu)?))
    };
    params.iter().map(tensor).collect()
}

/// (offset, scale) of the formula's numbers on [-1, 1).
fn formula_of(name: &str) -> (f64, f64) {
    let unit = 3f64.sqrt();
    match name {
        _ if name.ends_with("affine.bias") => (1.0, 0.1),
        _ if name.starts_with("mapping.fc") && name.ends_with("weight") => (0.0, unit / 0.01),
        _ if name.starts_with("mapping.fc") => (0.0, 10.0),
        _ if name.ends_with("noise_strength") => (0.1, 0.0),
        _ if name.ends_with("bias") || name.ends_with("w_avg") => (0.0, 0.1),
        _ => (0.0, unit),
    }
}
