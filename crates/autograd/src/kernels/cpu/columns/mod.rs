//! Stride-1 convolution with filters of 3, 5 or 7 rows by one-dimensional Winograd F(4, r), AVX-512 and AVX2, f32.
//!
//! Tiles are four output pixels of a column and are lanes, 16 of them a group; a filter's columns add to the depth of
//! the products. What is transformed lies as `[point][group][depth][16]`, which [`Lanes::products`] multiplies without
//! packing. A filter of one row runs over transposed images. The work split depends on shapes only.
//!
//! The functions here are safe to call where the machine has AVX2 and the shape [`fits`], with slices of its lengths;
//! `conv.rs` checks all that.

mod transform;

use rayon::prelude::*;

use super::lanes::{
    BLOCK, Ends, Filter, LANES, Lanes, Line, Patches, Piece, Run, Sources, Strides, WHOLE, point_stride,
    transpose_planes, with_scratch, with_widest,
};
use super::parallel::{Shared, filled};
use crate::kernels::conv::Relus;
use crate::ops::conv::ConvShape;
use transform::{OUTPUTS, Scheme};

/// Groups that a thread takes through a convolution at once.
const BLOCK_GROUPS: usize = 6;
/// Columns of the widest filter.
const COLUMNS: usize = 7;
/// Channels, in and out, below which the transforms cost more than they save.
const CHANNELS: usize = 16;

// Of the points with few bits these have the least rounding errors: for 3, 5 and 7 rows 2, 3 and 4 times those of the
// plain sum, of which two-dimensional Winograd F(4x4, 3x3) has 3.
const THREE: Scheme<2> = Scheme::new([0.625, 1.5]);
const FIVE: Scheme<3> = Scheme::new([0.5, 1.0, 2.5]);
const SEVEN: Scheme<4> = Scheme::new([0.375, 0.75, 1.25, 2.5]);

/// Whether this is the way to do a convolution and its input gradient.
pub(super) fn fits(s: &ConvShape) -> bool {
    let column = |rows: usize, columns: usize| matches!(rows, 3 | 5 | 7) && columns <= COLUMNS;
    let [rows, columns] = s.kernel;
    let (along, height) =
        if rows == 1 { (column(columns, 1), s.out_width()) } else { (column(rows, columns), s.out_height()) };
    along && s.stride == 1 && height >= OUTPUTS && s.in_channels.min(s.out_channels) >= CHANNELS
}

/// `y = x * w + bias`, with ReLUs before and after.
pub(super) fn convolution(shape: &ConvShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, relus: Relus, y: Shared<f32>) {
    with_widest!(upright(shape, x, Filter::of_convolution(shape, w), Ends::of_convolution(bias, relus), y));
}

/// The cotangent of `x` from that of `y`, zero where `gate` is not positive; `shape` is the forward convolution's.
pub(super) fn input_gradient(shape: &ConvShape, gy: &[f32], w: &[f32], gate: Option<&[f32]>, gx: Shared<f32>) {
    with_widest!(upright(&shape.adjoint(), gy, Filter::of_adjoint(shape, w), Ends::of_adjoint(gate), gx));
}

/// Transposes images and result if the filter has one row.
fn upright<V: Lanes>(shape: &ConvShape, x: &[f32], filter: Filter, ends: Ends, y: Shared<f32>) {
    if shape.kernel[0] != 1 {
        return by_rows::<V>(shape, x, filter, ends, y);
    }
    let reversed = |[a, b]: [usize; 2]| [b, a];
    let (size, out) = ([shape.height, shape.width], [shape.out_height(), shape.out_width()]);
    let turned = ConvShape {
        height: shape.width,
        width: shape.height,
        kernel: reversed(shape.kernel),
        padding: reversed(shape.padding),
        ..*shape
    };
    let transposed = |from: &[f32], size: [usize; 2]| {
        // SAFETY: the features are there; the planes are as many.
        filled(from.len(), |to| unsafe { transpose_planes::<V>(from, size, to) })
    };
    let gate = ends.gate.map(|gate| transposed(gate, out));
    let turned_x = transposed(x, size);
    let result = filled(shape.output_len(), |to| {
        by_rows::<V>(&turned, &turned_x, filter, Ends { gate: gate.as_deref(), ..ends }, to);
    });
    // SAFETY: as above.
    unsafe { transpose_planes::<V>(&result, reversed(out), y) };
}

