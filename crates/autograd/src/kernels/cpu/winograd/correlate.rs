//! The convolution and its input gradient: both slide a 3x3 filter over planes.

#![allow(clippy::needless_range_loop)] // columns of arrays of rows

use std::ops::Range;

use rayon::prelude::*;

use super::tiles::{
    Pair, TileGrid, Tiles, load_half_window_row, load_tile_row, load_window_row, store_cell_row, store_tile_row,
};
use super::{POINTS, cell_scale, transform};
use crate::kernels::conv::Relus;
use crate::kernels::cpu::lanes::{
    BLOCK, Ends, Filter, LANES, Lanes, Strides, WHOLE, point_stride, with_scratch, with_widest,
};
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::{ConvShape, Resample};

/// Groups of 16 tiles that a thread takes through a convolution at once.
const BLOCK_GROUPS: usize = 6;
/// Tasks that even a small layer is split into.
const TASKS: usize = 8;

/// `y = x * w + bias`, with ReLUs before and after.
pub(crate) fn convolution(shape: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, relus: Relus, y: Shared<f32>) {
    let ends = Ends::of_convolution(bias, relus);
    with_widest!(correlate(shape, x, Filter::of_convolution(shape, w), ends, cell_scale(shape), y));
}

/// The cotangent of `x` from that of `y`, zero where `gate` is not positive; `shape` is the forward convolution's.
pub(crate) fn input_gradient(shape: &ConvShape, gy: &[f32], w: &[f32], gate: Option<&[f32]>, gx: Shared<f32>) {
    let (filter, ends) = (Filter::of_adjoint(shape, w), Ends::of_adjoint(gate));
    with_widest!(correlate(&shape.adjoint(), gy, filter, ends, cell_scale(shape), gx));
}

/// `scale` multiplies the sums.
fn correlate<V: Lanes>(shape: &ConvShape, x: &[f32], filter: Filter, ends: Ends, scale: f32, y: Shared<f32>) {
    let Filter { lanes: rows, depth, .. } = filter;
    let filter_blocks = rows.div_ceil(LANES);
    let filter_stride = point_stride(filter_blocks * depth * LANES);
    with_scratch(&WHOLE, |[whole, ..]| {
        let u = Shared::new(whole.floats(POINTS * filter_stride));
        (0..filter_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; each block writes its own lines of u.
            unsafe {
                V::run(
                    #[inline(always)]
                    || transform_filter::<V>(filter, block, u.pointer(), filter_stride),
                )
            }
        });
        let grid = TileGrid::new(*shape);
        let groups = grid.groups();
        let (blocks, parts) = split(groups, filter_blocks);
        (0..blocks * parts).into_par_iter().for_each(|task| {
            let (block, part) = (task / parts, task % parts);
            let range = groups * block / blocks..groups * (block + 1) / blocks;
            let [first, end] = [part, part + 1].map(|i| filter_blocks * i / parts * LANES);
            let (u, y) = ((u.pointer().cast_const(), filter_stride), y.pointer());
            // SAFETY: as above; tiles of different groups and channels of different parts do not overlap in y.
            unsafe {
                let channels = first..end.min(rows);
                V::run(
                    #[inline(always)]
                    || correlate_block::<V>(shape, &grid, (range, channels), x, u, (ends, scale), y),
                )
            }
        });
    });
}

/// Blocks of groups, and parts of the filters: the transformed filters are read once a block, which few groups do not
/// pay for, so that a small layer's tasks share its blocks and each takes a part of the filters.
fn split(groups: usize, filter_blocks: usize) -> (usize, usize) {
    match groups / BLOCK_GROUPS {
        blocks @ 4.. => (blocks.next_multiple_of(2), 1),
        blocks => {
            let blocks = blocks.max(1);
            (blocks, TASKS.div_ceil(blocks).min(filter_blocks))
        }
    }
}

