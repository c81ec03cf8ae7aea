//! From one sample to another: strips as a PNG, the way there and back as a GIF.

use anyhow::Result;
use frugan_autograd::{Tensor, Var, no_grad};
use frugan_metrics::{lerp, slerp};
use frugan_models::{StyleGenerator, Truncation};

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
    let labels = args.labels(classes);
    let places: Vec<f64> = (0..frames).map(|frame| frame as f64 / (frames - 1) as f64).collect();
    let dims = subject.generator().latent_dim();
    let [from, to] = [0, 1].map(|set| subject.latents(args.seed, set, labels.len()));
    let ends: Vec<[&[f32]; 2]> = from.chunks_exact(dims).zip(to.chunks_exact(dims)).map(|(a, b)| [a, b]).collect();
    let ways = ends.into_iter().zip(&labels);
    let samples: Vec<Vec<u8>> = match styled(subject, args, space)? {
        Some((style, truncation)) => ways
            .map(|(ends, label)| {
                let ws = styles(subject, style, space, ends, *label, &places)?;
                subject.synthesize(style, &no_grad(|| style.truncate(&ws, truncation))?)
            })
            .collect::<Result<_>>()?,
        None => ways
            .map(|(ends, label)| subject.one_by_one(along(ends, &places), &vec![*label; frames]))
            .collect::<Result<_>>()?,
    };
    let shape = subject.generator().image_shape();
    let image: usize = shape.iter().product();
    let at = |sample: &Vec<u8>, frame: usize| sample[frame * image..(frame + 1) * image].to_vec();
    let shown = || (0..steps).map(|step| (step * (frames - 1) + (steps - 1) / 2) / (steps - 1));
    let strip = |sample: &Vec<u8>| shown().flat_map(|frame| at(sample, frame)).collect::<Vec<u8>>();
    write_png(&args.out, &samples.iter().flat_map(strip).collect::<Vec<u8>>(), shape, samples.len(), steps)?;
    let moment = |frame: usize| samples.iter().flat_map(|sample| at(sample, frame)).collect::<Vec<u8>>();
    write_gif(&gif, &(0..frames).map(moment).collect::<Vec<_>>(), shape)?;
    let through = if space == Space::Z { "z" } else { "w" };
    let words = format!("{} ways through {through}, {steps} of {frames} images each", samples.len());
    Ok((vec![args.out.clone(), gif], words))
}

/// The generator's halves and the picture's truncation; `None` for a generator that has z alone, which is enough for z.
fn styled<'a>(subject: &'a Subject, args: &Args, space: Space) -> Result<Option<(&'a dyn StyleGenerator, Truncation)>> {
    let psi = args.single_psi()?;
    let style = match (space, psi) {
        (Space::W, _) => subject.style("--interpolate w", "--interpolate z goes through its latents")?,
        (Space::Z, Some(_)) => subject.style("--psi", "leave it out")?,
        (Space::Z, None) => match subject.generator().as_style() {
            Some(style) => style,
            None => return Ok(None),
        },
    };
    Ok(Some((style, truncation(style, psi.unwrap_or(1.0), args.cutoff)?)))
}

/// Styles on one sample's way, `[places, layers, w_dim]`.
fn styles(
    subject: &Subject,
    style: &dyn StyleGenerator,
    space: Space,
    ends: [&[f32]; 2],
    label: i32,
    places: &[f64],
) -> Result<Var> {
    if space == Space::Z {
        return Ok(subject.map(style, along(ends, places), &vec![label; places.len()])?);
    }
    let ends = subject.map(style, ends.concat(), &[label; 2])?;
    let place = Tensor::from_slice(places, (places.len(), 1, 1), &candle_core::Device::Cpu)?;
    let place = Var::constant(place.to_dtype(ends.dtype())?).to_device(&ends.device())?;
    Ok(no_grad(|| lerp(&ends.narrow(0, 0, 1)?, &ends.narrow(0, 1, 1)?, &place))?)
}

fn along([a, b]: [&[f32]; 2], places: &[f64]) -> Vec<f32> {
    places.iter().flat_map(|place| between(a, b, *place)).collect()
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
