//! Matrix products by the `gemm` crate, over a column split that depends on shapes only.

use rayon::prelude::*;

use super::parallel::{Shared, filled};
use super::storage::Element;

/// A matrix in memory: pointer, row stride, column stride.
#[derive(Clone, Copy)]
pub(super) struct Matrix<T> {
    start: *const T,
    row: isize,
    column: isize,
}

impl<T> Matrix<T> {
    pub(super) fn rows(x: &[T], columns: usize) -> Self {
        Self { start: x.as_ptr(), row: columns as isize, column: 1 }
    }

    pub(super) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// `out = a b` or `out += a b` on this thread; `out` is row-major `m` by `n`.
///
/// # Safety
/// The matrices cover `m` by `k` and `k` by `n` values, `out` `m * n`.
pub(super) unsafe fn product<T: Element>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<T>,
    b: Matrix<T>,
    out: *mut T,
    out_row: isize,
    accumulate: bool,
) {
    let one = T::of(1.0);
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            out_row,
            accumulate,
            a.start,
            a.column,
            a.row,
            b.start,
            b.column,
            b.row,
            one,
            one,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// A contiguous matrix, read as its transpose if `flipped`.
#[derive(Clone, Copy)]
pub struct Operand<'a, T> {
    pub values: &'a [T],
    pub flipped: bool,
}

impl<'a, T> Operand<'a, T> {
    /// The part of `rows` by `columns` that starts at row `first_row` and column `first_column`.
    fn part(self, rows: usize, columns: usize, first_row: usize, first_column: usize) -> Matrix<T> {
        let (row, column) = if self.flipped { (1, rows) } else { (columns, 1) };
        let start = self.values[first_row * row + first_column * column..].as_ptr();
        Matrix { start, row: row as isize, column: column as isize }
    }
}

/// `a b`, row-major, in parallel over the longer side.
pub fn matmul<T: Element>((m, k, n): (usize, usize, usize), a: Operand<T>, b: Operand<T>) -> Vec<T> {
    const SPLIT: usize = 128;
    assert_eq!((a.values.len(), b.values.len()), (m * k, k * n));
    if k == 0 {
        return vec![T::zero(); m * n];
    }
    let (by_rows, long) = (m > n, m.max(n));
    filled(m * n, |out: Shared<T>| {
        (0..long.div_ceil(SPLIT)).into_par_iter().for_each(|part| {
            let first = part * SPLIT;
            let size = SPLIT.min(long - first);
            let (row, column) = if by_rows { (first, 0) } else { (0, first) };
            let shape = if by_rows { (size, k, n) } else { (m, k, size) };
            let (a, b) = (a.part(m, k, row, 0), b.part(k, n, 0, column));
            // SAFETY: the operands cover the part; parts are disjoint and cover the output.
            unsafe { product(shape, a, b, out.pointer().add(row * n + column), n as isize, false) };
        });
    })
}
