//! Pixels copied from where a map takes them: for maps of whole pixels.

use super::{Axes, Element};

/// For each output pixel the pixel that it copies; none where that lies beyond the borders.
pub(super) fn sources(map: &[[f64; 3]; 2], axes: Axes) -> Vec<Option<usize>> {
    let centre = [axes.columns, axes.rows].map(|axis| (axis.size as f64 - 1.0) / 2.0);
    let pixel = |x: usize, y: usize| {
        let (x, y) = (x as f64 - centre[0], y as f64 - centre[1]);
        let [column, row] = [0, 1].map(|i| (map[i][0] * x + map[i][1] * y + map[i][2] + centre[i]).round() as isize);
        Some(axes.rows.source(row)? * axes.columns.size + axes.columns.source(column)?)
    };
    (0..axes.rows.size).flat_map(|y| (0..axes.columns.size).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect()
}

/// One plane; if `adjoint`, each value is added where it was copied from.
pub(super) fn copy<T: Element>(out: &mut [T], x: &[T], sources: &[Option<usize>], adjoint: bool) {
    for (i, source) in sources.iter().enumerate() {
        if let Some(source) = source {
            match adjoint {
                false => out[i] = x[*source],
                true => out[*source] += x[i],
            }
        }
    }
}
