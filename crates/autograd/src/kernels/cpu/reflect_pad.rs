//! Mirrored borders, row by row.

use rayon::prelude::*;

use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::reflect_pad::Border;

/// Values of a task.
const TASK: usize = 1 << 14;

/// The pixel of an axis of `size` that stands at `i` of the padded axis.
fn mirrored(i: usize, before: usize, size: usize) -> usize {
    let from_edge = i.abs_diff(before);
    if i >= before && from_edge >= size { 2 * (size - 1) - from_edge } else { from_edge }
}

pub(crate) fn pad<T: Element>(border: &Border, planes: usize, x: &[T]) -> Vec<T> {
    let Border { height, width, sides: [left, right, top, _] } = *border;
    let (out_height, out_width) = (border.out_height(), border.out_width());
    assert_eq!(x.len(), planes * height * width);
    filled(planes * out_height * out_width, |out: Shared<T>| {
        let rows = (0..planes * out_height).into_par_iter().with_min_len((TASK / out_width.max(1)).max(1));
        rows.for_each(|task| {
            let (plane, y) = (task / out_height, task % out_height);
            let row = &x[(plane * height + mirrored(y, top, height)) * width..][..width];
            // SAFETY: each task writes its own row.
            let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(task * out_width), out_width) };
            out[left..left + width].copy_from_slice(row);
            out[..left].iter_mut().zip(row[1..=left].iter().rev()).for_each(|(out, v)| *out = *v);
            let mirror = row[width - 1 - right..width - 1].iter().rev();
            out[left + width..].iter_mut().zip(mirror).for_each(|(out, v)| *out = *v);
        });
    })
}

/// The adjoint of [`pad`]. One task a plane, which adds in the order of the rows.
pub(crate) fn fold<T: Element>(border: &Border, planes: usize, g: &[T]) -> Vec<T> {
    let Border { height, width, sides: [left, right, top, _] } = *border;
    let (out_height, out_width) = (border.out_height(), border.out_width());
    assert_eq!(g.len(), planes * out_height * out_width);
    let mut gx = vec![T::zero(); planes * height * width];
    let pairs = gx.par_chunks_mut((height * width).max(1)).zip(g.par_chunks((out_height * out_width).max(1)));
    pairs.with_min_len((TASK / (out_height * out_width).max(1)).max(1)).for_each(|(gx, g)| {
        for (y, g) in g.chunks_exact(out_width).enumerate() {
            let row = &mut gx[mirrored(y, top, height) * width..][..width];
            let (before, rest) = g.split_at(left);
            let (middle, after) = rest.split_at(width);
            row.iter_mut().zip(middle).for_each(|(sum, v)| *sum += *v);
            row[1..=left].iter_mut().rev().zip(before).for_each(|(sum, v)| *sum += *v);
            row[width - 1 - right..width - 1].iter_mut().rev().zip(after).for_each(|(sum, v)| *sum += *v);
        }
    });
    gx
}
