//! Transposition of 16x16 blocks and of whole planes.

use rayon::prelude::*;

use super::{LANES, Lanes};
use crate::kernels::cpu::parallel::Shared;

/// Transposes a 16x16 block of floats.
///
/// # Safety
/// As [`Lanes`]; `from` holds 256 floats, `to` has room for as many.
#[inline(always)]
pub(in crate::kernels::cpu) unsafe fn transpose<V: Lanes>(from: *const f32, to: *mut f32) {
    // SAFETY: 16 rows of 16.
    unsafe { transpose_part::<V>((from, LANES), (to, LANES), [LANES; 2]) };
}

/// Transposes at most 16 by 16 floats, `[rows, columns]` of `from`; strides are those of rows.
///
/// # Safety
/// As [`Lanes`]; the part is inside `from` and, transposed, inside `to`.
#[inline(always)]
unsafe fn transpose_part<V: Lanes>(
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    part: [usize; 2],
) {
    let [row_mask, column_mask] = part.map(|size| u16::MAX >> (LANES - size));
    let mut rows = [V::zero(); LANES];
    for (i, row) in rows.iter_mut().enumerate().take(part[0]) {
        // SAFETY: as the function promises.
        *row = unsafe { V::load_masked(column_mask, from.add(i * from_stride)) };
    }
    for (i, column) in V::transposed(rows).into_iter().enumerate().take(part[1]) {
        // SAFETY: as the function promises.
        unsafe { V::store_masked(to.add(i * to_stride), row_mask, column) };
    }
}

/// Transposes each of `from`'s planes, of that height and width.
///
/// # Safety
/// As [`Lanes`]; `from` and `to` hold as many planes.
pub(in crate::kernels::cpu) unsafe fn transpose_planes<V: Lanes>(
    from: &[f32],
    [height, width]: [usize; 2],
    to: Shared<f32>,
) {
    let area = height * width;
    from.par_chunks_exact(area).enumerate().with_min_len(16).for_each(|(p, plane)| {
        // SAFETY: as the function promises; each plane is written by one task.
        unsafe {
            let to = to.pointer().add(p * area);
            V::run(
                #[inline(always)]
                || transpose_plane::<V>(plane, [height, width], to),
            )
        };
    });
}

/// # Safety
/// As [`transpose_planes`].
#[inline(always)]
unsafe fn transpose_plane<V: Lanes>(plane: &[f32], [height, width]: [usize; 2], to: *mut f32) {
    for y in (0..height).step_by(LANES) {
        for x in (0..width).step_by(LANES) {
            let part = [LANES.min(height - y), LANES.min(width - x)];
            // SAFETY: the part is inside the plane.
            unsafe {
                let to = to.add(x * height + y);
                if part[0].min(part[1]) > 2 {
                    transpose_part::<V>((plane.as_ptr().add(y * width + x), width), (to, height), part);
                    continue;
                }
                for (a, b) in (0..part[0]).flat_map(|a| (0..part[1]).map(move |b| (a, b))) {
                    to.add(b * height + a).write(plane[(y + a) * width + x + b]);
                }
            }
        }
    }
}
