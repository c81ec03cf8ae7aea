//! The input gradient of a stride-2 convolution, which is the transposed convolution, by its four phases.
//!
//! Input pixels of even and odd rows and columns, counted with the padding, each see their own taps: (1 + 2)^2 = 9 products
//! for the four pixels of a 3x3 filter, and no zero among them. A lane is such a cell of four pixels; a 2x2 window of the
//! cotangent is what it reads, and what a phase reads of it is one piece of the depth.
//! FLOPs: 2 taps K C N OH OW, as the definition has; memory: each cotangent is read once, each result written once.

use std::ops::Range;

use rayon::prelude::*;

use super::{SLICE, UNIT};
use crate::kernels::cpu::lanes::{
    BLOCK, Ends, Filter, LANES, Lanes, Patches, Piece, Sources, Strides, WHOLE, first_windows, with_scratch,
    with_widest,
};
use crate::kernels::cpu::parallel::Shared;
use crate::ops::conv::ConvShape;

/// Units that a thread takes through at once: each group keeps the sums of four phases.
const BLOCK_UNITS: usize = 2;
/// Taps of the window.
const WINDOW: usize = 4;

/// One of the four kinds of input pixels.
struct Phase {
    /// The taps of the filter that it sees, in the order of the window: upper left, upper right, lower right, lower left.
    taps: Vec<usize>,
    /// The first of them in the window.
    first: usize,
}

impl Phase {
    /// Of odd rows if `odd[0]`, of odd columns if `odd[1]`.
    fn new(kernel: [usize; 2], odd: [bool; 2]) -> Self {
        // Tap `odd` reads the later pixel of the window, tap `odd + 2` the earlier one if the filter has it.
        let tap = |i: usize, later: bool| {
            let tap = usize::from(odd[i]) + if later { 0 } else { 2 };
            (tap < kernel[i]).then_some(tap)
        };
        let around = [(false, false), (false, true), (true, true), (true, false)];
        let seen = around.map(|(lower, right)| Some(tap(0, lower)? * kernel[1] + tap(1, right)?));
        let first = seen.iter().position(Option::is_some).unwrap_or(0);
        Self { taps: seen.into_iter().flatten().collect(), first }
    }

    fn all(kernel: [usize; 2]) -> [Self; 4] {
        [[false, false], [false, true], [true, false], [true, true]].map(|odd| Self::new(kernel, odd))
    }
}

/// Whether this is the way to do an input gradient.
pub(in crate::kernels::cpu) fn has_phases(s: &ConvShape) -> bool {
    s.stride == 2 && (0..2).all(|i| matches!(s.kernel[i], 3 | 4) && s.padding[i] < s.kernel[i])
}

/// The cotangent of `x` from that of `y`, zero where `gate` is not positive.
pub(in crate::kernels::cpu) fn input_gradient_by_phases(
    shape: &ConvShape,
    gy: &[f32],
    w: &[f32],
    gate: Option<&[f32]>,
    gx: Shared<f32>,
) {
    with_widest!(gradient(shape, gy, w, gate, gx));
}

fn gradient<V: Lanes>(shape: &ConvShape, gy: &[f32], w: &[f32], gate: Option<&[f32]>, gx: Shared<f32>) {
    let filter = Filter { flipped: false, ..Filter::of_adjoint(shape, w) };
    let phases = Phase::all(shape.kernel);
    let (filter_blocks, ends) = (filter.lanes.div_ceil(LANES), Ends::of_adjoint(gate));
    let slices = slices(filter.depth);
    with_scratch(&WHOLE, |[packed, ..]| {
        let packed = Shared::new(packed.floats(filter_blocks * filter.depth * filter.taps * LANES));
        (0..filter_blocks).into_par_iter().for_each(|block| {
            // SAFETY: the features are there; each block writes its own lines of each phase.
            unsafe {
                V::run(
                    #[inline(always)]
                    || pack::<V>(filter, &phases, block, &slices, packed.pointer()),
                )
            }
        });
        let patches = Patches::of_phases(shape);
        let groups = patches.groups();
        let units = groups.div_ceil(UNIT);
        let blocks = (units / BLOCK_UNITS).max(1).next_multiple_of(4).min(units);
        (0..blocks).into_par_iter().for_each(|block| {
            let [first, end] = [block, block + 1].map(|i| (units * i / blocks * UNIT).min(groups));
            let groups: Vec<Group> = (first..end).map(|group| Group::new(shape, &patches, group)).collect();
            // SAFETY: as above; groups do not overlap in gx.
            unsafe {
                V::run(
                    #[inline(always)]
                    || block_of_cells::<V>(shape, &phases, &slices, &groups, gy, packed.pointer(), ends, gx.pointer()),
                )
            }
        });
    });
}

/// The channels of `y`, a slice of the depth at a time.
fn slices(depth: usize) -> Vec<Range<usize>> {
    let widest = (SLICE / WINDOW).min(depth).max(1);
    (0..depth).step_by(widest).map(|first| first..(first + widest).min(depth)).collect()
}

