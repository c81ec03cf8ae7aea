//! Upsample, filter, downsample: every case as sums of shifted planes.
//!
//! Split the input axis by its residue modulo `down` and the output axis by its residue modulo `up`: an output phase is
//! then a sum of input phases, each shifted by whole steps and weighted by one tap. So a band of a plane is laid out by
//! phases with zeros around it, each sum is one long loop over rows end to end, and the phases are woven together on the
//! way out. Columns that a loop crosses between two rows come out wrong and are left behind.

use std::ops::Range;

use rayon::prelude::*;

use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::upfirdn::{Axis, Filter};

/// Values of a band's phase: bounds the scratch of a task to what the second cache holds.
const BAND: usize = 1 << 12;
/// Loops run over whole vectors, four of 16 lanes at a time.
const STEP: usize = 64;
/// Values that a task should work on.
const TASK: usize = 1 << 14;

/// A tap on its way from an input phase to an output phase.
struct Link {
    tap: usize,
    /// Of the input index modulo `down`.
    residue: usize,
    /// Of the input index divided by `down`, at the output phase's first value.
    shift: isize,
}

/// What an axis looks like in phases.
struct Phases {
    axis: Axis,
    /// One list an output phase.
    links: Vec<Vec<Link>>,
    first_shift: isize,
    /// How far the shifts spread.
    span: usize,
    /// Values of the longest output phase.
    len: usize,
}

impl Phases {
    fn new(axis: Axis) -> Self {
        let (up, down) = (axis.up as isize, axis.down as isize);
        let link = |phase: isize, tap: usize| {
            let at = phase * down + tap as isize - axis.before;
            let index = at.div_euclid(up);
            let (residue, shift) = (index.rem_euclid(down) as usize, index.div_euclid(down));
            (at.rem_euclid(up) == 0).then_some(Link { tap, residue, shift })
        };
        let links: Vec<Vec<Link>> =
            (0..up).map(|phase| (0..axis.taps).filter_map(|tap| link(phase, tap)).collect()).collect();
        let shifts = || links.iter().flatten().map(|link| link.shift);
        let first_shift = shifts().min().unwrap_or(0);
        let span = (shifts().max().unwrap_or(0) - first_shift) as usize;
        Self { axis, links, first_shift, span, len: axis.out.div_ceil(axis.up) }
    }
}

/// Sizes of a task's scratch, all by phase.
struct Layout {
    rows: Phases,
    columns: Phases,
    /// Values from one row to the next.
    pitch: usize,
    /// Rows of a band.
    band: usize,
    /// Values of an output phase, in whole steps.
    out: usize,
    /// Values of an input phase, and of one that is filtered vertically only.
    phases: [usize; 2],
}

impl Layout {
    fn new(axes: &[Axis; 2]) -> Self {
        let [rows, columns] = axes.map(Phases::new);
        let pitch = columns.len + columns.span;
        let band = (BAND / pitch.max(1)).clamp(1, rows.len.max(1));
        let out = (band * pitch).next_multiple_of(STEP);
        let phases = [out + rows.span * pitch + columns.span, out + columns.span];
        Self { rows, columns, pitch, band, out, phases }
    }

    fn bands(&self) -> usize {
        self.rows.len.div_ceil(self.band)
    }
}

/// Weighted sums: for each output phase pairs of an offset in the source and a weight.
type Sums<T> = Vec<Vec<(usize, T)>>;

/// A filter as the sums that it asks for.
enum Passes<T> {
    Two { vertical: Sums<T>, horizontal: Sums<T> },
    One(Sums<T>),
}

impl<T: Element> Passes<T> {
    fn new(layout: &Layout, filter: &Filter<T>) -> Self {
        let Layout { rows, columns, pitch, phases, .. } = layout;
        let down = columns.axis.down;
        let place = |axis: &Phases, link: &Link| (link.shift - axis.first_shift) as usize;
        match filter {
            Filter::Separable(first, second) => {
                let vertical =
                    |link: &Link| (link.residue * down * phases[0] + place(rows, link) * pitch, first[link.tap]);
                let horizontal = |link: &Link| (link.residue * phases[1] + place(columns, link), second[link.tap]);
                Self::Two {
                    vertical: rows.links.iter().map(|links| links.iter().map(vertical).collect()).collect(),
                    horizontal: columns.links.iter().map(|links| links.iter().map(horizontal).collect()).collect(),
                }
            }
            Filter::Full(taps) => {
                let product = |row: &Link, column: &Link| {
                    let phase = row.residue * down + column.residue;
                    let offset = phase * phases[0] + place(rows, row) * pitch + place(columns, column);
                    (offset, taps[row.tap * columns.axis.taps + column.tap])
                };
                let pairs = rows.links.iter().flat_map(|rows| columns.links.iter().map(move |columns| (rows, columns)));
                let sum = |(rows, columns): (&Vec<Link>, &Vec<Link>)| {
                    rows.iter().flat_map(|row| columns.iter().map(move |column| product(row, column))).collect()
                };
                Self::One(pairs.map(sum).collect())
            }
        }
    }
}

