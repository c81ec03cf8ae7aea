//! Whole-pixel shifts with zero fill, one offset an image.

use rayon::prelude::*;

use super::storage::Element;

/// `out[y][x] = image[y + dy][x + dx]`, zero outside; with negated offsets if `back`.
pub(crate) fn shift<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    dy: &[i32],
    dx: &[i32],
    back: bool,
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let image = (channels * height * width).max(1);
    let offsets = dy.par_iter().zip(dx);
    out.par_chunks_mut(image).zip(x.par_chunks(image)).zip(offsets).for_each(|((out, image), (dy, dx))| {
        let sign = if back { -1 } else { 1 };
        let (dy, dx) = (i64::from(*dy) * sign, i64::from(*dx) * sign);
        let (top, bottom) = overlap(dy, height);
        let (left, right) = overlap(dx, width);
        if left >= right {
            return;
        }
        for (out, image) in out.chunks_exact_mut(height * width).zip(image.chunks_exact(height * width)) {
            for y in top..bottom {
                let from = (y as i64 + dy) as usize * width + (left as i64 + dx) as usize;
                out[y * width..][left..right].copy_from_slice(&image[from..from + right - left]);
            }
        }
    });
    out
}

/// Where `i + offset` is inside `0 .. size` for `i` inside too.
fn overlap(offset: i64, size: usize) -> (usize, usize) {
    let size = size as i64;
    ((-offset).clamp(0, size) as usize, (size - offset).clamp(0, size) as usize)
}
