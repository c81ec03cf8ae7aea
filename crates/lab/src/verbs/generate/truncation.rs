//! Truncation sweeps: a row for each strength, a column for each sample.

use anyhow::Result;
use frugan_autograd::no_grad;
use frugan_nn::{Purpose, Stream};

use super::picture::write_png;
use super::subject::{Subject, stacked, truncation};
use super::{Args, Drawn};
use crate::failure::input;

const REDRAWN: Purpose = Purpose::new("generate.redrawn");
/// A threshold below this would take more than a hundred draws a value.
const SMALLEST_THRESHOLD: f64 = 0.01;

/// StyleGAN2's: styles between their average and themselves (Karras et al. 2019, appendix B).
pub(super) fn of_styles(subject: &Subject, args: &Args, classes: &[i32]) -> Result<Drawn> {
    let style = subject.style("--psi", "--threshold truncates its z")?;
    let truncations = args.psi.iter().map(|psi| truncation(style, *psi, args.cutoff)).collect::<Result<Vec<_>>>()?;
    let labels = args.labels(classes);
    let ws = subject.map(style, subject.latents(args.seed, 0, labels.len()), &labels)?;
    let rows = truncations.iter().map(|truncation| Ok(no_grad(|| style.truncate(&ws, *truncation))?));
    let pixels = subject.synthesize(style, &stacked(&rows.collect::<Result<Vec<_>>>()?)?)?;
    write_png(&args.out, &pixels, subject.generator().image_shape(), truncations.len(), labels.len())?;
    let layers = args.cutoff.map_or("all layers".into(), |cutoff| format!("the first {cutoff} layers"));
    Ok((vec![args.out.clone()], format!("psi {}, a row each, {layers}", numbers(&args.psi))))
}

/// BigGAN's: values of z beyond a threshold are drawn again (Brock et al. 2019, section 3.1).
pub(super) fn of_latents(subject: &mut Subject, args: &Args, classes: &[i32]) -> Result<Drawn> {
    if subject.generator().as_style().is_some() {
        return Err(input(
            "--threshold: a StyleGAN scales its z to one length and truncates styles instead; give --psi",
        ));
    }
    if let Some(threshold) = args.threshold.iter().find(|t| !(t.is_finite() && **t >= SMALLEST_THRESHOLD)) {
        return Err(input(format!(
            "--threshold {threshold}: expected numbers from {SMALLEST_THRESHOLD} up, as 2,1,0.5"
        )));
    }
    let labels = args.labels(classes);
    let z = subject.latents(args.seed, 0, labels.len());
    let all: Vec<f32> = args.threshold.iter().flat_map(|threshold| truncated(&z, *threshold, args.seed)).collect();
    let pixels = subject.one_by_one(all, &labels.repeat(args.threshold.len()))?;
    write_png(&args.out, &pixels, subject.generator().image_shape(), args.threshold.len(), labels.len())?;
    Ok((vec![args.out.clone()], format!("z truncated at {}, a row each", numbers(&args.threshold))))
}

/// Values within the threshold stay, so that the rows of a sweep show one sample.
fn truncated(z: &[f32], threshold: f64, seed: u64) -> Vec<f32> {
    let mut stream = Stream::new(seed, REDRAWN, 0);
    let within = |value: f32| f64::from(value.abs()) <= threshold;
    let mut redraw = || {
        loop {
            if let Some(value) = stream.normals(64).into_iter().find(|value| within(*value)) {
                return value;
            }
        }
    };
    z.iter().map(|value| if within(*value) { *value } else { redraw() }).collect()
}

fn numbers(values: &[f64]) -> String {
    values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_keeps_what_lies_within() {
        let z = [0.1, -3.0, 0.9, 2.0];
        let cut = truncated(&z, 1.0, 0);
        assert_eq!((cut[0], cut[2]), (0.1, 0.9));
        assert!(cut.iter().all(|value| value.abs() <= 1.0), "{cut:?}");
        assert_eq!(truncated(&z, 5.0, 0), z);
    }
}
