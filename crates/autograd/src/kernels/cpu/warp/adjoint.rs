//! A cotangent of a resampled plane, taken back: the steps of `forward` transposed, in reverse order.

use super::footprint::{Footprint, Window};
use super::forward::beyond;
use super::{Axes, Axis, Element, Filter, PHASE, Scratch};

#[inline(always)]
pub(super) fn plane<T: Element>(
    out: &mut [T],
    g: &[T],
    axes: Axes,
    filter: &Filter<T>,
    footprint: &Footprint<T>,
    scratch: &mut Scratch<T>,
) {
    let Scratch { widened, doubled, halved, samples, line, phases, .. } = scratch;
    let width = axes.columns.size;
    halve_columns(halved, g, width, filter);
    doubled.fill(T::zero());
    for (i, halved) in halved.chunks_exact(width).enumerate() {
        halve_row(samples, halved, filter, line);
        scatter(doubled, samples, footprint, i);
    }
    heighten(widened, doubled, axes.rows, footprint, filter);
    for (out, wide) in out.chunks_exact_mut(width).zip(widened.chunks_exact_mut(footprint.columns.len)) {
        widen(out, wide, axes.columns, footprint.columns, filter, phases);
    }
}

/// Twice as many rows.
#[inline(always)]
fn halve_columns<T: Element>(rows: &mut [T], g: &[T], width: usize, filter: &Filter<T>) {
    for (i, row) in rows.chunks_exact_mut(width).enumerate() {
        row.fill(T::zero());
        // Row i was read by outputs (i - 1) / 2 - k with an odd i, i / 2 - 1 - k with an even one.
        let (weights, last) =
            if i % 2 == 1 { (&filter.halve_odd, i / 2) } else { (&filter.halve_even, (i / 2).wrapping_sub(1)) };
        for (k, weight) in weights.iter().enumerate() {
            let Some(g) = last.checked_sub(k).and_then(|y| g.chunks_exact(width).nth(y)) else { continue };
            for (row, g) in row.iter_mut().zip(g) {
                *row += *weight * *g;
            }
        }
    }
}

/// Twice as many samples of a row: the even ones and then the odd ones.
#[inline(always)]
fn halve_row<T: Element>(samples: &mut [T], row: &[T], filter: &Filter<T>, line: &mut [T]) {
    let line = &mut line[..row.len() + 2 * PHASE];
    line[..PHASE].fill(T::zero());
    line[PHASE..PHASE + row.len()].copy_from_slice(row);
    line[PHASE + row.len()..].fill(T::zero());
    let (even, odd) = samples.split_at_mut(samples.len() / 2);
    for (m, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
        let near: &[T; PHASE + 1] = line[m..m + PHASE + 1].try_into().expect("a window of that length");
        let mut sums = [T::zero(); 2];
        for k in 0..PHASE {
            sums[0] += filter.halve_even[k] * near[PHASE - 1 - k];
            sums[1] += filter.halve_odd[k] * near[PHASE - k];
        }
        [*even, *odd] = sums;
    }
}

/// Adds a row of samples where its four neighbours lie.
#[inline(always)]
fn scatter<T: Element>(doubled: &mut [T], samples: &[T], footprint: &Footprint<T>, y: usize) {
    let (columns, len) = (footprint.columns.len, samples.len());
    let at = &footprint.at[y * len..][..len];
    let (right, lower) = (&footprint.right[y * len..][..len], &footprint.lower[y * len..][..len]);
    assert!(doubled.len() == columns * footprint.rows.len);
    for i in 0..len {
        let upper_left = at[i] as usize;
        debug_assert!(upper_left + columns + 1 < doubled.len());
        let below = lower[i] * samples[i];
        let above = samples[i] - below;
        let parts = [above - right[i] * above, right[i] * above, below - right[i] * below, right[i] * below];
        for (next, part) in [0, 1, columns, columns + 1].into_iter().zip(parts) {
            // SAFETY: as in `forward::sample`.
            unsafe { *doubled.get_unchecked_mut(upper_left + next) += part };
        }
    }
}

/// Rows of double width from the doubled image; reflected ones add up.
#[inline(always)]
fn heighten<T: Element>(widened: &mut [T], doubled: &[T], axis: Axis, footprint: &Footprint<T>, filter: &Filter<T>) {
    let columns = footprint.columns.len;
    let inside = axis.doubled();
    widened.fill(T::zero());
    for (i, row) in doubled.chunks_exact(columns).enumerate() {
        let place = footprint.rows.start + i as isize;
        if !inside.contains(&place) {
            continue;
        }
        let (weights, first) = filter.at(place);
        for (k, weight) in weights.iter().enumerate() {
            if let Some(source) = axis.source(first + k as isize) {
                for (wide, v) in widened[source * columns..][..columns].iter_mut().zip(row) {
                    *wide += *weight * *v;
                }
            }
        }
    }
}

/// Adds a row of double width to the pixels that it came from.
#[inline(always)]
fn widen<T: Element>(
    out: &mut [T],
    wide: &mut [T],
    axis: Axis,
    window: Window,
    filter: &Filter<T>,
    phases: &mut [Vec<T>; 2],
) {
    for outside in beyond(axis, window) {
        wide[outside].fill(T::zero());
    }
    // Both ends of the phases stay zero.
    let [even, odd] = phases;
    for (m, pair) in wide.chunks_exact(2).enumerate() {
        even[PHASE + m] = pair[0];
        odd[PHASE + m] = pair[1];
    }
    let first = window.start / 2 - 3;
    for i in 0..window.len / 2 + PHASE {
        let even: &[T; PHASE] = even[i + 1..i + 1 + PHASE].try_into().expect("a window of that length");
        let odd: &[T; PHASE] = odd[i..i + PHASE].try_into().expect("a window of that length");
        let mut sum = T::zero();
        for k in 0..PHASE {
            sum += filter.double_even[k] * even[PHASE - 1 - k];
            sum += filter.double_odd[k] * odd[PHASE - 1 - k];
        }
        if let Some(source) = axis.source(first + i as isize) {
            out[source] += sum;
        }
    }
}
