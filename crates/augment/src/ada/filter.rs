//! The image filter: frequency bands amplified at random.

use frugan_autograd::{Error, Result, Var};

use super::apply::constant;
use super::gate::Parameters;
use super::wavelet::{BANDS, BANK_TAPS, filter_bank};

/// The power of natural images in each band, as 1/f spectra have it (appendix B.2, "image-space filtering").
const EXPECTED_POWER: [f64; BANDS] = [10.0 / 13.0, 1.0 / 13.0, 1.0 / 13.0, 1.0 / 13.0];

/// Filters the images; as they are if the pipe has no filter.
pub(super) fn filter(images: Var, parameters: &Parameters) -> Result<Var> {
    let Some(taps) = taps(parameters, images.dims()[0]) else { return Ok(images) };
    let (_, _, height, width) = images.dims4()?;
    let border = BANK_TAPS / 2;
    if height.min(width) <= border {
        return Err(Error::Msg(format!(
            "ADA: imgfilter reflects {border} pixels at each border, the images have {height}x{width}: take it out of \
             the pipe, or use larger images"
        )));
    }
    let taps = constant(taps, &[images.dims()[0], BANK_TAPS], &images)?;
    images.reflect_pad2d([border; 4])?.filter_per_sample(&taps)
}

/// The taps of each image, or `None` if the pipe has no filter.
fn taps(parameters: &Parameters, batch: usize) -> Option<Vec<f64>> {
    let mut steps = parameters.steps().filter_map(|(step, images)| Some((step.band()?, images))).peekable();
    steps.peek()?;
    let mut gains = vec![[1.0; BANDS]; batch];
    for (band, images) in steps {
        for (gains, parameter) in gains.iter_mut().zip(images) {
            if let Some([gain, _]) = parameter {
                amplify(gains, band, *gain);
            }
        }
    }
    let bank = filter_bank();
    let mixed = |gains: &[f64; BANDS]| -> [f64; BANK_TAPS] {
        std::array::from_fn(|k| gains.iter().zip(&bank).map(|(gain, band)| gain * band[k]).sum())
    };
    Some(gains.iter().flat_map(mixed).collect())
}

/// Amplifies one band, and lowers all of them so that the expected power stays.
fn amplify(gains: &mut [f64; BANDS], band: usize, gain: f64) {
    let mut amplified = [1.0; BANDS];
    amplified[band] = gain;
    let power: f64 = amplified.iter().zip(EXPECTED_POWER).map(|(gain, power)| power * gain * gain).sum();
    for (gain, amplified) in gains.iter_mut().zip(amplified) {
        *gain *= amplified / power.sqrt();
    }
}
