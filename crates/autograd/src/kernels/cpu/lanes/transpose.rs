//! Transposition of 16x16 blocks and of whole planes.

use std::arch::x86_64::*;

use rayon::prelude::*;

use super::LANES;
use crate::kernels::cpu::parallel::Shared;

/// The columns of 16 rows.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn columns(r: [__m512; LANES]) -> [__m512; LANES] {
    let mut t = r;
    for i in 0..4 {
        let pd = |x| _mm512_castps_pd(x);
        let [a, b, c, d] = [r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]];
        let (ab0, ab1) = (pd(_mm512_unpacklo_ps(a, b)), pd(_mm512_unpackhi_ps(a, b)));
        let (cd0, cd1) = (pd(_mm512_unpacklo_ps(c, d)), pd(_mm512_unpackhi_ps(c, d)));
        t[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab0, cd0));
        t[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab0, cd0));
        t[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab1, cd1));
        t[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab1, cd1));
    }
    // t[4i + j], quarter q: column 4q + j of rows 4i .. 4i + 4.
    let mut columns = r;
    for j in 0..4 {
        let (x, y) = (t[j], t[4 + j]);
        let (z, w) = (t[8 + j], t[12 + j]);
        let (xy0, xy1) = (_mm512_shuffle_f32x4::<0x88>(x, y), _mm512_shuffle_f32x4::<0xDD>(x, y));
        let (zw0, zw1) = (_mm512_shuffle_f32x4::<0x88>(z, w), _mm512_shuffle_f32x4::<0xDD>(z, w));
        columns[j] = _mm512_shuffle_f32x4::<0x88>(xy0, zw0);
        columns[4 + j] = _mm512_shuffle_f32x4::<0x88>(xy1, zw1);
        columns[8 + j] = _mm512_shuffle_f32x4::<0xDD>(xy0, zw0);
        columns[12 + j] = _mm512_shuffle_f32x4::<0xDD>(xy1, zw1);
    }
    columns
}

/// Transposes a 16x16 block of floats.
///
/// # Safety
/// AVX-512 is there; `from` holds 256 floats, `to` has room for as many.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
pub(in crate::kernels::cpu) unsafe fn transpose(from: *const f32, to: *mut f32) {
    // SAFETY: 16 rows of 16.
    unsafe { transpose_part((from, LANES), (to, LANES), [LANES; 2]) };
}

/// Transposes at most 16 by 16 floats, `[rows, columns]` of `from`; strides are those of rows.
///
/// # Safety
/// AVX-512 is there; the part is inside `from` and, transposed, inside `to`.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn transpose_part(
    (from, from_stride): (*const f32, usize),
    (to, to_stride): (*mut f32, usize),
    part: [usize; 2],
) {
    let [row_mask, column_mask] = part.map(|size| u16::MAX >> (LANES - size));
    let mut rows = [_mm512_setzero_ps(); LANES];
    for (i, row) in rows.iter_mut().enumerate().take(part[0]) {
        // SAFETY: as the function promises.
        *row = unsafe { _mm512_maskz_loadu_ps(column_mask, from.add(i * from_stride)) };
    }
    for (i, column) in columns(rows).into_iter().enumerate().take(part[1]) {
        // SAFETY: as the function promises.
        unsafe { _mm512_mask_storeu_ps(to.add(i * to_stride), row_mask, column) };
    }
}

/// Transposes each of `from`'s planes, of that height and width.
///
/// # Safety
/// AVX-512 is there; `from` and `to` hold as many planes.
pub(in crate::kernels::cpu) unsafe fn transpose_planes(from: &[f32], [height, width]: [usize; 2], to: Shared<f32>) {
    let area = height * width;
    from.par_chunks_exact(area).enumerate().with_min_len(16).for_each(|(p, plane)| {
        // SAFETY: as the function promises; each plane is written by one task.
        unsafe { transpose_plane(plane, [height, width], to.pointer().add(p * area)) };
    });
}

/// # Safety
/// As [`transpose_planes`].
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn transpose_plane(plane: &[f32], [height, width]: [usize; 2], to: *mut f32) {
    for y in (0..height).step_by(LANES) {
        for x in (0..width).step_by(LANES) {
            let part = [LANES.min(height - y), LANES.min(width - x)];
            // SAFETY: the part is inside the plane.
            unsafe {
                let to = to.add(x * height + y);
                if part[0].min(part[1]) > 2 {
                    transpose_part((plane.as_ptr().add(y * width + x), width), (to, height), part);
                    continue;
                }
                for (a, b) in (0..part[0]).flat_map(|a| (0..part[1]).map(move |b| (a, b))) {
                    to.add(b * height + a).write(plane[(y + a) * width + x + b]);
                }
            }
        }
    }
}
