//! A whole-pixel shift and a box of zeros in one pass.

use std::ops::Range;

use rayon::prelude::*;

use super::storage::Element;
use crate::kernels::shift_erase::Move;

/// `out[p] = image[p + d]`, zero outside the image and inside the box; see [`Move`].
pub(crate) fn shift_erase<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    m: &Move,
) -> Vec<T> {
    let mut out = vec![T::zero(); x.len()];
    let image = (channels * height * width).max(1);
    out.par_chunks_exact_mut(image).zip(x.par_chunks_exact(image)).enumerate().for_each(|(n, (out, x))| {
        let sign = if m.back { -1 } else { 1 };
        let (dy, dx) = (sign * i64::from(m.dy.host()[n]), sign * i64::from(m.dx.host()[n]));
        let (rows, columns) = (inside(-dy, height, height), inside(-dx, width, width));
        let [box_height, box_width] = m.size;
        let [top, left] = [m.top.host()[n], m.left.host()[n]].map(i64::from);
        // A box given where pixels come from lies d before that place in the output.
        let (top, left) = if m.at_source { (top - dy, left - dx) } else { (top, left) };
        let (box_rows, box_columns) = (inside(top, box_height, height), inside(left, box_width, width));
        let kept = [columns.start..columns.end.min(box_columns.start), columns.start.max(box_columns.end)..columns.end];
        for (out, x) in out.chunks_exact_mut(height * width).zip(x.chunks_exact(height * width)) {
            for y in rows.clone() {
                let from = ((y as i64 + dy) * width as i64 + dx) as isize;
                let crosses = box_rows.contains(&y) && !box_columns.is_empty();
                let parts = if crosses { &kept[..] } else { std::slice::from_ref(&columns) };
                for part in parts.iter().filter(|part| !part.is_empty()) {
                    let start = (from + part.start as isize) as usize;
                    out[y * width..][part.clone()].copy_from_slice(&x[start..start + part.len()]);
                }
            }
        }
    });
    out
}

/// `start .. start + len` cut to `0 .. size`.
fn inside(start: i64, len: usize, size: usize) -> Range<usize> {
    let end = start.saturating_add(len as i64).clamp(0, size as i64);
    start.clamp(0, end) as usize..end as usize
}
