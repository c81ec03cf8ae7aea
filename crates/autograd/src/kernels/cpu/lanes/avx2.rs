//! AVX2: two registers hold the 16 lanes.

use std::arch::x86_64::*;

use super::LANES;
use super::vector::{Lanes, Strides};

/// Lanes of a register.
const HALF: usize = LANES / 2;
/// Rows of a tile of a product. By one block they make 8 sums, as many as multiplications are on their way at once. Three
/// half blocks would need all 16 registers and a compiler that spills none: measured, a third slower.
const ROWS: usize = 4;

#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Avx2([__m256; 2]);

/// Both halves of an intrinsic's result.
macro_rules! halves {
    ($half:ident => $value:expr) => {
        // SAFETY: whoever names `Avx2` has seen its features.
        unsafe {
            let low = {
                let $half = 0;
                $value
            };
            let high = {
                let $half = 1;
                $value
            };
            Self([low, high])
        }
    };
}

impl Lanes for Avx2 {
    #[inline(always)]
    unsafe fn run<R>(f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2,fma")]
        fn compiled<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: as the function promises.
        unsafe { compiled(f) }
    }

    #[inline(always)]
    fn splat(x: f32) -> Self {
        halves!(_i => _mm256_set1_ps(x))
    }

    #[inline(always)]
    fn add(a: Self, b: Self) -> Self {
        halves!(i => _mm256_add_ps(a.0[i], b.0[i]))
    }

    #[inline(always)]
    fn sub(a: Self, b: Self) -> Self {
        halves!(i => _mm256_sub_ps(a.0[i], b.0[i]))
    }

    #[inline(always)]
    fn mul(a: Self, b: Self) -> Self {
        halves!(i => _mm256_mul_ps(a.0[i], b.0[i]))
    }

    #[inline(always)]
    fn div(a: Self, b: Self) -> Self {
        halves!(i => _mm256_div_ps(a.0[i], b.0[i]))
    }

    #[inline(always)]
    fn mul_add(a: Self, b: Self, c: Self) -> Self {
        halves!(i => _mm256_fmadd_ps(a.0[i], b.0[i], c.0[i]))
    }

    #[inline(always)]
    fn neg_mul_add(a: Self, b: Self, c: Self) -> Self {
        halves!(i => _mm256_fnmadd_ps(a.0[i], b.0[i], c.0[i]))
    }

    #[inline(always)]
    fn max(a: Self, b: Self) -> Self {
        halves!(i => _mm256_max_ps(a.0[i], b.0[i]))
    }

