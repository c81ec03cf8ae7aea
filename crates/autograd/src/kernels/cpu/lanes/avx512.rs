//! AVX-512: a register holds the 16 lanes.

use std::arch::x86_64::*;

use super::LANES;
use super::vector::{Lanes, Strides};

/// Rows of a tile of a product: eight rows by three blocks make 24 accumulators in registers.
const ROWS: usize = 8;

#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Avx512(__m512);

/// Turns an intrinsic's registers into lanes.
macro_rules! lanes {
    ($value:expr) => {
        // SAFETY: whoever names `Avx512` has seen its features.
        Self(unsafe { $value })
    };
}

impl Lanes for Avx512 {
    #[inline(always)]
    unsafe fn run<R>(f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq")]
        fn compiled<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: as the function promises.
        unsafe { compiled(f) }
    }

    #[inline(always)]
    fn splat(x: f32) -> Self {
        lanes!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn add(a: Self, b: Self) -> Self {
        lanes!(_mm512_add_ps(a.0, b.0))
    }

    #[inline(always)]
    fn sub(a: Self, b: Self) -> Self {
        lanes!(_mm512_sub_ps(a.0, b.0))
    }

    #[inline(always)]
    fn mul(a: Self, b: Self) -> Self {
        lanes!(_mm512_mul_ps(a.0, b.0))
    }

    #[inline(always)]
    fn div(a: Self, b: Self) -> Self {
        lanes!(_mm512_div_ps(a.0, b.0))
    }

    #[inline(always)]
    fn mul_add(a: Self, b: Self, c: Self) -> Self {
        lanes!(_mm512_fmadd_ps(a.0, b.0, c.0))
    }

    #[inline(always)]
    fn neg_mul_add(a: Self, b: Self, c: Self) -> Self {
        lanes!(_mm512_fnmadd_ps(a.0, b.0, c.0))
    }

    #[inline(always)]
    fn max(a: Self, b: Self) -> Self {
        lanes!(_mm512_max_ps(a.0, b.0))
    }

    #[inline(always)]
    fn where_positive(gate: Self, v: Self) -> Self {
        lanes!(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate.0, _mm512_setzero_ps()), v.0))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        lanes!(_mm512_load_ps(from))
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self) {
        // SAFETY: as the function promises.
        unsafe { _mm512_store_ps(to, v.0) };
    }

    #[inline(always)]
    unsafe fn load_over(v: Self, mask: u16, from: *const f32) -> Self {
        lanes!(_mm512_mask_loadu_ps(v.0, mask, from))
    }

    #[inline(always)]
    unsafe fn store_masked(to: *mut f32, mask: u16, v: Self) {
        // SAFETY: as the function promises.
        unsafe { _mm512_mask_storeu_ps(to, mask, v.0) };
    }

    #[inline(always)]
    unsafe fn gather(mask: u16, distances: &[i32; LANES], from: *const f32) -> Self {
        // SAFETY: as the function promises.
        unsafe {
            let distances = _mm512_loadu_si512(distances.as_ptr().cast());
            Self(_mm512_mask_i32gather_ps::<4>(_mm512_setzero_ps(), mask, distances, from))
        }
    }

    #[inline(always)]
    fn transposed(rows: [Self; LANES]) -> [Self; LANES] {
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe { transposed(rows) }
    }

    #[inline(always)]
    fn woven(even: Self, odd: Self) -> [Self; 2] {
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe {
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
            [Self(_mm512_permutex2var_ps(even.0, low, odd.0)), Self(_mm512_permutex2var_ps(even.0, high, odd.0))]
        }
    }

    #[inline(always)]
    unsafe fn load_eight(mask: u8, from: *const f32) -> __m256 {
        // SAFETY: as the function promises.
        unsafe { _mm256_maskz_loadu_ps(mask, from) }
    }

    #[inline(always)]
    unsafe fn store_eight(to: *mut f32, mask: u8, v: __m256) {
        // SAFETY: as the function promises.
        unsafe { _mm256_mask_storeu_ps(to, mask, v) };
    }

    #[inline(always)]
    fn columns_of_tiles(pairs: [__m256; 8]) -> [Self; 4] {
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe { columns_of_tiles(pairs) }
    }

    #[inline(always)]
    fn tiles_of_columns(columns: [Self; 4]) -> [__m256; 8] {
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe { tiles_of_columns(columns) }
    }

    #[inline(always)]
    fn columns_of_cells([a, b, c, d, e, f, g, h]: [__m128; 8]) -> [Self; 2] {
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe {
            let low = join(_mm256_set_m128(b, a), _mm256_set_m128(d, c));
            let high = join(_mm256_set_m128(f, e), _mm256_set_m128(h, g));
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            [Self(_mm512_permutex2var_ps(low, even, high)), Self(_mm512_permutex2var_ps(low, odd, high))]
        }
    }

    #[inline(always)]
    fn cells_of_columns([left, right]: [Self; 2]) -> [__m128; 8] {
        let [low, high] = Self::woven(left, right);
        // SAFETY: whoever names `Avx512` has seen its features.
        unsafe {
            [
                _mm512_extractf32x4_ps::<0>(low.0),
                _mm512_extractf32x4_ps::<1>(low.0),
                _mm512_extractf32x4_ps::<2>(low.0),
                _mm512_extractf32x4_ps::<3>(low.0),
                _mm512_extractf32x4_ps::<0>(high.0),
                _mm512_extractf32x4_ps::<1>(high.0),
                _mm512_extractf32x4_ps::<2>(high.0),
                _mm512_extractf32x4_ps::<3>(high.0),
            ]
        }
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

/// # Safety
/// AVX-512 is there.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn transposed(r: [Avx512; LANES]) -> [Avx512; LANES] {
    let mut t = r;
    for i in 0..4 {
        let [a, b, c, d] = [r[4 * i].0, r[4 * i + 1].0, r[4 * i + 2].0, r[4 * i + 3].0];
        let pd = |x| _mm512_castps_pd(x);
        let (ab0, ab1) = (pd(_mm512_unpacklo_ps(a, b)), pd(_mm512_unpackhi_ps(a, b)));
        let (cd0, cd1) = (pd(_mm512_unpacklo_ps(c, d)), pd(_mm512_unpackhi_ps(c, d)));
        t[4 * i].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(ab0, cd0));
        t[4 * i + 1].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(ab0, cd0));
        t[4 * i + 2].0 = _mm512_castpd_ps(_mm512_unpacklo_pd(ab1, cd1));
        t[4 * i + 3].0 = _mm512_castpd_ps(_mm512_unpackhi_pd(ab1, cd1));
    }
    // t[4i + j], quarter q: column 4q + j of rows 4i .. 4i + 4.
    let mut columns = r;
    for j in 0..4 {
        let (x, y) = (t[j].0, t[4 + j].0);
        let (z, w) = (t[8 + j].0, t[12 + j].0);
        let (xy0, xy1) = (_mm512_shuffle_f32x4::<0x88>(x, y), _mm512_shuffle_f32x4::<0xDD>(x, y));
        let (zw0, zw1) = (_mm512_shuffle_f32x4::<0x88>(z, w), _mm512_shuffle_f32x4::<0xDD>(z, w));
        columns[j].0 = _mm512_shuffle_f32x4::<0x88>(xy0, zw0);
        columns[4 + j].0 = _mm512_shuffle_f32x4::<0x88>(xy1, zw1);
        columns[8 + j].0 = _mm512_shuffle_f32x4::<0xDD>(xy0, zw0);
        columns[12 + j].0 = _mm512_shuffle_f32x4::<0xDD>(xy1, zw1);
    }
    columns
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn join(low: __m256, high: __m256) -> __m512 {
    _mm512_insertf32x8::<1>(_mm512_castps256_ps512(low), high)
}

