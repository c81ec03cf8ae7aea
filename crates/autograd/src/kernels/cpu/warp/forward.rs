//! One plane resampled.

use super::footprint::{Footprint, Window};
use super::{Axes, Axis, Element, Filter, PHASE, Scratch};

#[inline(always)]
pub(super) fn plane<T: Element>(
    out: &mut [T],
    x: &[T],
    axes: Axes,
    filter: &Filter<T>,
    footprint: &Footprint<T>,
    scratch: &mut Scratch<T>,
) {
    let Scratch { widened, doubled, halved, samples, line, .. } = scratch;
    let (width, columns) = (axes.columns.size, footprint.columns.len);
    for (wide, row) in widened.chunks_exact_mut(columns).zip(x.chunks_exact(width)) {
        widen(wide, row, axes.columns, footprint.columns, filter, line);
    }
    heighten(doubled, widened, axes.rows, footprint, filter);
    for (i, halved) in halved.chunks_exact_mut(width).enumerate() {
        sample(samples, doubled, footprint, i);
        halve_row(halved, samples, filter);
    }
    halve_columns(out, halved, width, filter);
}

/// A row of pixels at double width, within a window of places.
#[inline(always)]
fn widen<T: Element>(wide: &mut [T], row: &[T], axis: Axis, window: Window, filter: &Filter<T>, line: &mut [T]) {
    let pairs = window.len / 2;
    let first = window.start / 2 - 3;
    let line = &mut line[..pairs + PHASE];
    for (i, v) in line.iter_mut().enumerate() {
        *v = axis.source(first + i as isize).map_or(T::zero(), |source| row[source]);
    }
    for (m, pair) in wide.chunks_exact_mut(2).enumerate() {
        let near: &[T; PHASE + 1] = line[m..m + PHASE + 1].try_into().expect("a window of that length");
        let (mut even, mut odd) = (T::zero(), T::zero());
        for k in 0..PHASE {
            even += filter.double_even[k] * near[k];
            odd += filter.double_odd[k] * near[k + 1];
        }
        pair[0] = even;
        pair[1] = odd;
    }
    for outside in beyond(axis, window) {
        wide[outside].fill(T::zero());
    }
}

/// The places of a window before and behind the doubled image, counted from the window's start.
pub(super) fn beyond(axis: Axis, window: Window) -> [std::ops::Range<usize>; 2] {
    let inside = axis.doubled();
    let place = |at: isize| (at - window.start).clamp(0, window.len as isize) as usize;
    [0..place(inside.start), place(inside.end)..window.len]
}

/// The doubled image from rows of double width.
#[inline(always)]
fn heighten<T: Element>(doubled: &mut [T], widened: &[T], axis: Axis, footprint: &Footprint<T>, filter: &Filter<T>) {
    let columns = footprint.columns.len;
    let inside = axis.doubled();
    for (i, out) in doubled.chunks_exact_mut(columns).enumerate() {
        let place = footprint.rows.start + i as isize;
        out.fill(T::zero());
        if !inside.contains(&place) {
            continue;
        }
        let (weights, first) = filter.at(place);
        for (k, weight) in weights.iter().enumerate() {
            if let Some(source) = axis.source(first + k as isize) {
                for (out, v) in out.iter_mut().zip(&widened[source * columns..][..columns]) {
                    *out += *weight * *v;
                }
            }
        }
    }
}

/// A row of samples: weighted means of four neighbours.
#[inline(always)]
fn sample<T: Element>(row: &mut [T], doubled: &[T], footprint: &Footprint<T>, y: usize) {
    let (columns, len) = (footprint.columns.len, row.len());
    let at = &footprint.at[y * len..][..len];
    let (right, lower) = (&footprint.right[y * len..][..len], &footprint.lower[y * len..][..len]);
    assert!(doubled.len() == columns * footprint.rows.len);
    for i in 0..len {
        let upper_left = at[i] as usize;
        debug_assert!(upper_left + columns + 1 < doubled.len());
        // SAFETY: the windows hold every sample's place and the next one of each axis, by the bounds of `Coordinate`.
        let [a, b, c, d] =
            [0, 1, columns, columns + 1].map(|next| unsafe { *doubled.get_unchecked(upper_left + next) });
        let upper = a + right[i] * (b - a);
        row[i] = upper + lower[i] * ((c + right[i] * (d - c)) - upper);
    }
}

/// Half as many samples of a row that holds its even samples and then its odd ones.
#[inline(always)]
fn halve_row<T: Element>(out: &mut [T], row: &[T], filter: &Filter<T>) {
    let (even, odd) = row.split_at(row.len() / 2);
    let width = out.len();
    for y in 0..width {
        let even: &[T; PHASE] = even[y + 1..y + 1 + PHASE].try_into().expect("a window of that length");
        let odd: &[T; PHASE] = odd[y..y + PHASE].try_into().expect("a window of that length");
        let mut sum = T::zero();
        for k in 0..PHASE {
            sum += filter.halve_odd[k] * odd[k];
            sum += filter.halve_even[k] * even[k];
        }
        out[y] = sum;
    }
}

/// Half as many rows.
#[inline(always)]
fn halve_columns<T: Element>(out: &mut [T], rows: &[T], width: usize, filter: &Filter<T>) {
    for (y, out) in out.chunks_exact_mut(width).enumerate() {
        out.fill(T::zero());
        for k in 0..PHASE {
            let (odd, even) = rows[(2 * (y + k) + 1) * width..][..2 * width].split_at(width);
            for ((out, odd), even) in out.iter_mut().zip(odd).zip(even) {
                *out += filter.halve_odd[k] * *odd + filter.halve_even[k] * *even;
            }
        }
    }
}
