//! The filter gradient: transformed tiles are the depth of its products.

#![allow(clippy::needless_range_loop)] // columns of arrays of rows

use rayon::prelude::*;

use super::correlate::transform_input;
use super::tiles::{Pair, TileGrid, Tiles, load_cell_row, load_tile_row};
use super::{POINTS, cell_scale, transform};
use crate::kernels::cpu::lanes::{
    LANES, Lanes, Line, Strides, WHOLE, floor, point_stride, transpose, with_scratch, with_widest,
};
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::{ConvShape, Resample};

/// Groups of tiles that are added up in one round of products.
const ROUND_GROUPS: usize = 12;

/// The cotangent of the filter from `x`, or its ReLU, and the cotangent of `y`, added up in the transform domain.
pub(crate) fn filter_gradient(shape: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
    with_widest!(add_up(shape, x, gy, relu, gw));
}

fn add_up<V: Lanes>(shape: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
    let (c_blocks, k_blocks) = (shape.in_channels.div_ceil(LANES), shape.out_channels.div_ceil(LANES));
    let grid = TileGrid::new(*shape);
    let groups = grid.groups();
    let rounds = groups.div_ceil(ROUND_GROUPS);
    let widest = groups.div_ceil(rounds) * LANES;
    let v_stride = point_stride(c_blocks * widest * LANES);
    let m_stride = point_stride(k_blocks * widest * LANES);
    let rows = k_blocks * LANES;
    let u_stride = point_stride(c_blocks * rows * LANES);
    with_scratch(&WHOLE, |[u, v, m]| {
        let u = Shared::new(u.floats(POINTS * u_stride));
        let v = Shared::new(v.floats(POINTS * v_stride));
        let m = Shared::new(m.floats(POINTS * m_stride));
        for round in 0..rounds {
            let range = groups * round / rounds..groups * (round + 1) / rounds;
            let depth = range.len() * LANES;
            let pairs: Vec<[Pair; 8]> = range.map(|g| grid.group(g)).collect();
            (0..c_blocks + k_blocks).into_par_iter().for_each(|block| {
                // SAFETY: the features are there; each task writes its own block of v or m.
                unsafe {
                    if block < c_blocks {
                        let out = v.pointer().add(block * depth * LANES);
                        V::run(
                            #[inline(always)]
                            || transposed::<V, true>(shape, (x.as_ptr(), floor(relu)), block, &pairs, out, v_stride),
                        );
                    } else {
                        let block = block - c_blocks;
                        let out = m.pointer().add(block * depth * LANES);
                        V::run(
                            #[inline(always)]
                            || transposed::<V, false>(shape, (gy.as_ptr(), floor(false)), block, &pairs, out, m_stride),
                        );
                    }
                }
            });
            let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
            (0..POINTS).into_par_iter().for_each(|p| {
                let rows = shape.out_channels.next_multiple_of(8);
                // SAFETY: the features are there; v and m were just filled; each task writes its own point of u.
                unsafe {
                    let (a, b) = (m.pointer().add(p * m_stride), v.pointer().add(p * v_stride));
                    V::products((rows, c_blocks, depth), a, b, u.pointer().add(p * u_stride), strides, round > 0);
                }
            });
        }
        (0..c_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; every point of u was filled; each task writes its own input channels.
            unsafe {
                V::run(
                    #[inline(always)]
                    || inverse_filter::<V>(shape, block, rows, u.pointer(), u_stride, gw.pointer()),
                )
            };
        });
    });
}