/// From four vectors of four tiles (a row of each) to column `FIRST` and `FIRST + 1` of all tiles.
#[inline]
#[target_feature(enable = "avx512f")]
fn columns<const FIRST: i32>(v: [__m512; 4]) -> [Avx512; 2] {
    let lane = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 1, 5, 9, 13, 17, 21, 25, 29);
    let lane = _mm512_add_epi32(lane, _mm512_set1_epi32(FIRST));
    let left = _mm512_permutex2var_ps(v[0], lane, v[1]);
    let right = _mm512_permutex2var_ps(v[2], lane, v[3]);
    [Avx512(_mm512_shuffle_f32x4::<0x44>(left, right)), Avx512(_mm512_shuffle_f32x4::<0xEE>(left, right))]
}

/// Lanes are tiles in the order of their pairs.
///
/// # Safety
/// AVX-512 is there.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn columns_of_tiles(pairs: [__m256; 8]) -> [Avx512; 4] {
    let [p, q, r, s, t, u, v, w] = pairs;
    let v = [join(p, q), join(r, s), join(t, u), join(v, w)];
    let ([a, b], [c, d]) = (columns::<0>(v), columns::<2>(v));
    [a, b, c, d]
}

/// # Safety
/// AVX-512 is there.
#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
unsafe fn tiles_of_columns([a, b, c, d]: [Avx512; 4]) -> [__m256; 8] {
    let (ab_low, ab_high) = (_mm512_unpacklo_ps(a.0, b.0), _mm512_unpackhi_ps(a.0, b.0));
    let (cd_low, cd_high) = (_mm512_unpacklo_ps(c.0, d.0), _mm512_unpackhi_ps(c.0, d.0));
    let pd = |x| _mm512_castps_pd(x);
    let even = |x: __m512, z: __m512| _mm512_castpd_ps(_mm512_unpacklo_pd(pd(x), pd(z)));
    let odd = |x: __m512, z: __m512| _mm512_castpd_ps(_mm512_unpackhi_pd(pd(x), pd(z)));
    // Quarter q of `t[i]` is the row of tile 4q + i.
    let t = [even(ab_low, cd_low), odd(ab_low, cd_low), even(ab_high, cd_high), odd(ab_high, cd_high)];
    let low_quarters = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    let high_quarters = _mm512_add_epi32(low_quarters, _mm512_set1_epi32(8));
    let mut pairs = [_mm256_setzero_ps(); 8];
    for i in 0..2 {
        for (half, quarters) in [low_quarters, high_quarters].into_iter().enumerate() {
            let v = _mm512_permutex2var_ps(t[2 * i], quarters, t[2 * i + 1]);
            pairs[4 * half + i] = _mm512_castps512_ps256(v);
            pairs[4 * half + 2 + i] = _mm512_extractf32x8_ps::<1>(v);
        }
    }
    pairs
}