/// `G g Gt` of 16 filters in all their depths, point p to `u[p * point_stride ..]`.
///
/// # Safety
/// As [`Lanes`]; `u` has room for this block at every point, and nobody else writes there.
#[inline(always)]
unsafe fn transform_filter<V: Lanes>(filter: Filter, block: usize, u: *mut f32, point_stride: usize) {
    for d in 0..filter.depth {
        let mut g = [V::zero(); 9];
        for (i, tap) in g.iter_mut().enumerate() {
            // SAFETY: as the function promises.
            *tap = unsafe { filter.gather(block, d, i) };
        }
        let mut rows = [[V::zero(); 6]; 3];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = transform::filter([g[3 * i], g[3 * i + 1], g[3 * i + 2]]);
        }
        // SAFETY: as the function promises.
        let at = unsafe { u.add((block * filter.depth + d) * LANES) };
        for j in 0..6 {
            let column = transform::filter([rows[0][j], rows[1][j], rows[2][j]]);
            for (i, v) in column.into_iter().enumerate() {
                // SAFETY: as the function promises.
                unsafe { V::store(at.add((i * 6 + j) * point_stride), v) };
            }
        }
    }
}

/// `Bt max(d, floor) B` of one group in one channel, point p to `out[p * stride ..]`.
///
/// # Safety
/// As [`Lanes`]; `plane` is a plane of the grid that made `pairs`; `out` has a line at every point.
#[inline(always)]
pub(super) unsafe fn transform_input<V: Lanes>(
    plane: *const f32,
    floor: f32,
    Tiles { pairs, width, is_half }: Tiles,
    out: *mut f32,
    stride: usize,
) {
    let mut rows = [[V::zero(); 6]; 6];
    let floor = V::splat(floor);
    if is_half {
        for r in 0..4 {
            // SAFETY: as the function promises.
            let window = unsafe { load_half_window_row::<V>(plane, pairs, r, width) };
            let [a, b, c, d] = window;
            let [a, b, c, d] = [V::max(floor, a), V::max(floor, b), V::max(floor, c), V::max(floor, d)];
            let row = transform::input([a, b, b, c, c, d]);
            rows[(2 * r).saturating_sub(1)] = row;
            rows[(2 * r).min(5)] = row;
        }
    } else {
        for (r, row) in rows.iter_mut().enumerate() {
            // SAFETY: as the function promises.
            let mut window = unsafe { load_window_row(plane, pairs, r, width) };
            for v in &mut window {
                *v = V::max(floor, *v); // in this order a NaN stays
            }
            *row = transform::input(window);
        }
    }
    for j in 0..6 {
        let column = transform::input([rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]]);
        for (i, v) in column.into_iter().enumerate() {
            // SAFETY: as the function promises.
            unsafe { V::store(out.add((i * 6 + j) * stride), v) };
        }
    }
}

