//! Colours of one image, mixed with the mean over the channels of each pixel and the mean over the image.

use rayon::prelude::*;

use super::map::vectorised;
use super::storage::Element;

/// Pixels at a time: their channel means stay in registers or the first cache.
const BLOCK: usize = 128;
/// Values added up in the element type before the sum goes on in f64.
const RUN: usize = 1024;
const LANES: usize = 16;

/// `out = a x + b m + c M + d` with m the mean over the channels of each pixel, M the mean over the image, and
/// `[a, b, c, d]` the image's row of `coefficients`; d is left out if not `shifted`.
pub(crate) fn mix<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    coefficients: &[T],
    shifted: bool,
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let (pixels, image) = ((height * width).max(1), (channels * height * width).max(1));
    let images = x.par_chunks_exact(image).zip(coefficients.par_chunks_exact(4));
    out.par_chunks_exact_mut(image).zip(images).for_each(|(out, (x, row))| {
        let shift = if shifted { row[3] } else { T::zero() };
        vectorised(
            #[inline(always)]
            || mix_image(out, x, pixels, [row[0], row[1], row[2], shift]),
        )
    });
    out
}

#[inline(always)]
fn mix_image<T: Element>(out: &mut [T], x: &[T], pixels: usize, [pixel, channel_mean, image_mean, shift]: [T; 4]) {
    let mean = T::of(sum(x) / x.len() as f64);
    let level = image_mean * mean + shift;
    let share = channel_mean / T::of((x.len() / pixels) as f64);
    for start in (0..pixels).step_by(BLOCK) {
        let part = start..pixels.min(start + BLOCK);
        let mut base = [level; BLOCK];
        for plane in x.chunks_exact(pixels) {
            for (base, v) in base.iter_mut().zip(&plane[part.clone()]) {
                *base += *v * share;
            }
        }
        for (out, plane) in out.chunks_exact_mut(pixels).zip(x.chunks_exact(pixels)) {
            for ((out, v), base) in out[part.clone()].iter_mut().zip(&plane[part.clone()]).zip(&base) {
                *out = *v * pixel + *base;
            }
        }
    }
}

/// The sum in a fixed order: 16 lanes over short runs, the runs in f64.
#[inline(always)]
fn sum<T: Element>(x: &[T]) -> f64 {
    let mut total = 0.0;
    for run in x.chunks(RUN) {
        let (rows, rest) = run.as_chunks::<LANES>();
        let mut lanes = [T::zero(); LANES];
        for row in rows {
            for (lane, v) in lanes.iter_mut().zip(row) {
                *lane += *v;
            }
        }
        total += lanes.iter().chain(rest).map(|v| num_traits::ToPrimitive::to_f64(v).unwrap_or(f64::NAN)).sum::<f64>();
    }
    total
}
