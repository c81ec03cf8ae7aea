//! Channels of an image as weighted sums of all its channels.

use rayon::prelude::*;

use super::map::vectorised;
use super::storage::Element;

/// Pixels at a time: a block of all channels stays in the first cache.
const BLOCK: usize = 512;

/// `out[c] = sum_k a[c][k] x[k] + a[c][C]` with the image's rows a of `rows`, `[C, C + 1]` an image: with `a[k][c]` in
/// place of `a[c][k]` if `transposed`, without the last term if not `shifted`.
pub(crate) fn mix<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    rows: &[T],
    transposed: bool,
    shifted: bool,
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let (pixels, image) = ((height * width).max(1), (channels * height * width).max(1));
    let images = x.par_chunks_exact(image).zip(rows.par_chunks_exact((channels * (channels + 1)).max(1)));
    out.par_chunks_exact_mut(image).zip(images).for_each(|(out, (x, rows))| {
        vectorised(
            #[inline(always)]
            || mix_image(out, x, pixels, rows, transposed, shifted),
        )
    });
    out
}

#[inline(always)]
fn mix_image<T: Element>(out: &mut [T], x: &[T], pixels: usize, rows: &[T], transposed: bool, shifted: bool) {
    let channels = x.len() / pixels;
    let row = channels + 1;
    for start in (0..pixels).step_by(BLOCK) {
        let part = start..pixels.min(start + BLOCK);
        for (c, out) in out.chunks_exact_mut(pixels).enumerate() {
            let out = &mut out[part.clone()];
            out.fill(if shifted { rows[c * row + channels] } else { T::zero() });
            for (k, plane) in x.chunks_exact(pixels).enumerate() {
                let weight = if transposed { rows[k * row + c] } else { rows[c * row + k] };
                for (out, v) in out.iter_mut().zip(&plane[part.clone()]) {
                    *out += *v * weight;
                }
            }
        }
    }
}