/// 16 filters, phase after phase: `[slice][tap][channel][16]`.
///
/// # Safety
/// As [`Lanes`]; `out` has room for all blocks of all phases.
#[inline(always)]
unsafe fn pack<V: Lanes>(filter: Filter, phases: &[Phase; 4], block: usize, slices: &[Range<usize>], out: *mut f32) {
    let blocks = filter.lanes.div_ceil(LANES);
    let mut start = 0;
    for phase in phases {
        let depth = phase.taps.len() * filter.depth;
        let mut line = start + block * depth;
        for slice in slices {
            for (tap, d) in phase.taps.iter().flat_map(|tap| slice.clone().map(move |d| (*tap, d))) {
                // SAFETY: as the function promises.
                unsafe { V::store(out.add(line * LANES), filter.gather::<V>(block, d, tap)) };
                line += 1;
            }
        }
        start += blocks * depth;
    }
}

/// 16 cells of four pixels.
struct Group {
    /// For even and odd rows where the first and the last eight cells are stored.
    targets: [Vec<[Piece; 2]>; 2],
    sources: Sources,
}

impl Group {
    fn new(s: &ConvShape, patches: &Patches, group: usize) -> Self {
        let runs = patches.runs(group);
        let first = first_windows(s);
        let inside = |at: usize, i: usize, size: usize| at.checked_sub(s.padding[i]).filter(|at| *at < size);
        let targets = [0, 1].map(|odd| {
            let targets = runs.iter().filter_map(|run| {
                let y = inside(2 * (run.y + first[0]) + odd, 0, s.height)?;
                let column = 2 * (run.x + first[1]);
                let is_inside = |i: &usize| inside(column + i, 1, s.width).is_some();
                let mask = (0..2 * run.len).filter(is_inside).fold(0_u32, |mask, i| mask | 1 << (2 * run.lane + i));
                let row = (run.image * s.in_channels * s.height + y) * s.width;
                let offset = (row + column) as isize - (s.padding[1] + 2 * run.lane) as isize;
                let low = Piece { mask: mask as u16, offset };
                Some([low, Piece { mask: (mask >> LANES) as u16, ..low.shifted(LANES) }])
            });
            targets.collect()
        });
        Self { targets, sources: patches.sources_around(&runs) }
    }
}

/// Takes some groups through windows, products and stores on one thread.
///
/// # Safety
/// As [`Lanes`]; `gy`, `filter` (packed) and `gx` have the sizes of `shape`; nobody else writes these groups of `gx`.
#[allow(clippy::too_many_arguments, reason = "the inner call of one function")]
#[inline(always)]
unsafe fn block_of_cells<V: Lanes>(
    shape: &ConvShape,
    phases: &[Phase; 4],
    slices: &[Range<usize>],
    groups: &[Group],
    gy: &[f32],
    filter: *const f32,
    ends: Ends,
    gx: *mut f32,
) {
    let (depth, count) = (shape.out_channels, groups.len());
    let (rows, blocks) = (shape.in_channels.next_multiple_of(8), shape.in_channels.div_ceil(LANES));
    let (area, out_area) = (shape.out_height() * shape.out_width(), shape.height * shape.width);
    let widest = slices.first().map_or(0, Range::len);
    let floor = V::splat(ends.input_floor);
    with_scratch(
        &BLOCK,
        #[inline(always)]
        |[v, sums]| {
            let (v, sums) = (v.floats(count * widest * WINDOW * LANES), sums.floats(count * 4 * rows * LANES));
            for slice in slices {
                let (first, len) = (slice.start, slice.len());
                for (i, k) in slice.clone().enumerate() {
                    for (g, group) in groups.iter().enumerate() {
                        let out = (g * WINDOW * len + i) * LANES;
                        // SAFETY: as the function promises.
                        unsafe {
                            group.sources.read_apart(gy.as_ptr().add(k * area), area, floor, (v.add(out), len * LANES));
                        }
                    }
                }
                let mut start = 0;
                for (p, phase) in phases.iter().enumerate() {
                    let taps = phase.taps.len();
                    let strides = Strides { a: taps * depth * LANES, b: WINDOW * len * LANES, out: 4 * rows * LANES };
                    // SAFETY: as the function promises.
                    unsafe {
                        let a = filter.add((start + first * taps) * LANES);
                        let (b, sums) = (v.add(phase.first * len * LANES), sums.add(p * rows * LANES));
                        V::products((rows, count, taps * len), a, b, sums, strides, first > 0);
                    }
                    start += blocks * taps * depth;
                }
            }
            for c in 0..shape.in_channels {
                for (g, group) in groups.iter().enumerate() {
                    for (odd, targets) in group.targets.iter().enumerate() {
                        // SAFETY: as the function promises.
                        unsafe {
                            let even = sums.add(((4 * g + 2 * odd) * rows + c) * LANES);
                            let pair = V::woven(V::load(even), V::load(even.add(rows * LANES)));
                            for target in targets {
                                for (piece, v) in target.iter().zip(pair) {
                                    ends.store(piece.shifted(c * out_area), ends.apply(c, v), gx);
                                }
                            }
                        }
                    }
                }
            }
        },
    );
}
