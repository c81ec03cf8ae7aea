//! Boxes of zeros, one an image.

use rayon::prelude::*;

use super::storage::Element;

/// The box of image n covers rows `top[n] .. top[n] + height` and columns likewise, cut at the border.
pub(crate) fn erase<T: Element>(
    x: &[T],
    (_, channels, height, width): (usize, usize, usize, usize),
    top: &[i32],
    left: &[i32],
    [box_height, box_width]: [usize; 2],
) -> Vec<T> {
    let inside = |start: i32, len: usize, size: usize| {
        let end = i64::from(start).saturating_add(len as i64).clamp(0, size as i64);
        i64::from(start).clamp(0, end) as usize..end as usize
    };
    let mut out = x.to_vec();
    out.par_chunks_mut((channels * height * width).max(1)).zip(top.par_iter().zip(left)).for_each(
        |(image, (top, left))| {
            let (rows, columns) = (inside(*top, box_height, height), inside(*left, box_width, width));
            for plane in image.chunks_exact_mut(height * width) {
                for y in rows.clone() {
                    plane[y * width..][columns.clone()].fill(T::zero());
                }
            }
        },
    );
    out
}
