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
    // SAFETY: the strides stay inside the matrices, by the caller's promise.
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

/// A contiguous matrix, or a batch of them, read as its transpose if `flipped`.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) flipped: bool,
}

impl<'a, T> Operand<'a, T> {
    fn image(self, index: usize, len: usize) -> Self {
        Self { values: &self.values[index * len..][..len], ..self }
    }

    /// The part of `rows` by `columns` that starts at row `first_row` and column `first_column`.
    fn part(self, rows: usize, columns: usize, first_row: usize, first_column: usize) -> Matrix<T> {
        let (row, column) = if self.flipped { (1, rows) } else { (columns, 1) };
        let start = self.values[first_row * row + first_column * column..].as_ptr();
        Matrix { start, row: row as isize, column: column as isize }
    }
}

/// `batch` products `a b`, row-major, each in parallel over its longer side.
pub(crate) fn matmul<T: Element>(
    batch: usize,
    (m, k, n): (usize, usize, usize),
    a: Operand<T>,
    b: Operand<T>,
) -> Vec<T> {
    const SPLIT: usize = 128;
    assert_eq!((a.values.len(), b.values.len()), (batch * m * k, batch * k * n));
    if k == 0 {
        return vec![T::zero(); batch * m * n];
    }
    let (by_rows, long) = (m > n, m.max(n));
    let parts = long.div_ceil(SPLIT);
    filled(batch * m * n, |out: Shared<T>| {
        (0..batch * parts).into_par_iter().for_each(|task| {
            let (image, part) = (task / parts, task % parts);
            let first = part * SPLIT;
            let size = SPLIT.min(long - first);
            let (row, column) = if by_rows { (first, 0) } else { (0, first) };
            let shape = if by_rows { (size, k, n) } else { (m, k, size) };
            let (a, b) = (a.image(image, m * k).part(m, k, row, 0), b.image(image, k * n).part(k, n, 0, column));
            // SAFETY: the operands cover the part; parts are disjoint and cover the output.
            unsafe { product(shape, a, b, out.pointer().add(image * m * n + row * n + column), n as isize, false) };
        });
    })
}
