//! From one sample to another: strips as a PNG, the way there and back as a GIF.

use anyhow::Result;
use frugan_autograd::{Tensor, Var, no_grad};
use frugan_metrics::{lerp, slerp};

use super::picture::{write_gif, write_png};
use super::subject::{Subject, truncation};
use super::{Args, Drawn};
use crate::failure::input;

/// What the way leads through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Space {
    /// Latents: on the sphere, from one length to the other
    Z,
    /// Styles: on a straight line
    W,
}

pub(super) fn draw(subject: &mut Subject, args: &Args, classes: &[i32], space: Space) -> Result<Drawn> {
    let (steps, frames) = (args.steps as usize, args.frames as usize);
    if steps > frames {
        return Err(input(format!("--steps {steps}: a row shows images of the GIF; give --frames {steps} or more")));
    }
    let gif = args.out.with_extension("gif");
    if gif == args.out {
        return Err(input(format!("--out {}: name the PNG; the GIF is written beside it", args.out.display())));
    }
    let labels = args.labels(classes);
    let psi = args.single_psi()?;
    let mut samples = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        samples.push(way(subject, args, [psi.unwrap_or(1.0)], space, index, *label)?);
    }
    let shape = subject.generator().image_shape();
    let image: usize = shape.iter().product();
    let at = |sample: &Vec<u8>, frame: usize| sample[frame * image..(frame + 1) * image].to_vec();
    let shown = (0..steps).map(|step| (step * (frames - 1) + (steps - 1) / 2) / (steps - 1));
    let shown: Vec<usize> = shown.collect();
    let strips: Vec<u8> = samples
        .iter()
        .flat_map(|sample| shown.iter().flat_map(|frame| at(sample, *frame)).collect::<Vec<_>>())
        .collect();
    write_png(&args.out, &strips, shape, samples.len(), steps)?;
    let there = 0..frames;
    let back = (1..frames - 1).rev();
    let moments: Vec<Vec<u8>> =
        there.chain(back).map(|frame| samples.iter().flat_map(|sample| at(sample, frame)).collect()).collect();
    write_gif(&gif, &moments, shape)?;
    let through = if space == Space::Z { "z" } else { "w" };
    let words = format!("{} ways through {through}, {steps} of {frames} images each", samples.len());
    Ok((vec![args.out.clone(), gif], words))
}

/// The images on one sample's way, bytes `[frames, C, H, W]`.
fn way(subject: &mut Subject, args: &Args, [psi]: [f64; 1], space: Space, index: usize, label: i32) -> Result<Vec<u8>> {
    let frames = args.frames as usize;
    let places: Vec<f64> = (0..frames).map(|frame| frame as f64 / (frames - 1) as f64).collect();
    let dims = subject.generator().latent_dim();
    let end = |set: u64| subject.latents(args.seed, set, index + 1)[index * dims..].to_vec();
    let (a, b) = (end(0), end(1));
    let labels = vec![label; frames];
    let along = || places.iter().flat_map(|place| between(&a, &b, *place)).collect::<Vec<f32>>();
    if subject.generator().as_style().is_none() && space == Space::Z && args.psi.is_empty() {
        return subject.one_by_one(along(), &labels);
    }
    let option = if space == Space::W { "--interpolate w" } else { "--psi" };
    let instead = if space == Space::W { "--interpolate z goes through its latents" } else { "leave it out" };
    let style = subject.style(option, instead)?;
    let truncation = truncation(style, psi, args.cutoff)?;
    let ws = match space {
        Space::Z => subject.map(style, along(), &labels)?,
        Space::W => {
            let ends = subject.map(style, [a, b].concat(), &labels[..2])?;
            let place = Tensor::from_slice(&places, (frames, 1, 1), &candle_core::Device::Cpu)?;
            let place = Var::constant(place.to_dtype(ends.dtype())?).to_device(&ends.device())?;
            no_grad(|| lerp(&ends.narrow(0, 0, 1)?, &ends.narrow(0, 1, 1)?, &place))?
        }
    };
    subject.synthesize(style, &no_grad(|| style.truncate(&ws, truncation))?)
}

/// The direction on the great circle between the two, the length on the line between their lengths: a latent of many
/// dimensions has a length near their root, and a straight line would leave that shell.
fn between(a: &[f32], b: &[f32], place: f64) -> Vec<f32> {
    let length = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let scale = length(a) + (length(b) - length(a)) * place;
    slerp(a, b, place).into_iter().map(|x| (f64::from(x) * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_begins_and_ends_at_its_latents() {
        let (a, b) = ([3.0, 0.0, 4.0], [0.0, 2.0, 0.0]);
        let near = |x: &[f32], y: &[f32]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-5);
        assert!(near(&between(&a, &b, 0.0), &a) && near(&between(&a, &b, 1.0), &b));
        let half = between(&a, &b, 0.5);
        let length = half.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length - 3.5).abs() < 1e-5, "{half:?}");
    }
}