    #[inline(always)]
    fn where_positive(gate: Self, v: Self) -> Self {
        halves!(i => _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate.0[i], _mm256_setzero_ps()), v.0[i]))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        halves!(i => _mm256_load_ps(from.add(HALF * i)))
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self) {
        // SAFETY: as the function promises.
        unsafe {
            _mm256_store_ps(to, v.0[0]);
            _mm256_store_ps(to.add(HALF), v.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn load_over(v: Self, mask: u16, from: *const f32) -> Self {
        if mask == u16::MAX {
            return halves!(i => _mm256_loadu_ps(from.add(HALF * i)));
        }
        halves!(i => {
            let lanes = lanes_of((mask >> (HALF * i)) as u8);
            let loaded = _mm256_maskload_ps(from.wrapping_add(HALF * i), lanes);
            _mm256_blendv_ps(v.0[i], loaded, _mm256_castsi256_ps(lanes))
        })
    }

    #[inline(always)]
    unsafe fn store_masked(to: *mut f32, mask: u16, v: Self) {
        // SAFETY: as the function promises.
        unsafe {
            Self::store_eight(to, mask as u8, v.0[0]);
            Self::store_eight(to.wrapping_add(HALF), (mask >> HALF) as u8, v.0[1]);
        }
    }

    #[inline(always)]
    unsafe fn gather(mask: u16, distances: &[i32; LANES], from: *const f32) -> Self {
        halves!(i => {
            let lanes = _mm256_castsi256_ps(lanes_of((mask >> (HALF * i)) as u8));
            let distances = _mm256_loadu_si256(distances.as_ptr().add(HALF * i).cast());
            _mm256_mask_i32gather_ps::<4>(_mm256_setzero_ps(), from, distances, lanes)
        })
    }

    #[inline(always)]
    fn transposed(rows: [Self; LANES]) -> [Self; LANES] {
        let mut columns = rows;
        for below in 0..2 {
            for right in 0..2 {
                let mut part = [rows[0].0[0]; HALF];
                for (i, row) in part.iter_mut().enumerate() {
                    *row = rows[HALF * below + i].0[right];
                }
                // SAFETY: whoever names `Avx2` has seen its features.
                let part = unsafe { eight_columns(part) };
                for (i, column) in part.into_iter().enumerate() {
                    columns[HALF * right + i].0[below] = column;
                }
            }
        }
        columns
    }

    #[inline(always)]
    fn woven(even: Self, odd: Self) -> [Self; 2] {
        // SAFETY: whoever names `Avx2` has seen its features.
        let [low, high] = unsafe { [woven(even.0[0], odd.0[0]), woven(even.0[1], odd.0[1])] };
        [Self(low), Self(high)]
    }

    #[inline(always)]
    unsafe fn load_eight(mask: u8, from: *const f32) -> __m256 {
        // SAFETY: as the function promises.
        unsafe { _mm256_maskload_ps(from, lanes_of(mask)) }
    }

    /// Whole and half registers apart: some machines do masked stores one lane at a time.
    #[inline(always)]
    unsafe fn store_eight(to: *mut f32, mask: u8, v: __m256) {
        // SAFETY: as the function promises.
        unsafe {
            match mask {
                0 => {}
                0xFF => _mm256_storeu_ps(to, v),
                0x0F => _mm_storeu_ps(to, _mm256_castps256_ps128(v)),
                _ => _mm256_maskstore_ps(to, lanes_of(mask), v),
            }
        }
    }

    /// A half holds four pairs: their first tiles, then their second ones.
    #[inline(always)]
    fn columns_of_tiles([p, q, r, s, t, u, v, w]: [__m256; 8]) -> [Self; 4] {
        // SAFETY: whoever names `Avx2` has seen its features.
        let (low, high) = unsafe { (four_columns([p, q, r, s]), four_columns([t, u, v, w])) };
        [Self([low[0], high[0]]), Self([low[1], high[1]]), Self([low[2], high[2]]), Self([low[3], high[3]])]
    }

    #[inline(always)]
    fn tiles_of_columns([a, b, c, d]: [Self; 4]) -> [__m256; 8] {
        // SAFETY: whoever names `Avx2` has seen its features.
        let ([p, q, r, s], [t, u, v, w]) =
            unsafe { (four_columns([a.0[0], b.0[0], c.0[0], d.0[0]]), four_columns([a.0[1], b.0[1], c.0[1], d.0[1]])) };
        [p, q, r, s, t, u, v, w]
    }

    #[inline(always)]
    fn columns_of_cells([p, q, r, s, t, u, v, w]: [__m128; 8]) -> [Self; 2] {
        // SAFETY: whoever names `Avx2` has seen its features.
        let ([a, b], [c, d]) = unsafe { (columns_of_four([p, q, r, s]), columns_of_four([t, u, v, w])) };
        [Self([a, c]), Self([b, d])]
    }

    #[inline(always)]
    fn cells_of_columns([left, right]: [Self; 2]) -> [__m128; 8] {
        // SAFETY: whoever names `Avx2` has seen its features.
        let ([p, q, r, s], [t, u, v, w]) =
            unsafe { (four_of_columns(left.0[0], right.0[0]), four_of_columns(left.0[1], right.0[1])) };
        [p, q, r, s, t, u, v, w]
    }

    #[inline(always)]
    unsafe fn products(
        size: (usize, usize, usize),
        a: *const f32,
        b: *const f32,
        out: *mut f32,
        strides: Strides,
        accumulate: bool,
    ) {
        // SAFETY: as the function promises.
        unsafe { products(size, a, b, out, strides, accumulate) };
    }
}

/// All bits of the lanes of `mask`.
#[inline]
#[target_feature(enable = "avx2")]
fn lanes_of(mask: u8) -> __m256i {
    let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(i32::from(mask)), bits), bits)
}

