//! The w of an image, found by descent (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
//! appendix D).

use frugan_autograd::{
    Device, GraphMode, Ints, Result as TensorResult, Tensor, Var, concat, grad_of_scalar, no_grad, update,
};
use frugan_models::{Noise, StyleGenerator};
use frugan_nn::{Purpose, Stream};

use crate::error::{Error, Result};

const LATENT: Purpose = Purpose::new("project.latent");
const LABELS: Purpose = Purpose::new("project.labels");
const NOISE: Purpose = Purpose::new("project.noise");
const STYLE_NOISE: Purpose = Purpose::new("project.style_noise");
/// Latents that are mapped together.
const CHUNK: usize = 1000;
/// The side below which the noise is not halved further.
const SMALLEST_NOISE: usize = 8;

/// How the descent goes. The defaults are the paper's.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectionConfig {
    /// Steps of Adam. Default 1000.
    pub steps: u64,
    /// Adam's largest step size; it rises over the first twentieth of the steps and falls, as a cosine, over the last
    /// quarter. Default 0.1.
    pub lr: f64,
    /// Noise added to w, as a share of the styles' deviation; it falls to 0 over the first three quarters of the steps, as
    /// a square. Default 0.05.
    pub style_noise: f64,
    /// Weight of the term that keeps the noise inputs from holding the image: their correlation with themselves one
    /// pixel on, at all scales. Default 1e5.
    pub noise_weight: f64,
    /// Latents that the mean and the deviation of w are taken of. Default 10,000.
    pub num_latents: usize,
    /// The class whose styles are averaged; all classes in equal parts without.
    pub class: Option<i32>,
    /// Of every draw.
    pub seed: u64,
}

impl Default for ProjectionConfig {
    fn default() -> Self {
        Self { steps: 1000, lr: 0.1, style_noise: 0.05, noise_weight: 1e5, num_latents: 10_000, class: None, seed: 0 }
    }
}

/// What the descent came to.
#[derive(Clone, Debug)]
pub struct Projection {
    /// The style, `[w_dim]`, one for all layers.
    pub w: Var,
    /// The noise inputs, `[1, 1, r, r]` a layer.
    pub noise: Vec<Var>,
    /// The image of both, `[1, C, H, W]`.
    pub image: Var,
    /// The image that the descent began at: of the mean style.
    pub first_image: Var,
    /// The distance of that image, then of the image of each step; steps of the first three quarters see w with noise.
    pub distances: Vec<f64>,
    /// The distance of [`Projection::image`].
    pub distance: f64,
}

/// Finds w and noise whose image is nearest to a target by `distance`, a scalar of an image `[1, C, H, W]`. `each` hears
/// of every step's number and distance.
///
/// # Errors
/// If there are no steps, a distance is not finite, or an op fails.
pub fn project(
    generator: &dyn StyleGenerator,
    config: &ProjectionConfig,
    device: &Device,
    distance: &dyn Fn(&Var) -> TensorResult<Var>,
    mut each: impl FnMut(u64, f64),
) -> Result<Projection> {
    if config.steps == 0 || config.num_latents < 2 {
        return Err(Error::Config(format!(
            "project: {} steps from {} latents; expected at least 1 step and 2 latents",
            config.steps, config.num_latents
        )));
    }
    let (mean, deviation) = styles(generator, config, device)?;
    let mut weights = vec![Descended::new(&host(mean, &[generator.w_dim()])?, device)?];
    for noise in generator.draw_noise(1, &mut Stream::new(config.seed, NOISE, 0))? {
        weights.push(Descended::new(&noise, device)?);
    }
    let noise = |weights: &[Descended]| weights[1..].iter().map(|weight| weight.var.clone()).collect::<Vec<_>>();
    let image = |w: &Var, noise: &[Var]| {
        let ws = w.reshape(&[1, 1, generator.w_dim()])?;
        generator.synthesize(&ws.broadcast_to(&[1, generator.num_ws(), generator.w_dim()])?, Noise::Given(noise))
    };
    let clean = |weights: &[Descended]| no_grad(|| image(&weights[0].var, &noise(weights)));
    let first_image = clean(&weights)?.copy()?;
    let mut distances = vec![finite(0, no_grad(|| distance(&first_image))?.item()?)?];
    for step in 0..config.steps {
        let progress = step as f64 / config.steps as f64;
        let drawn = Stream::new(config.seed, STYLE_NOISE, step).normals(generator.w_dim());
        let scale = deviation * config.style_noise * (1.0 - progress / 0.75).max(0.0).powi(2);
        let shake = host(drawn, &[generator.w_dim()])?.to_device(device)?.scale(scale)?;
        let noise = noise(&weights);
        let apart = distance(&image(&weights[0].var.add(&shake)?, &noise)?)?;
        let loss = apart.add(&correlation(&noise)?.scale(config.noise_weight)?)?;
        let vars: Vec<&Var> = weights.iter().map(|weight| &weight.var).collect();
        let grads = grad_of_scalar(&loss, &vars, GraphMode::Free)?;
        let lr = config.lr * ramp(progress);
        for (weight, grad) in weights.iter().zip(&grads) {
            weight.step(lr, step + 1, grad)?;
        }
        for weight in &weights[1..] {
            normalise(&weight.var)?;
        }
        let apart = finite(step + 1, apart.item()?)?;
        distances.push(apart);
        each(step + 1, apart);
    }
    let image = clean(&weights)?;
    let last = finite(config.steps, no_grad(|| distance(&image))?.item()?)?;
    let noise = noise(&weights).iter().map(Var::detach).collect();
    Ok(Projection { w: weights[0].var.detach(), noise, image, first_image, distances, distance: last })
}