/// `max(scale * At m A + bias, floor)` of one group in one channel, stored to the plane; zero where
/// the plane of `gate`, if there is one, is not positive. 2x2 cells are summed for a plane at half
/// resolution.
///
/// # Safety
/// As [`Lanes`]; `m` has a line at every point; `plane` and `gate` are planes of the grid that
/// made `pairs`, and nobody else writes these tiles.
#[inline(always)]
unsafe fn transform_output<V: Lanes>(
    m: *const f32,
    stride: usize,
    (scale, bias, floor): (f32, f32, f32),
    gate: Option<*const f32>,
    plane: *mut f32,
    Tiles { pairs, width, is_half }: Tiles,
) {
    let mut columns = [[V::zero(); 4]; 6];
    for (j, column) in columns.iter_mut().enumerate() {
        let mut points = [V::zero(); 6];
        for (i, v) in points.iter_mut().enumerate() {
            // SAFETY: as the function promises.
            *v = unsafe { V::load(m.add((i * 6 + j) * stride)) };
        }
        *column = transform::output(points);
    }
    let c = &columns;
    let mut rows = [[V::zero(); 4]; 4];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = transform::output([c[0][r], c[1][r], c[2][r], c[3][r], c[4][r], c[5][r]]);
    }
    let [scale, bias, floor] = [V::splat(scale), V::splat(bias), V::splat(floor)];
    if is_half {
        for r in 0..2 {
            let (top, bottom) = (rows[2 * r], rows[2 * r + 1]);
            let mut cells = [V::zero(); 2];
            for (i, cell) in cells.iter_mut().enumerate() {
                let above = V::add(top[2 * i], top[2 * i + 1]);
                let below = V::add(bottom[2 * i], bottom[2 * i + 1]);
                *cell = V::max(floor, V::mul_add(V::add(above, below), scale, bias));
            }
            // SAFETY: as the function promises.
            unsafe { store_cell_row(plane, pairs, r, width, cells) };
        }
        return;
    }
    for (r, mut row) in rows.into_iter().enumerate() {
        for v in &mut row {
            *v = V::max(floor, V::mul_add(*v, scale, bias));
        }
        if let Some(gate) = gate {
            // SAFETY: as the function promises.
            let open = unsafe { load_tile_row(gate, pairs, r, width) };
            for (v, x) in row.iter_mut().zip(open) {
                *v = V::where_positive(x, *v);
            }
        }
        // SAFETY: as the function promises.
        unsafe { store_tile_row(plane, pairs, r, width, row) };
    }
}

/// Takes a range of groups through transform, products with some output channels' filters and inverse on one thread, so that
/// they stay near the core. The first of the channels is a multiple of 16.
///
/// # Safety
/// As [`Lanes`]; `x`, `u` and `y` have the sizes of `shape`; nobody else writes these groups of `y`.
#[inline(always)]
unsafe fn correlate_block<V: Lanes>(
    shape: &ConvShape,
    grid: &TileGrid,
    (groups, channels): (Range<usize>, Range<usize>),
    x: &[f32],
    (u, filter_stride): (*const f32, usize),
    (ends, scale): (Ends, f32),
    y: *mut f32,
) {
    let (depth, count) = (shape.in_channels, groups.len());
    let ([_, _, height, width], [_, _, out_height, out_width]) = (shape.input(), shape.output());
    let rows = channels.len().next_multiple_of(8);
    let v_stride = point_stride(count * depth * LANES);
    let m_stride = point_stride(count * rows * LANES);
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[v, m]| {
            let (v, m) = (v.floats(POINTS * v_stride), m.floats(POINTS * m_stride));
            let pairs: Vec<[Pair; 8]> = groups.map(|g| grid.group(g)).collect();
            for (g, pairs) in pairs.iter().enumerate() {
                for c in 0..depth {
                    // SAFETY: as the function promises.
                    unsafe {
                        let plane = x.as_ptr().add(c * height * width);
                        let tiles = Tiles { pairs, width, is_half: shape.resample == Resample::DoubleInput };
                        transform_input::<V>(plane, ends.input_floor, tiles, v.add((g * depth + c) * LANES), v_stride);
                    }
                }
            }
            let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
            for p in 0..POINTS {
                // SAFETY: as the function promises.
                unsafe {
                    let u = u.add(p * filter_stride + channels.start * depth);
                    let (v, m) = (v.add(p * v_stride), m.add(p * m_stride));
                    V::products((rows, count, depth), u, v, m, strides, false);
                }
            }
            let area = out_height * out_width;
            for (g, pairs) in pairs.iter().enumerate() {
                for (row, k) in channels.clone().enumerate() {
                    // SAFETY: as the function promises.
                    unsafe {
                        let m = m.add((g * rows + row) * LANES);
                        let bias = ends.bias.map_or(0.0, |b| b[k]);
                        let gate = ends.gate.map(|x| x.as_ptr().add(k * area));
                        let tiles = Tiles { pairs, width: out_width, is_half: shape.resample == Resample::HalveOutput };
                        transform_output::<V>(m, m_stride, (scale, bias, ends.floor), gate, y.add(k * area), tiles);
                    }
                }
            }
        },
    );
}
