//! The filter gradient as a product over all pixels of the batch, for any filter, padding and stride.
//!
//! Pixels are the depth: the cotangent lies as `[16 output channels][pixel][16]`, a slice of patches is made near the core as
//! `[16 input channels and taps][pixel][16]`, and [`Lanes::products`] multiplies both without packing. Every sum runs through
//! the pixels in order on one thread. FLOPs: 2 taps K C N OH OW, as the definition has; memory: the filter is written once, the
//! cotangent is read once a task, and the patches once a task.

use std::ops::Range;

use rayon::prelude::*;

use super::SLICE;
use crate::kernels::cpu::lanes::{
    BLOCK, LANES, Lanes, Patches, Sources, Strides, WHOLE, floor, transpose, with_scratch, with_widest,
};
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::ConvShape;

/// Groups of 16 input channels and taps that a task adds up.
const COLUMN_GROUPS: usize = 6;
/// Tasks that even a small filter is split into.
const TASKS: usize = 8;

/// The cotangent of the filter from `x`, or its ReLU, and the cotangent of `y`.
pub(in crate::kernels::cpu) fn filter_gradient(shape: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
    with_widest!(gradient(shape, x, gy, relu, gw));
}

fn gradient<V: Lanes>(s: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
    let patches = Patches::of_pixels(s);
    let of_groups = |patches: &Patches| -> Vec<Sources> {
        (0..patches.groups()).map(|group| patches.sources(&patches.runs(group))).collect()
    };
    let sources = of_groups(&patches);
    let (row_blocks, pixels) = (s.out_channels.div_ceil(LANES), sources.len() * LANES);
    let column_groups = (s.in_channels * s.kernel[0] * s.kernel[1]).div_ceil(LANES);
    let column_blocks = column_groups.div_ceil(COLUMN_GROUPS);
    let row_parts = TASKS.div_ceil(column_blocks).min(row_blocks);
    // The cotangent's pixels are the places of a 1x1 filter.
    let pixel = ConvShape {
        in_channels: s.out_channels,
        height: s.out_height(),
        width: s.out_width(),
        kernel: [1, 1],
        stride: 1,
        padding: [0, 0],
        ..*s
    };
    let targets = of_groups(&Patches::of_pixels(&pixel));
    with_scratch(&WHOLE, |[packed, ..]| {
        let packed = Shared::new(packed.floats(row_blocks * pixels * LANES));
        (0..row_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; each block writes its own lines.
            unsafe {
                let out = packed.pointer().add(block * pixels * LANES);
                V::run(
                    #[inline(always)]
                    || pack_cotangent::<V>(&pixel, &targets, block, gy, out),
                )
            };
        });
        (0..column_blocks * row_parts).into_par_iter().for_each(|task| {
            let (block, part) = (task / row_parts, task % row_parts);
            let [first, end] = [block, block + 1].map(|i| column_groups * i / column_blocks);
            let [top, bottom] = [part, part + 1].map(|i| row_blocks * i / row_parts * LANES);
            let rows = top..bottom.min(s.out_channels);
            // SAFETY: as above; tasks do not overlap in gw.
            unsafe {
                V::run(
                    #[inline(always)]
                    || add_up::<V>(s, &sources, (first..end, rows), (x, relu), packed.pointer(), gw.pointer()),
                )
            };
        });
    });
}

/// `[pixel][16]` of 16 channels.
///
/// # Safety
/// As [`Lanes`]; `gy` has the sizes of `s`; `out` has room for all pixels.
#[inline(always)]
unsafe fn pack_cotangent<V: Lanes>(s: &ConvShape, targets: &[Sources], block: usize, gy: &[f32], out: *mut f32) {
    let area = s.height * s.width;
    let first = block * LANES;
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[_, lines]| {
            let lines = lines.floats(LANES * LANES);
            for (i, target) in targets.iter().enumerate() {
                for lane in 0..LANES {
                    // SAFETY: as the function promises.
                    unsafe {
                        let line = lines.add(lane * LANES);
                        match first + lane < s.in_channels {
                            true => {
                                target.read(gy.as_ptr().add((first + lane) * area), area, V::splat(floor(false)), line)
                            }
                            false => V::store(line, V::zero()),
                        }
                    }
                }
                // SAFETY: as the function promises.
                unsafe { transpose::<V>(lines, out.add(i * LANES * LANES)) };
            }
        },
    );
}

/// Some groups of 16 columns (input channels and taps) by some rows (output channels) of the filter.
///
/// # Safety
/// As [`Lanes`]; `x`, `packed` and `gw` have the sizes of `s`; nobody else writes this part of `gw`.
#[inline(always)]
unsafe fn add_up<V: Lanes>(
    s: &ConvShape,
    sources: &[Sources],
    (column_groups, rows): (Range<usize>, Range<usize>),
    (x, relu): (&[f32], bool),
    packed: *const f32,
    gw: *mut f32,
) {
    let (area, taps) = (s.height * s.width, s.kernel[0] * s.kernel[1]);
    let (columns, pixels) = (s.in_channels * taps, sources.len() * LANES);
    let first = column_groups.start * LANES;
    let channels = first / taps..(column_groups.end * LANES).min(columns).div_ceil(taps);
    // Lines of the first channel that belong to the group before.
    let before = first - channels.start * taps;
    let (count, padded_rows) = (column_groups.len(), rows.len().next_multiple_of(8));
    let slice = SLICE / LANES;
    let least = V::splat(floor(relu));
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[near, sums]| {
            let lines = (before + count * LANES + taps) * LANES;
            let near = near.floats(lines + count * slice * LANES * LANES);
            let sums = sums.floats(count * padded_rows * LANES);
            for start in (0..sources.len()).step_by(slice) {
                let slice = &sources[start..(start + slice).min(sources.len())];
                let depth = slice.len() * LANES;
                // SAFETY: as the function promises.
                unsafe {
                    let patches = near.add(lines);
                    for (i, source) in slice.iter().enumerate() {
                        for (line, c) in channels.clone().enumerate() {
                            source.read(x.as_ptr().add(c * area), area, least, near.add(line * taps * LANES));
                        }
                        for g in 0..count {
                            let from = near.add((before + g * LANES) * LANES);
                            transpose::<V>(from, patches.add((g * depth + i * LANES) * LANES));
                        }
                    }
                    let a = packed.add((rows.start / LANES * pixels + start * LANES) * LANES);
                    let strides = Strides { a: pixels * LANES, b: depth * LANES, out: padded_rows * LANES };
                    V::products((padded_rows, count, depth), a, patches, sums, strides, start > 0);
                }
            }
            for (row, k) in rows.enumerate() {
                for (g, group) in column_groups.clone().enumerate() {
                    let mask = u16::MAX >> (LANES - (columns - group * LANES).min(LANES));
                    // SAFETY: as the function promises; lanes outside the mask are not written.
                    unsafe {
                        let v = V::load(sums.add((g * padded_rows + row) * LANES));
                        V::store_masked(gw.add(k * columns + group * LANES), mask, v);
                    }
                }
            }
        },
    );
}
