//! Convolution as a product with patches that are made near the core, a slice of their depth at a time: any filter,
//! padding and stride, AVX-512 and AVX2, f32.
//!
//! Lanes are output pixels, counted through all images of the batch, so that small images fill them too. What a task
//! makes lies as `[group of 16 pixels][depth][16]`, which [`Lanes::products`] multiplies without packing. The work split
//! depends on shapes only.
//!
//! The functions here are safe to call where the machine has AVX2, with slices of the shape's lengths; `conv.rs` checks both.

mod filter;
mod phases;

use rayon::prelude::*;

use super::lanes::{
    BLOCK, Ends, Filter, LANES, Lanes, Patches, Piece, Sources, Strides, WHOLE, with_scratch, with_widest,
};
use super::parallel::Shared;
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

pub(super) use filter::filter_gradient;
pub(super) use phases::{has_phases, input_gradient_by_phases};

/// Groups of 16 pixels that are multiplied together, see [`Lanes::products`].
const UNIT: usize = 3;
/// Units that a thread takes through a convolution at once.
const BLOCK_UNITS: usize = 4;
/// Depth of a slice: that of a unit's patches stays in the first-level cache.
const SLICE: usize = 192;

/// `y = x * w + bias`, with ReLUs before and after.
pub(super) fn convolution(shape: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, relus: Relus, y: Shared<f32>) {
    with_widest!(correlate(shape, x, Filter::of_convolution(shape, w), Ends::of_convolution(bias, relus), y));
}

/// The cotangent of `x` from that of `y`, zero where `gate` is not positive; `shape` is the forward convolution's, of
/// stride 1.
pub(super) fn input_gradient(shape: &ConvShape, gy: &[f32], w: &[f32], gate: Option<&[f32]>, gx: Shared<f32>) {
    with_widest!(correlate(&shape.adjoint(), gy, Filter::of_adjoint(shape, w), Ends::of_adjoint(gate), gx));
}

fn correlate<V: Lanes>(shape: &ConvShape, x: &[f32], filter: Filter, ends: Ends, y: Shared<f32>) {
    let depth = filter.depth * filter.taps;
    let filter_blocks = filter.lanes.div_ceil(LANES);
    with_scratch(&WHOLE, |[packed, ..]| {
        let packed = Shared::new(packed.floats(filter_blocks * depth * LANES));
        (0..filter_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; each block writes its own lines.
            unsafe {
                let out = packed.pointer().add(block * depth * LANES);
                V::run(
                    #[inline(always)]
                    || pack_filter::<V>(filter, block, out),
                )
            }
        });
        let patches = Patches::of_pixels(shape);
        let groups = patches.groups();
        let units = groups.div_ceil(UNIT);
        let blocks = block_count(units);
        (0..blocks).into_par_iter().for_each(|block| {
            let [first, end] = [block, block + 1].map(|i| (units * i / blocks * UNIT).min(groups));
            let groups: Vec<Group> = (first..end).map(|group| Group::new(shape, &patches, group)).collect();
            // SAFETY: as above; groups do not overlap in y.
            unsafe {
                V::run(
                    #[inline(always)]
                    || correlate_block::<V>(shape, &groups, x, packed.pointer(), ends, y.pointer()),
                )
            }
        });
    });
}

/// Even for small layers a few blocks, so that threads share the work.
fn block_count(units: usize) -> usize {
    (units / BLOCK_UNITS).max(1).next_multiple_of(4).min(units)
}

/// 16 filters in all their depths and taps: `[depth][tap][16]`.
///
/// # Safety
/// As [`Lanes`]; `out` has room for the block.
#[inline(always)]
unsafe fn pack_filter<V: Lanes>(filter: Filter, block: usize, out: *mut f32) {
    for d in 0..filter.depth {
        for i in 0..filter.taps {
            // SAFETY: as the function promises.
            unsafe {
                let v: V = filter.gather(block, d, i);
                V::store(out.add((d * filter.taps + i) * LANES), v);
            }
        }
    }
}

/// 16 output pixels.
struct Group {
    /// Where they are stored, a piece an image.
    targets: Vec<Piece>,
    sources: Sources,
}

impl Group {
    fn new(s: &ConvShape, patches: &Patches, group: usize) -> Self {
        let (runs, area, width) = (patches.runs(group), s.out_height() * s.out_width(), s.out_width());
        let mut targets: Vec<Piece> = Vec::new();
        for (i, run) in runs.iter().enumerate() {
            let piece = run.piece(run.image * s.out_channels * area + run.y * width + run.x);
            match targets.last_mut() {
                Some(target) if run.image == runs[i - 1].image => target.mask |= piece.mask,
                _ => targets.push(piece),
            }
        }
        Self { targets, sources: patches.sources(&runs) }
    }
}

/// Takes some groups through patches, products and stores on one thread.
///
/// # Safety
/// As [`Lanes`]; `x`, `filter` (packed) and `y` have the sizes of `shape`; nobody else writes these groups of `y`.
#[inline(always)]
unsafe fn correlate_block<V: Lanes>(
    shape: &ConvShape,
    groups: &[Group],
    x: &[f32],
    filter: *const f32,
    ends: Ends,
    y: *mut f32,
) {
    let taps = shape.kernel[0] * shape.kernel[1];
    let depth = shape.in_channels * taps;
    let slices = depth.div_ceil(SLICE).min(shape.in_channels);
    let widest = shape.in_channels.div_ceil(slices);
    let (area, out_area) = (shape.height * shape.width, shape.out_height() * shape.out_width());
    let (rows, count) = (shape.out_channels.next_multiple_of(8), groups.len());
    let floor = V::splat(ends.input_floor);
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[v, sums]| {
            let (v, sums) = (v.floats(count * widest * taps * LANES), sums.floats(count * rows * LANES));
            for first in (0..shape.in_channels).step_by(widest) {
                let channels = first..(first + widest).min(shape.in_channels);
                let slice = channels.len() * taps;
                for (i, c) in channels.enumerate() {
                    for (g, group) in groups.iter().enumerate() {
                        let out = (g * slice + i * taps) * LANES;
                        // SAFETY: as the function promises.
                        unsafe { group.sources.read(x.as_ptr().add(c * area), area, floor, v.add(out)) };
                    }
                }
                let strides = Strides { a: depth * LANES, b: slice * LANES, out: rows * LANES };
                // SAFETY: as the function promises.
                unsafe {
                    V::products((rows, count, slice), filter.add(first * taps * LANES), v, sums, strides, first > 0);
                }
            }
            for k in 0..shape.out_channels {
                for (g, group) in groups.iter().enumerate() {
                    // SAFETY: as the function promises.
                    unsafe {
                        let sums = ends.apply(k, V::load(sums.add((g * rows + k) * LANES)));
                        for target in &group.targets {
                            ends.store(target.shifted(k * out_area), sums, y);
                        }
                    }
                }
            }
        },
    );
}
