//! 3x3 stride-1 convolution and its two gradients by Winograd F(4x4, 3x3), AVX-512, f32.
//!
//! Tiles are lanes: 16 tiles make a group, and all that is transformed lies as `[point][block][depth][16]`,
//! which [`lane_gemm`] multiplies without packing. A block of groups goes through transform, 36
//! products and inverse transform on one thread, so it stays near the core. The work split depends
//! on shapes only.

#![allow(clippy::needless_range_loop)] // columns of arrays of rows

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::thread::LocalKey;

use rayon::prelude::*;

use super::lane_gemm::{LANES, Strides, lane_gemm};
use super::machine::{Width, width};
use super::parallel::Shared;
use super::winograd_tiles::{Pair, TileGrid, load_tile_row, load_window_row, store_tile_row, transpose};
use super::winograd_transform as transform;
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;

/// Of the cheap choices this has the least rounding error: half that of the usual 1 and 2.
pub(crate) const POINT_A: f32 = 0.625;
pub(crate) const POINT_B: f32 = 1.5;

const POINTS: usize = 36;
/// Groups of 16 tiles that a thread takes through a convolution at once.
const BLOCK_GROUPS: usize = 6;
/// Groups that the filter gradient adds up in one round of products.
const ROUND_GROUPS: usize = 12;

pub(crate) fn available() -> bool {
    width() == Width::Avx512
}

/// A floor of 64-byte lines, so that every vector of 16 lanes is aligned.
#[derive(Default)]
struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; LANES]);

impl Scratch {
    /// At least `len` floats, whose content is whatever the last use left.
    fn floats(&mut self, len: usize) -> *mut f32 {
        let lines = len.div_ceil(LANES);
        if self.0.len() < lines {
            self.0 = vec![Line([0.0; LANES]); lines];
        }
        self.0.as_mut_ptr().cast()
    }
}

thread_local! {
    static BLOCK: RefCell<[Scratch; 2]> = RefCell::default();
    static WHOLE: RefCell<[Scratch; 3]> = RefCell::default();
}

/// Lends a thread's scratch to `f`. Taken out, not borrowed: while it waits for its tasks, a
/// thread may be given another convolution to do.
fn with_scratch<const N: usize, R>(
    key: &'static LocalKey<RefCell<[Scratch; N]>>,
    f: impl FnOnce(&mut [Scratch; N]) -> R,
) -> R
where
    [Scratch; N]: Default,
{
    let mut scratch = key.take();
    let result = f(&mut scratch);
    key.set(scratch);
    result
}

/// Distance between transform points: padded, for 36 streams a power of two apart share cache sets.
fn point_stride(floats: usize) -> usize {
    floats.next_multiple_of(1024) + 5 * LANES
}

/// The same filter read two ways: as the convolution's, or flipped as the input gradient's.
#[derive(Clone, Copy)]
struct Filter<'a> {
    taps: &'a [f32],
    lanes: usize,
    lane_stride: usize,
    depth: usize,
    depth_stride: usize,
    flipped: bool,
}

/// What happens to a convolution's values before they are used, and to its sums before they are stored.
#[derive(Clone, Copy)]
struct Ends<'a> {
    /// Least value of the input: 0 for its ReLU.
    input_floor: f32,
    bias: Option<&'a [f32]>,
    /// Least value of the output.
    floor: f32,
    /// Of the output's shape; the output is zero where this is not positive.
    gate: Option<&'a [f32]>,
}

fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(super) fn convolution(shape: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, relus: Relus, y: Shared<f32>) {
    let (k, c) = (shape.out_channels, shape.in_channels);
    let filter = Filter { taps: w, lanes: k, lane_stride: 9 * c, depth: c, depth_stride: 9, flipped: false };
    let ends = Ends { input_floor: floor(relus.before), bias, floor: floor(relus.after), gate: None };
    correlate(shape, x, filter, ends, y);
}