/// Filters `planes` planes, each with the filter of its share of the batch.
pub(crate) fn upfirdn<T: Element>(x: &[T], planes: usize, axes: &[Axis; 2], filters: &[Filter<T>]) -> Vec<T> {
    let [area, out_area] = [axes[0].size * axes[1].size, axes[0].out * axes[1].out];
    assert_eq!(x.len(), planes * area);
    let layout = Layout::new(axes);
    let passes: Vec<Passes<T>> = filters.iter().map(|filter| Passes::new(&layout, filter)).collect();
    let bands = layout.bands();
    let planes_per_filter = planes / filters.len().max(1);
    filled(planes * out_area, |out: Shared<T>| {
        let tasks = (0..planes * bands).into_par_iter().with_min_len((TASK / layout.out).max(1));
        tasks.for_each_init(Vec::new, |scratch, task| {
            let (plane, band) = (task / bands, task % bands);
            let groups = band * layout.band..((band + 1) * layout.band).min(layout.rows.len);
            let rows = groups.start * axes[0].up..(groups.end * axes[0].up).min(axes[0].out);
            // SAFETY: the bands of all planes are disjoint and cover the output.
            let out = unsafe {
                let start = out.pointer().add(plane * out_area + rows.start * axes[1].out);
                std::slice::from_raw_parts_mut(start, rows.len() * axes[1].out)
            };
            let (x, passes) = (&x[plane * area..][..area], &passes[plane / planes_per_filter]);
            vectorised(
                #[inline(always)]
                || filter_band(&layout, passes, x, groups, scratch, out),
            );
        });
    })
}

#[inline(always)]
fn filter_band<T: Element>(
    layout: &Layout,
    passes: &Passes<T>,
    x: &[T],
    groups: Range<usize>,
    scratch: &mut Vec<T>,
    out: &mut [T],
) {
    let (rows, columns) = (layout.rows.axis, layout.columns.axis);
    let input = rows.down * columns.down * layout.phases[0];
    let between = rows.up * columns.down * layout.phases[1];
    scratch.resize(input + between + rows.up * columns.up * layout.out, T::zero());
    let (input, rest) = scratch.split_at_mut(input);
    let (between, sums) = rest.split_at_mut(between);
    split(layout, x, &groups, input);
    match passes {
        Passes::Two { vertical, horizontal } => {
            for (terms, between) in vertical.iter().zip(between.chunks_exact_mut(columns.down * layout.phases[1])) {
                for (residue, between) in between.chunks_exact_mut(layout.phases[1]).enumerate() {
                    weighted_sum(&mut between[..layout.out], &input[residue * layout.phases[0]..], terms);
                }
            }
            let phases = between.chunks_exact(columns.down * layout.phases[1]);
            for (between, sums) in phases.zip(sums.chunks_exact_mut(columns.up * layout.out)) {
                for (terms, sum) in horizontal.iter().zip(sums.chunks_exact_mut(layout.out)) {
                    weighted_sum(sum, between, terms);
                }
            }
        }
        Passes::One(all) => {
            for (terms, sum) in all.iter().zip(sums.chunks_exact_mut(layout.out)) {
                weighted_sum(sum, input, terms);
            }
        }
    }
    weave(layout, sums, out);
}

