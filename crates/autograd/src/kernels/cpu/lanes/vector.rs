//! Sixteen floats as the machine's registers hold them, and what the convolutions do with them.

use std::arch::x86_64::{__m128, __m256};

use super::LANES;

/// Strides, in floats, between consecutive 16-lane blocks of a product.
#[derive(Clone, Copy)]
pub(in crate::kernels::cpu) struct Strides {
    pub(in crate::kernels::cpu) a: usize,
    pub(in crate::kernels::cpu) b: usize,
    pub(in crate::kernels::cpu) out: usize,
}

/// 16 floats in registers of one instruction set.
///
/// Whoever names an implementor has seen that the machine has its features, and calls from inside [`Lanes::run`]:
/// everything here is inlined into the function that it compiles for them.
pub(in crate::kernels::cpu) trait Lanes: Copy {
    /// `f` compiled for the features; it must be an `#[inline(always)]` closure.
    ///
    /// # Safety
    /// The machine has them.
    unsafe fn run<R>(f: impl FnOnce() -> R) -> R;

    fn splat(x: f32) -> Self;

    #[inline(always)]
    fn zero() -> Self {
        Self::splat(0.0)
    }

    fn add(a: Self, b: Self) -> Self;
    fn sub(a: Self, b: Self) -> Self;
    fn mul(a: Self, b: Self) -> Self;
    fn div(a: Self, b: Self) -> Self;
    /// `a * b + c`, rounded once.
    fn mul_add(a: Self, b: Self, c: Self) -> Self;
    /// `c - a * b`, rounded once.
    fn neg_mul_add(a: Self, b: Self, c: Self) -> Self;
    /// The larger; `b` where either is NaN.
    fn max(a: Self, b: Self) -> Self;
    /// `v` where `gate` is positive, else zero.
    fn where_positive(gate: Self, v: Self) -> Self;

    /// # Safety
    /// `from` is aligned to 64 bytes and holds 16 floats.
    unsafe fn load(from: *const f32) -> Self;
    /// # Safety
    /// `to` is aligned to 64 bytes and has room for 16 floats.
    unsafe fn store(to: *mut f32, v: Self);
    /// The lanes of `mask`, those of `v` elsewhere.
    ///
    /// # Safety
    /// The lanes of the mask can be read.
    unsafe fn load_over(v: Self, mask: u16, from: *const f32) -> Self;
    /// # Safety
    /// The lanes of the mask can be written.
    unsafe fn store_masked(to: *mut f32, mask: u16, v: Self);
    /// `from[distances[lane]]` in the lanes of `mask`, else zero.
    ///
    /// # Safety
    /// The places of the mask's lanes can be read.
    unsafe fn gather(mask: u16, distances: &[i32; LANES], from: *const f32) -> Self;

    /// The lanes of `mask`, else zero.
    ///
    /// # Safety
    /// As [`Lanes::load_over`].
    #[inline(always)]
    unsafe fn load_masked(mask: u16, from: *const f32) -> Self {
        // SAFETY: as the function promises.
        unsafe { Self::load_over(Self::zero(), mask, from) }
    }

    /// The columns of 16 rows.
    fn transposed(rows: [Self; LANES]) -> [Self; LANES];
    /// The lanes of both, in turns.
    fn woven(even: Self, odd: Self) -> [Self; 2];

    /// The floats of `mask`, else zero.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_eight(mask: u8, from: *const f32) -> __m256;
    /// # Safety
    /// The floats of `mask` can be written.
    unsafe fn store_eight(to: *mut f32, mask: u8, v: __m256);
    /// Of eight pairs of tiles four columns wide the columns, a lane a tile. In which order is the implementor's own:
    /// all that turns tiles into lanes or back is here.
    fn columns_of_tiles(pairs: [__m256; 8]) -> [Self; 4];
    /// The inverse of [`Lanes::columns_of_tiles`].
    fn tiles_of_columns(columns: [Self; 4]) -> [__m256; 8];
    /// [`Lanes::columns_of_tiles`] of tiles two columns wide.
    fn columns_of_cells(pairs: [__m128; 8]) -> [Self; 2];
    /// The inverse of [`Lanes::columns_of_cells`].
    fn cells_of_columns(columns: [Self; 2]) -> [__m128; 8];

    /// `out[g][m][16] (+)= sum_p a[m][p] * b[g][p][16]` for `blocks` g, `rows` m and `depth` p. Both operands are stored as
    /// `[block][depth][16]`, one cache line a step, so nothing is packed.
    ///
    /// # Safety
    /// `a` holds `rows / 16` blocks (rounded up) and `b` holds `blocks` blocks of `depth * 16` floats,
    /// `out` holds `blocks` blocks of `rows * 16` floats; `rows` is a multiple of 8; the machine has the features.
    unsafe fn products(
        size: (usize, usize, usize),
        a: *const f32,
        b: *const f32,
        out: *mut f32,
        strides: Strides,
        accumulate: bool,
    );
}

/// Calls a function that is generic over [`Lanes`] with the machine's widest.
macro_rules! with_widest {
    ($function:ident($($argument:expr),*)) => {
        match $crate::kernels::cpu::machine::width() {
            $crate::kernels::cpu::machine::Width::Avx512 => {
                $function::<$crate::kernels::cpu::lanes::Avx512>($($argument),*)
            }
            _ => $function::<$crate::kernels::cpu::lanes::Avx2>($($argument),*),
        }
    };
}
pub(in crate::kernels::cpu) use with_widest;