/// The cotangent of `x` from that of `y`, zero where `gate` is not positive; `shape` is the forward convolution's.
pub(super) fn input_gradient(shape: &ConvShape, gy: &[f32], w: &[f32], gate: Option<&[f32]>, gx: Shared<f32>) {
    let (k, c) = (shape.out_channels, shape.in_channels);
    let filter = Filter { taps: w, lanes: c, lane_stride: 9, depth: k, depth_stride: 9 * c, flipped: true };
    let ends = Ends { input_floor: floor(false), bias: None, floor: floor(false), gate };
    correlate(&shape.adjoint(), gy, filter, ends, gx);
}

fn correlate(shape: &ConvShape, x: &[f32], filter: Filter, ends: Ends, y: Shared<f32>) {
    let Filter { lanes: rows, depth, .. } = filter;
    let filter_blocks = rows.div_ceil(LANES);
    let filter_stride = point_stride(filter_blocks * depth * LANES);
    with_scratch(&WHOLE, |[whole, ..]| {
        let u = Shared::new(whole.floats(POINTS * filter_stride));
        (0..filter_blocks).into_par_iter().for_each(|block| {
            // SAFETY: `available` was checked by the dispatcher; each block writes its own lines of u.
            unsafe { transform_filter(filter, block, u.pointer(), filter_stride) }
        });
        let grid = TileGrid::new(*shape);
        let groups = grid.groups();
        let blocks = block_count(groups);
        (0..blocks).into_par_iter().for_each(|block| {
            let range = groups * block / blocks..groups * (block + 1) / blocks;
            // SAFETY: as above; tiles of different groups do not overlap in y.
            unsafe { correlate_block(shape, &grid, range, x, (u.pointer(), filter_stride), ends, y.pointer()) }
        });
    });
}

/// Even for small layers a few blocks, so that threads share the work.
fn block_count(groups: usize) -> usize {
    (groups / BLOCK_GROUPS).max(1).next_multiple_of(4).min(groups)
}

#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn transform_filter(filter: Filter, block: usize, u: *mut f32, point_stride: usize) {
    let first = block * LANES;
    let mask = u16::MAX >> (LANES - (filter.lanes - first).min(LANES));
    let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let offsets = _mm512_mullo_epi32(lane, _mm512_set1_epi32(filter.lane_stride as i32));
    for d in 0..filter.depth {
        let base = unsafe { filter.taps.as_ptr().add(first * filter.lane_stride + d * filter.depth_stride) };
        let mut g = [_mm512_setzero_ps(); 9];
        for (i, tap) in g.iter_mut().enumerate() {
            let i = if filter.flipped { 8 - i } else { i };
            *tap = unsafe { _mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, offsets, base.add(i)) };
        }
        let mut rows = [[_mm512_setzero_ps(); 6]; 3];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = transform::filter([g[3 * i], g[3 * i + 1], g[3 * i + 2]]);
        }
        let at = unsafe { u.add((block * filter.depth + d) * LANES) };
        for j in 0..6 {
            let column = transform::filter([rows[0][j], rows[1][j], rows[2][j]]);
            for (i, v) in column.into_iter().enumerate() {
                unsafe { _mm512_store_ps(at.add((i * 6 + j) * point_stride), v) };
            }
        }
    }
}

/// `Bt max(d, floor) B` of one group in one channel, point p to `out[p * stride ..]`.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn transform_input(
    plane: *const f32,
    floor: f32,
    pairs: &[Pair; 8],
    width: usize,
    out: *mut f32,
    stride: usize,
) {
    let mut rows = [[_mm512_setzero_ps(); 6]; 6];
    let floor = _mm512_set1_ps(floor);
    for (r, row) in rows.iter_mut().enumerate() {
        let mut window = unsafe { load_window_row(plane, pairs, r, width) };
        for v in &mut window {
            *v = _mm512_max_ps(floor, *v); // in this order a NaN stays
        }
        *row = transform::input(window);
    }
    for j in 0..6 {
        let column = transform::input([rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]]);
        for (i, v) in column.into_iter().enumerate() {
            unsafe { _mm512_store_ps(out.add((i * 6 + j) * stride), v) };
        }
    }
}