/// Lays the rows that a band reads out by phases, zeros where the image ends.
#[inline(always)]
fn split<T: Element>(layout: &Layout, x: &[T], groups: &Range<usize>, input: &mut [T]) {
    let (rows, columns) = (&layout.rows, &layout.columns);
    let (size, step) = (columns.axis.size, columns.axis.down as isize);
    let first_row = groups.start as isize + rows.first_shift;
    for (phase, input) in input.chunks_exact_mut(layout.phases[0]).enumerate() {
        let residues = [phase / columns.axis.down, phase % columns.axis.down].map(|residue| residue as isize);
        // Columns of the phase that are inside the image.
        let inside = |index: isize| (index - columns.first_shift).clamp(0, layout.pitch as isize) as usize;
        let end = (size as isize - residues[1] + step - 1).div_euclid(step);
        let (start, end) = (inside(0), inside(end));
        for (row, to) in input.chunks_exact_mut(layout.pitch).take(groups.len() + rows.span).enumerate() {
            let index = (first_row + row as isize) * rows.axis.down as isize + residues[0];
            if start >= end || !(0..rows.axis.size as isize).contains(&index) {
                to.fill(T::zero());
                continue;
            }
            let column = (start as isize + columns.first_shift) * step + residues[1];
            let from = &x[index as usize * size..][column as usize..size];
            to[..start].fill(T::zero());
            to[end..].fill(T::zero());
            take_every(columns.axis.down, from, &mut to[start..end]);
        }
    }
}

/// Every `step`-th value, from the first.
#[inline(always)]
fn take_every<T: Element>(step: usize, from: &[T], to: &mut [T]) {
    match step {
        1 => to.copy_from_slice(&from[..to.len()]),
        2 => {
            let (pairs, last) = from.as_chunks::<2>();
            to.iter_mut().zip(pairs).for_each(|(to, pair)| *to = pair[0]);
            if let (Some(to), [value]) = (to.get_mut(pairs.len()), last) {
                *to = *value;
            }
        }
        _ => to.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, value)| *to = *value),
    }
}

/// Puts the output phases of a band in their places.
#[inline(always)]
fn weave<T: Element>(layout: &Layout, sums: &[T], out: &mut [T]) {
    let (up, columns) = (layout.rows.axis.up, layout.columns.axis);
    for (row, out) in out.chunks_exact_mut(columns.out.max(1)).enumerate() {
        let start = row % up * columns.up * layout.out + row / up * layout.pitch;
        let phase = |i: usize| &sums[start + i * layout.out..][..layout.columns.len];
        match columns.up {
            1 => out.copy_from_slice(phase(0)),
            2 => {
                let (pairs, last) = out.as_chunks_mut::<2>();
                let values = phase(0).iter().zip(phase(1));
                pairs.iter_mut().zip(values).for_each(|(pair, (even, odd))| *pair = [*even, *odd]);
                if let [value] = last {
                    *value = phase(0)[pairs.len()];
                }
            }
            up => (0..up).for_each(|i| {
                out[i.min(columns.out)..].iter_mut().step_by(up).zip(phase(i)).for_each(|(out, value)| *out = *value);
            }),
        }
    }
}

/// `out[i] = sum of weight * source[offset + i]`, four terms a pass.
#[inline(always)]
fn weighted_sum<T: Element>(out: &mut [T], source: &[T], terms: &[(usize, T)]) {
    let (parts, rest) = terms.as_chunks::<4>();
    match *rest {
        [] if parts.is_empty() => out.fill(T::zero()),
        [] => {}
        [a] => add_terms(out, source, [a], false),
        [a, b] => add_terms(out, source, [a, b], false),
        [a, b, c, ..] => add_terms(out, source, [a, b, c], false),
    }
    for (i, part) in parts.iter().enumerate() {
        add_terms(out, source, *part, i > 0 || !rest.is_empty());
    }
}

/// One pass over `out`: its values and `N` terms more, or the terms alone.
#[inline(always)]
fn add_terms<T: Element, const N: usize>(out: &mut [T], source: &[T], terms: [(usize, T); N], onto: bool) {
    let (len, weights) = (out.len(), terms.map(|(_, weight)| weight));
    let sources = terms.map(|(offset, _)| &source[offset..][..len]);
    // SAFETY: all slices have `len` values.
    let term = |i: usize, j: usize| unsafe { *sources[j].get_unchecked(i) } * weights[j];
    if onto {
        for (i, out) in out.iter_mut().enumerate() {
            *out = (0..N).fold(*out, |sum, j| sum + term(i, j));
        }
    } else {
        for (i, out) in out.iter_mut().enumerate() {
            *out = (1..N).fold(term(i, 0), |sum, j| sum + term(i, j));
        }
    }
}