/// # Safety
/// As [`Lanes::products`].
#[target_feature(enable = "avx512f")]
unsafe fn products(
    (rows, blocks, depth): (usize, usize, usize),
    a: *const f32,
    b: *const f32,
    out: *mut f32,
    strides: Strides,
    accumulate: bool,
) {
    let mut g = 0;
    while g < blocks {
        // 4 = 2 + 2 beats 3 + 1: a lone block is bound by its broadcasts.
        let take = match blocks - g {
            4 => 2,
            rest => rest.min(3),
        };
        for m in (0..rows).step_by(ROWS) {
            // SAFETY: inside the operands, which have the sizes above.
            unsafe {
                let a = a.add(m / LANES * strides.a + m % LANES);
                let b = b.add(g * strides.b);
                let out = out.add(g * strides.out + m * LANES);
                match take {
                    1 => tile::<1>(depth, a, b, out, strides, accumulate),
                    2 => tile::<2>(depth, a, b, out, strides, accumulate),
                    _ => tile::<3>(depth, a, b, out, strides, accumulate),
                }
            }
        }
        g += take;
    }
}

/// Eight rows by `N` blocks.
///
/// # Safety
/// As [`Lanes::products`], from the first of these rows and blocks on.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const N: usize>(
    depth: usize,
    a: *const f32,
    b: *const f32,
    out: *mut f32,
    strides: Strides,
    accumulate: bool,
) {
    let mut acc = [[_mm512_setzero_ps(); N]; ROWS];
    // SAFETY: as above.
    unsafe {
        for p in 0..depth {
            let mut column = [_mm512_setzero_ps(); N];
            for (j, c) in column.iter_mut().enumerate() {
                *c = _mm512_loadu_ps(b.add(j * strides.b + p * LANES));
            }
            for (i, row) in acc.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*a.add(p * LANES + i));
                for (j, x) in row.iter_mut().enumerate() {
                    *x = _mm512_fmadd_ps(value, column[j], *x);
                }
            }
        }
        for (i, row) in acc.iter().enumerate() {
            for (j, x) in row.iter().enumerate() {
                let at = out.add(j * strides.out + i * LANES);
                let x = if accumulate { _mm512_add_ps(*x, _mm512_loadu_ps(at)) } else { *x };
                _mm512_storeu_ps(at, x);
            }
        }
    }
}