/// In both quarters of a half the columns of four rows of four; its own inverse.
#[inline]
#[target_feature(enable = "avx2")]
fn four_columns([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
    let (ab0, ab1) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let (cd0, cd1) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    [
        _mm256_shuffle_ps::<0x44>(ab0, cd0),
        _mm256_shuffle_ps::<0xEE>(ab0, cd0),
        _mm256_shuffle_ps::<0x44>(ab1, cd1),
        _mm256_shuffle_ps::<0xEE>(ab1, cd1),
    ]
}

/// The columns of eight rows of eight.
#[inline]
#[target_feature(enable = "avx2")]
fn eight_columns([a, b, c, d, e, f, g, h]: [__m256; HALF]) -> [__m256; HALF] {
    let (above, below) = (four_columns([a, b, c, d]), four_columns([e, f, g, h]));
    let mut columns = [above[0]; HALF];
    for j in 0..4 {
        columns[j] = _mm256_permute2f128_ps::<0x20>(above[j], below[j]);
        columns[4 + j] = _mm256_permute2f128_ps::<0x31>(above[j], below[j]);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx2")]
fn woven(even: __m256, odd: __m256) -> [__m256; 2] {
    let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
    [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
}

/// Left and right columns of four pairs of cells: first those of the first cells, then those of the second.
#[inline]
#[target_feature(enable = "avx2")]
fn columns_of_four([p, q, r, s]: [__m128; 4]) -> [__m256; 2] {
    // [p0 q0 p1 q1 | p2 q2 p3 q3] and the same of r and s.
    let pq = _mm256_set_m128(_mm_unpackhi_ps(p, q), _mm_unpacklo_ps(p, q));
    let rs = _mm256_set_m128(_mm_unpackhi_ps(r, s), _mm_unpacklo_ps(r, s));
    [_mm256_shuffle_ps::<0x44>(pq, rs), _mm256_shuffle_ps::<0xEE>(pq, rs)]
}

/// The inverse of [`columns_of_four`].
#[inline]
#[target_feature(enable = "avx2")]
fn four_of_columns(left: __m256, right: __m256) -> [__m128; 4] {
    // [p0 p1 q0 q1 | p2 p3 q2 q3] and the same of r and s.
    let (pq, rs) = (_mm256_unpacklo_ps(left, right), _mm256_unpackhi_ps(left, right));
    let [pq, rs] = [
        [_mm256_castps256_ps128(pq), _mm256_extractf128_ps::<1>(pq)],
        [_mm256_castps256_ps128(rs), _mm256_extractf128_ps::<1>(rs)],
    ];
    [
        _mm_shuffle_ps::<0x44>(pq[0], pq[1]),
        _mm_shuffle_ps::<0xEE>(pq[0], pq[1]),
        _mm_shuffle_ps::<0x44>(rs[0], rs[1]),
        _mm_shuffle_ps::<0xEE>(rs[0], rs[1]),
    ]
}

/// # Safety
/// As [`Lanes::products`].
#[target_feature(enable = "avx2,fma")]
unsafe fn products(
    (rows, blocks, depth): (usize, usize, usize),
    a: *const f32,
    b: *const f32,
    out: *mut f32,
    strides: Strides,
    accumulate: bool,
) {
    for g in 0..blocks {
        for m in (0..rows).step_by(ROWS) {
            // SAFETY: inside the operands, which have the sizes above.
            unsafe {
                let a = a.add(m / LANES * strides.a + m % LANES);
                tile(depth, a, b.add(g * strides.b), out.add(g * strides.out + m * LANES), accumulate);
            }
        }
    }
}

/// Four rows by one block.
///
/// # Safety
/// As [`Lanes::products`], from the first of these rows and of this block on.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn tile(depth: usize, a: *const f32, b: *const f32, out: *mut f32, accumulate: bool) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    // SAFETY: as above.
    unsafe {
        for p in 0..depth {
            let columns = [_mm256_load_ps(b.add(p * LANES)), _mm256_load_ps(b.add(p * LANES + HALF))];
            for (i, row) in sums.iter_mut().enumerate() {
                let value = _mm256_broadcast_ss(&*a.add(p * LANES + i));
                for (x, column) in row.iter_mut().zip(columns) {
                    *x = _mm256_fmadd_ps(value, column, *x);
                }
            }
        }
        for (i, row) in sums.into_iter().enumerate() {
            for (half, x) in row.into_iter().enumerate() {
                let at = out.add(i * LANES + half * HALF);
                let x = if accumulate { _mm256_add_ps(x, _mm256_load_ps(at)) } else { x };
                _mm256_store_ps(at, x);
            }
        }
    }
}