fn by_rows<V: Lanes>(shape: &ConvShape, x: &[f32], filter: Filter, ends: Ends, y: Shared<f32>) {
    match shape.kernel[0] {
        3 => correlate::<V, 2, 6>(&THREE, shape, x, filter, ends, y),
        5 => correlate::<V, 3, 8>(&FIVE, shape, x, filter, ends, y),
        _ => correlate::<V, 4, 10>(&SEVEN, shape, x, filter, ends, y),
    }
}

fn correlate<V: Lanes, const P: usize, const N: usize>(
    scheme: &Scheme<P>,
    shape: &ConvShape,
    x: &[f32],
    filter: Filter,
    ends: Ends,
    y: Shared<f32>,
) {
    let filter_blocks = filter.lanes.div_ceil(LANES);
    let stride = point_stride(filter_blocks * filter.depth * shape.kernel[1] * LANES);
    with_scratch(&WHOLE, |[u, ..]| {
        let u = Shared::new(u.floats(N * stride));
        (0..filter_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; each block writes its own lines of u.
            unsafe {
                V::run(
                    #[inline(always)]
                    || transform_filter::<V, P, N>(scheme, shape.kernel, filter, block, u.pointer(), stride),
                )
            }
        });
        let patches = Patches::of_columns(shape, OUTPUTS, N);
        let groups = patches.groups();
        let blocks = block_count(groups);
        (0..blocks).into_par_iter().for_each(|block| {
            let [first, end] = [block, block + 1].map(|i| groups * i / blocks);
            let groups: Vec<Group> = (first..end).map(|group| Group::new(shape, &patches, group)).collect();
            // SAFETY: as above; groups do not overlap in y.
            unsafe {
                V::run(
                    #[inline(always)]
                    || correlate_block::<V, P, N>(scheme, shape, &groups, x, (u.pointer(), stride), ends, y.pointer()),
                );
            }
        });
    });
}

/// Even for small layers a few blocks, so that threads share the work.
fn block_count(groups: usize) -> usize {
    (groups / BLOCK_GROUPS).max(1).next_multiple_of(4).min(groups)
}

/// `G g` of 16 filters in all their depths and columns, point p to `u[p * stride ..]`.
///
/// # Safety
/// As [`Lanes`]; `u` has room for this block at every point, and nobody else writes there.
#[inline(always)]
unsafe fn transform_filter<V: Lanes, const P: usize, const N: usize>(
    scheme: &Scheme<P>,
    [rows, columns]: [usize; 2],
    filter: Filter,
    block: usize,
    u: *mut f32,
    stride: usize,
) {
    let mut taps = [V::zero(); N];
    for d in 0..filter.depth {
        for column in 0..columns {
            for (i, tap) in taps[..rows].iter_mut().enumerate() {
                // SAFETY: as the function promises.
                *tap = unsafe { filter.gather(block, d, i * columns + column) };
            }
            let line = (block * filter.depth + d) * columns + column;
            for (p, v) in transform::filter::<V, P, N>(scheme, &taps[..rows]).into_iter().enumerate() {
                // SAFETY: as the function promises.
                unsafe { V::store(u.add(p * stride + line * LANES), v) };
            }
        }
    }
}

/// 16 tiles.
struct Group {
    /// Where their first pixels are stored, a piece a row of tiles, and how many rows of pixels there are.
    targets: Vec<(Piece, usize)>,
    sources: Sources,
}

impl Group {
    fn new(s: &ConvShape, patches: &Patches, group: usize) -> Self {
        let (runs, height, width) = (patches.runs(group), s.out_height(), s.out_width());
        let target = |run: &Run| {
            let y = OUTPUTS * run.y;
            let offset = (run.image * s.out_channels * height + y) * width + run.x;
            (run.piece(offset), OUTPUTS.min(height - y))
        };
        Self { targets: runs.iter().map(target).collect(), sources: patches.sources(&runs) }
    }
}