/// The mean of w, and the root of its mean squared distance from it, over mapped latents.
fn styles(generator: &dyn StyleGenerator, config: &ProjectionConfig, device: &Device) -> Result<(Vec<f32>, f64)> {
    let (w_dim, z_dim) = (generator.w_dim(), generator.latent_dim());
    let mut all: Vec<f32> = Vec::with_capacity(config.num_latents * w_dim);
    for (chunk, start) in (0_u64..).zip((0..config.num_latents).step_by(CHUNK)) {
        let n = CHUNK.min(config.num_latents - start);
        let z = host(Stream::new(config.seed, LATENT, chunk).normals(n * z_dim), &[n, z_dim])?.to_device(device)?;
        let classes = generator.num_classes().max(1) as u32;
        let drawn = Stream::new(config.seed, LABELS, chunk).integers(n, classes);
        let labels: Ints = drawn.into_iter().map(|label| config.class.unwrap_or(label as i32)).collect();
        let ws = no_grad(|| generator.map(&z, &labels.to_device(device)?, false)?.narrow(1, 0, 1))?;
        all.extend(ws.to_vec::<f32>()?);
    }
    let count = config.num_latents as f64;
    let mut mean = vec![0.0_f64; w_dim];
    for w in all.chunks_exact(w_dim) {
        mean.iter_mut().zip(w).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    let squares = all.chunks_exact(w_dim).flat_map(|w| w.iter().zip(&mean));
    let variance = squares.map(|(value, mean)| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
    Ok((mean.into_iter().map(|value| value as f32).collect(), variance.sqrt()))
}

/// A weight under Adam (betas 0.9 and 0.999, epsilon 1e-8), whose step size changes from step to step.
struct Descended {
    var: Var,
    mean: Var,
    square: Var,
}

impl Descended {
    fn new(value: &Var, device: &Device) -> TensorResult<Self> {
        let var = Var::leaf(value.to_tensor()?.copy()?).to_device(device)?;
        let zeros = || Ok::<_, frugan_autograd::Error>(var.zeros_like()?.detach());
        Ok(Self { mean: zeros()?, square: zeros()?, var })
    }

    fn step(&self, lr: f64, step: u64, grad: &Var) -> TensorResult<()> {
        let adam = update::AdamStep { lr, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, step };
        update::adam(&adam, &self.var, &self.mean, &self.square, grad)
    }
}

/// Of the step size: up over the first twentieth, down over the last quarter.
fn ramp(progress: f64) -> f64 {
    let down = ((1.0 - progress) / 0.25).min(1.0);
    (0.5 - 0.5 * (down * std::f64::consts::PI).cos()) * (progress / 0.05).min(1.0)
}

/// Squared mean products of each noise input with itself one pixel on, along both axes, at its side and all halvings.
fn correlation(noise: &[Var]) -> TensorResult<Var> {
    let mut terms = Vec::new();
    for noise in noise {
        let mut noise = noise.clone();
        loop {
            let side = noise.dims()[3];
            for axis in [2, 3] {
                let on = concat(&[&noise.narrow(axis, side - 1, 1)?, &noise.narrow(axis, 0, side - 1)?], axis)?;
                terms.push(noise.mul(&on)?.mean()?.square()?);
            }
            if side <= SMALLEST_NOISE {
                break;
            }
            noise = noise.avg_pool2()?;
        }
    }
    let first = terms.pop().expect("a generator has noise inputs");
    terms.iter().try_fold(first, |sum, term| sum.add(term))
}

/// Mean 0 and mean square 1 again, in place.
fn normalise(noise: &Var) -> TensorResult<()> {
    let normal = no_grad(|| {
        let centred = noise.detach().sub(&noise.detach().mean()?)?;
        centred.div(&centred.square()?.mean()?.sqrt()?)
    })?;
    update::assign(noise, &normal)
}

fn host(values: Vec<f32>, dims: &[usize]) -> TensorResult<Var> {
    Ok(Var::constant(Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?))
}

fn finite(step: u64, distance: f64) -> Result<f64> {
    if distance.is_finite() {
        return Ok(distance);
    }
    Err(Error::NonFinite(format!(
        "project: the distance is {distance} at step {step}; try fewer steps or another seed"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_step_size_rises_and_falls_as_published() {
        let values = [0.0, 0.025, 0.05, 0.5, 0.75, 0.875, 1.0].map(ramp);
        for (value, want) in values.into_iter().zip([0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]) {
            assert!((value - want).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn correlation_sees_a_picture_in_the_noise() {
        let side = 16;
        let stripes = (0..side * side).map(|i| if i % side < 8 { 1.0 } else { -1.0 }).collect();
        let noise = Stream::new(0, NOISE, 0).normals(side * side);
        let of = |values: Vec<f32>| {
            let noise = host(values, &[1, 1, side, side]).unwrap();
            correlation(&[noise]).unwrap().item().unwrap()
        };
        assert!(of(stripes) > 10.0 * of(noise));
    }

    #[test]
    fn noise_is_brought_back_to_its_scale() {
        let noise = host((0..64).map(|i| i as f32).collect(), &[1, 1, 8, 8]).unwrap();
        normalise(&noise).unwrap();
        let values = noise.to_vec::<f32>().unwrap();
        let mean = values.iter().sum::<f32>() / 64.0;
        let square = values.iter().map(|v| v * v).sum::<f32>() / 64.0;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "{mean} {square}");
    }
}