/// `A dy At` of one group in one channel.
///
/// # Safety
/// As [`transform_input`].
#[inline(always)]
unsafe fn transform_cotangent<V: Lanes>(
    plane: *const f32,
    Tiles { pairs, width, is_half }: Tiles,
    out: *mut f32,
    stride: usize,
) {
    let mut rows = [[V::zero(); 6]; 4];
    if is_half {
        for r in 0..2 {
            // SAFETY: as the function promises.
            let [a, b] = unsafe { load_cell_row(plane, pairs, r, width) };
            let row = transform::output_adjoint([a, a, b, b]);
            rows[2 * r] = row;
            rows[2 * r + 1] = row;
        }
    } else {
        for (r, row) in rows.iter_mut().enumerate() {
            // SAFETY: as the function promises.
            *row = transform::output_adjoint(unsafe { load_tile_row(plane, pairs, r, width) });
        }
    }
    for j in 0..6 {
        let column = transform::output_adjoint([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
        for (i, v) in column.into_iter().enumerate() {
            // SAFETY: as the function promises.
            unsafe { V::store(out.add((i * 6 + j) * stride), v) };
        }
    }
}

/// Transforms 16 channels of all groups of a round, tiles as depth and channels as lanes.
///
/// # Safety
/// As [`Lanes`]; `image` has the sizes of `shape`; `out` has room for the block at every point.
#[inline(always)]
unsafe fn transposed<V: Lanes, const INPUT: bool>(
    shape: &ConvShape,
    (image, floor): (*const f32, f32),
    block: usize,
    pairs: &[[Pair; 8]],
    out: *mut f32,
    stride: usize,
) {
    const POINT: usize = LANES * LANES;
    let mut buffer = [Line([0.0; LANES]); POINTS * LANES];
    let buffer: *mut f32 = buffer.as_mut_ptr().cast();
    let ([_, channels, height, width], half) = match INPUT {
        true => (shape.input(), Resample::DoubleInput),
        false => (shape.output(), Resample::HalveOutput),
    };
    let (area, is_half) = (height * width, shape.resample == half);
    let first = block * LANES;
    for (g, pairs) in pairs.iter().enumerate() {
        for lane in 0..LANES.min(channels - first) {
            // SAFETY: as the function promises.
            unsafe {
                let plane = image.add((first + lane) * area);
                let (to, tiles) = (buffer.add(lane * LANES), Tiles { pairs, width, is_half });
                if INPUT {
                    transform_input::<V>(plane, floor, tiles, to, POINT);
                } else {
                    transform_cotangent::<V>(plane, tiles, to, POINT);
                }
            }
        }
        for p in 0..POINTS {
            // SAFETY: as the function promises.
            unsafe { transpose::<V>(buffer.add(p * POINT), out.add(p * stride + g * POINT)) };
        }
    }
}

/// `cell_scale * Gt u G` for 16 input channels and all output channels.
///
/// # Safety
/// As [`Lanes`]; `u` holds `rows` by 16 lanes at every point; `gw` has the sizes of `shape`, and
/// nobody else writes these input channels.
#[inline(always)]
unsafe fn inverse_filter<V: Lanes>(
    shape: &ConvShape,
    block: usize,
    rows: usize,
    u: *const f32,
    stride: usize,
    gw: *mut f32,
) {
    let first = block * LANES;
    let lanes = LANES.min(shape.in_channels - first);
    let scale = cell_scale(shape);
    for k in 0..shape.out_channels {
        let mut half = [[V::zero(); 3]; 6];
        for (j, column) in half.iter_mut().enumerate() {
            let mut points = [V::zero(); 6];
            for (i, v) in points.iter_mut().enumerate() {
                let at = (i * 6 + j) * stride + (block * rows + k) * LANES;
                // SAFETY: as the function promises.
                *v = unsafe { V::load(u.add(at)) };
            }
            *column = transform::filter_adjoint(points);
        }
        let mut taps = [Line([0.0; LANES]); 9];
        for r in 0..3 {
            let h = &half;
            let row = transform::filter_adjoint([h[0][r], h[1][r], h[2][r], h[3][r], h[4][r], h[5][r]]);
            for (s, v) in row.into_iter().enumerate() {
                // SAFETY: as the function promises.
                unsafe { V::store(taps[3 * r + s].0.as_mut_ptr(), v) };
            }
        }
        for lane in 0..lanes {
            // SAFETY: as the function promises.
            let at = unsafe { gw.add((k * shape.in_channels + first + lane) * 9) };
            for (i, tap) in taps.iter().enumerate() {
                // SAFETY: as the function promises.
                unsafe { *at.add(i) = scale * tap.0[lane] };
            }
        }
    }
}