/// Takes some groups through transform, products and inverse on one thread, so that they stay near the core.
///
/// # Safety
/// As [`Lanes`]; `x`, `u` and `y` have the sizes of `shape`; nobody else writes these groups of `y`.
#[inline(always)]
unsafe fn correlate_block<V: Lanes, const P: usize, const N: usize>(
    scheme: &Scheme<P>,
    shape: &ConvShape,
    groups: &[Group],
    x: &[f32],
    (u, filter_stride): (*const f32, usize),
    ends: Ends,
    y: *mut f32,
) {
    let columns = shape.kernel[1];
    let (depth, count) = (shape.in_channels * columns, groups.len());
    let rows = shape.out_channels.next_multiple_of(8);
    let (v_stride, m_stride) = (point_stride(count * depth * LANES), point_stride(count * rows * LANES));
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[v, m]| {
            let (v, m) = (v.floats(N * v_stride), m.floats(N * m_stride));
            for c in 0..shape.in_channels {
                for (g, group) in groups.iter().enumerate() {
                    let to = (g * depth + c * columns) * LANES;
                    // SAFETY: as the function promises.
                    unsafe {
                        transform_input::<V, P, N>(
                            scheme,
                            shape,
                            group,
                            (x, c),
                            ends.input_floor,
                            (v.add(to), v_stride),
                        )
                    };
                }
            }
            let strides = Strides { a: depth * LANES, b: depth * LANES, out: rows * LANES };
            for p in 0..N {
                // SAFETY: as the function promises.
                unsafe {
                    let (u, v, m) = (u.add(p * filter_stride), v.add(p * v_stride), m.add(p * m_stride));
                    V::products((rows, count, depth), u, v, m, strides, false);
                }
            }
            for k in 0..shape.out_channels {
                for (g, group) in groups.iter().enumerate() {
                    // SAFETY: as the function promises.
                    unsafe {
                        transform_output::<V, P, N>(
                            scheme,
                            shape,
                            group,
                            k,
                            (m.add((g * rows + k) * LANES), m_stride),
                            ends,
                            y,
                        )
                    };
                }
            }
        },
    );
}

/// `Bt max(d, floor)` of one group in one channel and all columns of the filter, point p to `out[p * stride ..]`.
///
/// # Safety
/// As [`Lanes`]; `x` has the sizes of `shape`; `out` has a line a column at every point.
#[inline(always)]
unsafe fn transform_input<V: Lanes, const P: usize, const N: usize>(
    scheme: &Scheme<P>,
    shape: &ConvShape,
    group: &Group,
    (x, channel): (&[f32], usize),
    floor: f32,
    (out, stride): (*mut f32, usize),
) {
    let (area, columns) = (shape.height * shape.width, shape.kernel[1]);
    let mut window = [[Line([0.0; LANES]); COLUMNS]; N];
    let window: *mut f32 = window.as_mut_ptr().cast();
    // SAFETY: as the function promises; the window holds N rows of at most `COLUMNS` lines.
    unsafe {
        group.sources.read(x.as_ptr().add(channel * area), area, V::splat(floor), window);
        for column in 0..columns {
            let mut d = [V::zero(); N];
            for (i, d) in d.iter_mut().enumerate() {
                *d = V::load(window.add((i * columns + column) * LANES));
            }
            for (p, v) in transform::input::<V, P, N>(scheme, d).into_iter().enumerate() {
                V::store(out.add(p * stride + column * LANES), v);
            }
        }
    }
}

/// `max(At m + bias, floor)` of one group in channel `k`, zero where the gate is not positive, stored.
///
/// # Safety
/// As [`Lanes`]; `m` has a line at every point; `y` and the gate have the sizes of `shape`, and nobody else writes
/// these tiles.
#[inline(always)]
unsafe fn transform_output<V: Lanes, const P: usize, const N: usize>(
    scheme: &Scheme<P>,
    shape: &ConvShape,
    group: &Group,
    k: usize,
    (m, stride): (*const f32, usize),
    ends: Ends,
    y: *mut f32,
) {
    let (width, area) = (shape.out_width(), shape.out_height() * shape.out_width());
    let mut points = [V::zero(); N];
    for (p, v) in points.iter_mut().enumerate() {
        // SAFETY: as the function promises.
        *v = unsafe { V::load(m.add(p * stride)) };
    }
    let mut pixels = transform::output::<V, P, N>(scheme, points);
    for v in &mut pixels {
        *v = ends.apply(k, *v);
    }
    for (target, rows) in &group.targets {
        for (i, v) in pixels.iter().enumerate().take(*rows) {
            // SAFETY: as the function promises.
            unsafe { ends.store(target.shifted(k * area + i * width), *v, y) };
        }
    }
}