/// `A dy At` of one group in one channel.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn transform_cotangent(plane: *const f32, pairs: &[Pair; 8], width: usize, out: *mut f32, stride: usize) {
    let mut rows = [[_mm512_setzero_ps(); 6]; 4];
    for (r, row) in rows.iter_mut().enumerate() {
        *row = transform::output_adjoint(unsafe { load_tile_row(plane, pairs, r, width) });
    }
    for j in 0..6 {
        let column = transform::output_adjoint([rows[0][j], rows[1][j], rows[2][j], rows[3][j]]);
        for (i, v) in column.into_iter().enumerate() {
            unsafe { _mm512_store_ps(out.add((i * 6 + j) * stride), v) };
        }
    }
}

/// `max(At m A + bias, floor)` of one group in one channel, stored to the plane; zero where the
/// plane of `gate`, if there is one, is not positive.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn transform_output(
    m: *const f32,
    stride: usize,
    (bias, floor): (f32, f32),
    gate: Option<*const f32>,
    plane: *mut f32,
    pairs: &[Pair; 8],
    width: usize,
) {
    let mut columns = [[_mm512_setzero_ps(); 4]; 6];
    for (j, column) in columns.iter_mut().enumerate() {
        let mut points = [_mm512_setzero_ps(); 6];
        for (i, v) in points.iter_mut().enumerate() {
            *v = unsafe { _mm512_load_ps(m.add((i * 6 + j) * stride)) };
        }
        *column = transform::output(points);
    }
    let (bias, floor) = (_mm512_set1_ps(bias), _mm512_set1_ps(floor));
    for r in 0..4 {
        let c = &columns;
        let mut row = transform::output([c[0][r], c[1][r], c[2][r], c[3][r], c[4][r], c[5][r]]);
        for v in &mut row {
            *v = _mm512_max_ps(floor, _mm512_add_ps(*v, bias));
        }
        if let Some(gate) = gate {
            let open = unsafe { load_tile_row(gate, pairs, r, width) };
            for (v, x) in row.iter_mut().zip(open) {
                *v = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()), *v);
            }
        }
        unsafe { store_tile_row(plane, pairs, r, width, row) };
    }
}

#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn correlate_block(
    shape: &ConvShape,
    grid: &TileGrid,
    groups: std::ops::Range<usize>,
    x: &[f32],
    (u, filter_stride): (*const f32, usize),
    ends: Ends,
    y: *mut f32,
) {
    let (depth, count) = (shape.in_channels, groups.len());
    let rows = shape.out_channels.next_multiple_of(8);
    let v_stride = point_stride(count * depth * LANES);
    let m_stride = point_stride(count * rows * LANES);
    with_scratch(&BLOCK, |[v, m]| {
        let (v, m) = (v.floats(POINTS * v_stride), m.floats(POINTS * m_stride));
        let pairs: Vec<[Pair; 8]> = groups.map(|g| grid.group(g)).collect();
        for (g, pairs) in pairs.iter().enumerate() {
            for c in 0..depth {
                unsafe {
                    let plane = x.as_ptr().add(c * shape.height * shape.width);
                    let to = v.add((g * depth + c) * LANES);
                    transform_input(plane, ends.input_floor, pairs, shape.width, to, v_stride);
                }
            }
        }
        let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
        for p in 0..POINTS {
            unsafe {
                let (u, v, m) = (u.add(p * filter_stride), v.add(p * v_stride), m.add(p * m_stride));
                lane_gemm((rows, count, depth), u, v, m, strides, false);
            }
        }
        let area = shape.out_height() * shape.out_width();
        for (g, pairs) in pairs.iter().enumerate() {
            for k in 0..shape.out_channels {
                unsafe {
                    let m = m.add((g * rows + k) * LANES);
                    let bias = ends.bias.map_or(0.0, |b| b[k]);
                    let gate = ends.gate.map(|x| x.as_ptr().add(k * area));
                    transform_output(m, m_stride, (bias, ends.floor), gate, y.add(k * area), pairs, shape.out_width());
                }
            }
        }
    });
}

