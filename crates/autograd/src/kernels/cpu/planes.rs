//! One number a plane: scaling by it, and the sum of products that is its gradient.

use rayon::prelude::*;

use super::axis::{LANES, tree};
use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;

/// Values of a task.
const TASK: usize = 1 << 14;

/// Calls `f` for each of `count` planes of `area` values, many a task.
fn planes(count: usize, area: usize, f: impl Fn(usize) + Sync) {
    let per_task = (TASK / area.max(1)).max(1);
    (0..count.div_ceil(per_task)).into_par_iter().for_each(|task| {
        vectorised(
            #[inline(always)]
            || (task * per_task..count.min((task + 1) * per_task)).for_each(&f),
        );
    });
}

/// `x * s + noise`, with one `s` a plane and noise an image, or one noise for all.
pub(crate) fn scale<T: Element>(x: &[T], s: &[T], channels: usize, noise: Option<&[T]>) -> Vec<T> {
    let area = x.len() / s.len().max(1);
    assert_eq!(x.len(), area * s.len());
    filled(x.len(), |out: Shared<T>| {
        planes(
            s.len(),
            area,
            #[inline(always)]
            |plane| {
                let (x, s) = (&x[plane * area..][..area], s[plane]);
                // SAFETY: each plane writes its own.
                let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(plane * area), area) };
                match noise {
                    None => out.iter_mut().zip(x).for_each(|(out, x)| *out = *x * s),
                    Some(noise) => {
                        let noise = if noise.len() == area { noise } else { &noise[plane / channels * area..][..area] };
                        out.iter_mut().zip(x).zip(noise).for_each(|((out, x), noise)| *out = *x * s + *noise);
                    }
                }
            },
        );
    })
}

/// The sum of `a * b` over each of `count` planes.
pub(crate) fn dot<T: Element>(a: &[T], b: &[T], count: usize) -> Vec<T> {
    let area = a.len() / count.max(1);
    assert_eq!((a.len(), b.len()), (area * count, a.len()));
    filled(count, |out: Shared<T>| {
        planes(
            count,
            area,
            #[inline(always)]
            |plane| {
                let sum = dot_slice(&a[plane * area..][..area], &b[plane * area..][..area]);
                // SAFETY: one value a plane.
                unsafe { out.pointer().add(plane).write(sum) };
            },
        );
    })
}

/// In 16 lanes, then by a tree.
#[inline(always)]
fn dot_slice<T: Element>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::zero(); LANES];
    let ((rows_a, rest_a), (rows_b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in rows_a.iter().zip(rows_b) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += *a * *b;
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(rest_a.iter().zip(rest_b)) {
        *lane += *a * *b;
    }
    tree(lanes)
}
