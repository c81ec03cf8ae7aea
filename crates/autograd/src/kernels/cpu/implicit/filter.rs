//! The filter gradient as a product over all pixels of the batch, for any filter, padding and stride.
//!
//! Pixels are the depth: the cotangent lies as `[16 output channels][pixel][16]`, a slice of patches is made near the core as
//! `[16 input channels and taps][pixel][16]`, and [`lane_gemm`] multiplies both without packing. Every sum runs through
//! the pixels in order on one thread. FLOPs: 2 taps K C N OH OW, as the definition has; memory: the filter is written once, the
//! cotangent is read once a task, and the patches once a task.

use std::arch::x86_64::*;
use std::ops::Range;

use rayon::prelude::*;

use super::SLICE;
use crate::kernels::cpu::lanes::{
    BLOCK, LANES, Patches, Sources, Strides, WHOLE, floor, lane_gemm, transpose, with_scratch,
};
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::ConvShape;

/// Groups of 16 input channels and taps that a task adds up.
const COLUMN_GROUPS: usize = 6;
/// Tasks that even a small filter is split into.
const TASKS: usize = 8;

/// The cotangent of the filter from `x`, or its ReLU, and the cotangent of `y`.
pub(in crate::kernels::cpu) fn filter_gradient(shape: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
    let s = shape;
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
            // SAFETY: AVX-512 is there; each block writes its own lines.
            unsafe { pack_cotangent(&pixel, &targets, block, gy, packed.pointer().add(block * pixels * LANES)) };
        });
        (0..column_blocks * row_parts).into_par_iter().for_each(|task| {
            let (block, part) = (task / row_parts, task % row_parts);
            let [first, end] = [block, block + 1].map(|i| column_groups * i / column_blocks);
            let [top, bottom] = [part, part + 1].map(|i| row_blocks * i / row_parts * LANES);
            let rows = top..bottom.min(s.out_channels);
            // SAFETY: as above; tasks do not overlap in gw.
            unsafe { add_up(s, &sources, (first..end, rows), (x, relu), packed.pointer(), gw.pointer()) };
        });
    });
}

/// `[pixel][16]` of 16 channels.
///
/// # Safety
/// AVX-512 is there; `gy` has the sizes of `s`; `out` has room for all pixels.
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn pack_cotangent(s: &ConvShape, targets: &[Sources], block: usize, gy: &[f32], out: *mut f32) {
    let area = s.height * s.width;
    let first = block * LANES;
    with_scratch(&BLOCK, |[_, lines]| {
        let lines = lines.floats(LANES * LANES);
        for (i, target) in targets.iter().enumerate() {
            for lane in 0..LANES {
                // SAFETY: as the function promises.
                unsafe {
                    let line = lines.add(lane * LANES);
                    match first + lane < s.in_channels {
                        true => target.read(
                            gy.as_ptr().add((first + lane) * area),
                            area,
                            _mm512_set1_ps(floor(false)),
                            line,
                        ),
                        false => _mm512_store_ps(line, _mm512_setzero_ps()),
                    }
                }
            }
            // SAFETY: as the function promises.
            unsafe { transpose(lines, out.add(i * LANES * LANES)) };
        }
    });
}

/// Some groups of 16 columns (input channels and taps) by some rows (output channels) of the filter.
///
/// # Safety
/// AVX-512 is there; `x`, `packed` and `gw` have the sizes of `s`; nobody else writes this part of `gw`.
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn add_up(
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
    let least = _mm512_set1_ps(floor(relu));
    with_scratch(&BLOCK, |[near, sums]| {
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
                        transpose(from, patches.add((g * depth + i * LANES) * LANES));
                    }
                }
                let a = packed.add((rows.start / LANES * pixels + start * LANES) * LANES);
                let strides = Strides { a: pixels * LANES, b: depth * LANES, out: padded_rows * LANES };
                lane_gemm((padded_rows, count, depth), a, patches, sums, strides, start > 0);
            }
        }
        for (row, k) in rows.enumerate() {
            for (g, group) in column_groups.clone().enumerate() {
                let mask = u16::MAX >> (LANES - (columns - group * LANES).min(LANES));
                // SAFETY: as the function promises; lanes outside the mask are not written.
                unsafe {
                    let v = _mm512_load_ps(sums.add((g * padded_rows + row) * LANES));
                    _mm512_mask_storeu_ps(gw.add(k * columns + group * LANES), mask, v);
                }
            }
        }
    });
}
