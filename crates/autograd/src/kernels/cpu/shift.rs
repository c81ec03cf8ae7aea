//! Whole-pixel shifts with zero fill, one offset an image.

use super::storage::Element;

/// `out[y][x] = image[y + dy][x + dx]`, zero outside.
pub fn shift<T: Element>(
    x: &[T],
    (batch, channels, height, width): (usize, usize, usize, usize),
    offsets: &[(i32, i32)],
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    for (n, (dy, dx)) in offsets.iter().enumerate().take(batch) {
        let (first, last) = ((-dx).max(0) as usize, (width as i32 - dx).min(width as i32).max(0) as usize);
        for plane in n * channels..(n + 1) * channels {
            for y in 0..height {
                let from = y as i32 + dy;
                if from < 0 || from >= height as i32 || first >= last {
                    continue;
                }
                let (to, from) = ((plane * height + y) * width, (plane * height + from as usize) * width);
                let start = (from as i64 + first as i64 + i64::from(*dx)) as usize;
                out[to + first..to + last].copy_from_slice(&x[start..start + last - first]);
            }
        }
    }
    out
}