/// The cotangent of the filter from `x`, or its ReLU, and the cotangent of `y`, added up in the transform domain.
pub(super) fn filter_gradient(shape: &ConvShape, x: &[f32], gy: &[f32], relu: bool, gw: Shared<f32>) {
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
            // SAFETY (all): the dispatcher checked `available`; each task writes its own block.
            (0..c_blocks + k_blocks).into_par_iter().for_each(|block| unsafe {
                if block < c_blocks {
                    let out = v.pointer().add(block * depth * LANES);
                    transposed::<true>(shape, (x.as_ptr(), floor(relu)), block, &pairs, out, v_stride);
                } else {
                    let block = block - c_blocks;
                    let out = m.pointer().add(block * depth * LANES);
                    transposed::<false>(shape, (gy.as_ptr(), floor(false)), block, &pairs, out, m_stride);
                }
            });
            let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
            (0..POINTS).into_par_iter().for_each(|p| unsafe {
                let (a, b) = (m.pointer().add(p * m_stride), v.pointer().add(p * v_stride));
                let rows = shape.out_channels.next_multiple_of(8);
                lane_gemm((rows, c_blocks, depth), a, b, u.pointer().add(p * u_stride), strides, round > 0);
            });
        }
        (0..c_blocks).into_par_iter().for_each(|block| unsafe {
            inverse_filter(shape, block, rows, u.pointer(), u_stride, gw.pointer());
        });
    });
}

/// Transforms 16 channels of all groups of a round, tiles as depth and channels as lanes.
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn transposed<const INPUT: bool>(
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
    let (channels, area, width) = match INPUT {
        true => (shape.in_channels, shape.height * shape.width, shape.width),
        false => (shape.out_channels, shape.out_height() * shape.out_width(), shape.out_width()),
    };
    let first = block * LANES;
    for (g, pairs) in pairs.iter().enumerate() {
        for lane in 0..LANES.min(channels - first) {
            unsafe {
                let plane = image.add((first + lane) * area);
                let to = buffer.add(lane * LANES);
                if INPUT {
                    transform_input(plane, floor, pairs, width, to, POINT);
                } else {
                    transform_cotangent(plane, pairs, width, to, POINT);
                }
            }
        }
        for p in 0..POINTS {
            unsafe { transpose(buffer.add(p * POINT), out.add(p * stride + g * POINT)) };
        }
    }
}

/// `Gt u G` for 16 input channels and all output channels.
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
unsafe fn inverse_filter(shape: &ConvShape, block: usize, rows: usize, u: *const f32, stride: usize, gw: *mut f32) {
    let first = block * LANES;
    let lanes = LANES.min(shape.in_channels - first);
    for k in 0..shape.out_channels {
        let mut half = [[_mm512_setzero_ps(); 3]; 6];
        for (j, column) in half.iter_mut().enumerate() {
            let mut points = [_mm512_setzero_ps(); 6];
            for (i, v) in points.iter_mut().enumerate() {
                let at = (i * 6 + j) * stride + (block * rows + k) * LANES;
                *v = unsafe { _mm512_load_ps(u.add(at)) };
            }
            *column = transform::filter_adjoint(points);
        }
        let mut taps = [Line([0.0; LANES]); 9];
        for r in 0..3 {
            let h = &half;
            let row = transform::filter_adjoint([h[0][r], h[1][r], h[2][r], h[3][r], h[4][r], h[5][r]]);
            for (s, v) in row.into_iter().enumerate() {
                unsafe { _mm512_store_ps(taps[3 * r + s].0.as_mut_ptr(), v) };
            }
        }
        for lane in 0..lanes {
            let at = unsafe { gw.add((k * shape.in_channels + first + lane) * 9) };
            for (i, tap) in taps.iter().enumerate() {
                unsafe { *at.add(i) = tap.0[lane] };
            }
        }
    }
}
