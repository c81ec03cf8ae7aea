//! What destroys a part of the image: noise and cutout.

use frugan_autograd::{Result, Var};

use super::apply::constant;
use super::gate::Parameters;
use super::{Draws, Step};

/// Sides of the cut rectangle, in units of the image's.
const CUTOUT_SIDE: f64 = 0.5;

/// Whether a step may be left out, for it acts on no image.
fn is_still(parameters: &[Option<[f64; 2]>], images: &Var) -> bool {
    !images.device().runs_graphs() && parameters.iter().all(Option::is_none)
}

/// Adds each image's noise.
pub(super) fn noise(images: Var, parameters: &Parameters, draws: &Draws) -> Result<Var> {
    let draw = draws.as_slice().iter().find(|draw| draw.step == Step::Noise);
    let (Some(deviations), Some(draw)) = (parameters.of(Step::Noise), draw) else { return Ok(images) };
    if is_still(deviations, &images) {
        return Ok(images);
    }
    let pixels = draw.pixels.chunks_exact((draw.pixels.len() / draw.len().max(1)).max(1));
    let scaled = deviations.iter().zip(pixels).flat_map(|(deviation, pixels)| {
        let deviation = deviation.map_or(0.0, |[deviation, _]| deviation);
        pixels.iter().map(move |n| f64::from(*n) * deviation)
    });
    images.add(&constant(scaled.collect(), images.dims(), &images)?)
}

/// Zeroes each image's rectangle.
pub(super) fn cutout(images: Var, parameters: &Parameters) -> Result<Var> {
    let Some(centres) = parameters.of(Step::Cutout).filter(|centres| !is_still(centres, &images)) else {
        return Ok(images);
    };
    let (batch, _, height, width) = images.dims4()?;
    let covers =
        |at: usize, side: usize, centre: f64| ((at as f64 + 0.5) / side as f64 - centre).abs() < CUTOUT_SIDE / 2.0;
    let mut kept = Vec::with_capacity(batch * height * width);
    for centre in centres {
        let (rows, columns): (Vec<bool>, Vec<bool>) = match centre {
            Some([x, y]) => (
                (0..height).map(|i| covers(i, height, *y)).collect(),
                (0..width).map(|i| covers(i, width, *x)).collect(),
            ),
            None => (vec![false; height], vec![false; width]),
        };
        kept.extend(rows.iter().flat_map(|row| columns.iter().map(move |column| f64::from(!(*row && *column)))));
    }
    images.mul(&constant(kept, &[batch, 1, height, width], &images)?)
}
