//! Rows by index, shifts, boxes and mirrored borders.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::INDEX;
use crate::cuda::words::{Address, Divisor, words};
use crate::ints::{Ints, Placed};
use crate::kernels::reflect_pad::Border;

pub(crate) fn gather(table: &CudaTensor, index: &Ints) -> Result<CudaTensor> {
    let (rows, width) = (table.dims()[0], table.dims()[1]);
    let y = table.like(&[index.len(), width])?;
    let numbers = index.on(table.gpu())?;
    table.each(&INDEX, "gather_rows", &words![y.len(), table, &y, numbers.address(), width, index.len(), rows])?;
    Ok(y)
}

/// [`gather`] of many tables, each plus a number.
pub(crate) fn gather_tables(tables: &[(&CudaTensor, f64)], index: &Ints) -> Result<Vec<CudaTensor>> {
    let Some((first, _)) = tables.first() else { return Ok(Vec::new()) };
    let (mut words, mut found, mut n) = (Vec::new(), Vec::with_capacity(tables.len()), 0);
    for (table, plus) in tables {
        let y = table.like(&[index.len(), table.dims()[1]])?;
        words.extend(words![*table, &y, *plus, table.dims()[1], table.dims()[0], n]);
        n += y.len();
        found.push(y);
    }
    let (rows, numbers) = (first.gpu().table(&words)?, index.on(first.gpu())?);
    first.each(&INDEX, "gather_tables", &words![n, rows.address(), tables.len(), numbers.address()])?;
    Ok(found)
}

pub(crate) fn scatter_add(x: &CudaTensor, index: &Ints, rows: usize) -> Result<CudaTensor> {
    let width = x.dims()[1];
    let y = x.like(&[rows, width])?;
    let numbers = index.on(x.gpu())?;
    x.each(&INDEX, "scatter_rows", &words![y.len(), x, &y, numbers.address(), width, index.len(), rows])?;
    Ok(y)
}

/// A shift, if `offsets` (dy, dx) are given, negated if `back`; a box of zeros, if `corner` (top, left) is given.
#[derive(Clone, Copy)]
pub(crate) struct Movement<'a> {
    pub(crate) offsets: Option<[&'a Ints; 2]>,
    pub(crate) back: bool,
    pub(crate) corner: Option<[&'a Ints; 2]>,
    pub(crate) size: [usize; 2],
    pub(crate) at_source: bool,
}

pub(crate) fn shift_erase(x: &CudaTensor, m: Movement) -> Result<CudaTensor> {
    let [_, channels, height, width] = x.dims4()?;
    let y = x.like(x.dims())?;
    let on_device = |pair: Option<[&Ints; 2]>| -> Result<_> {
        Ok(match pair {
            Some([a, b]) => Some([a.on(x.gpu())?, b.on(x.gpu())?]),
            None => None,
        })
    };
    let (offsets, corner) = (on_device(m.offsets)?, on_device(m.corner)?);
    let addresses = |pair: &Option<[Placed; 2]>| match pair {
        Some([a, b]) => [a.address(), b.address()],
        None => [Address::NULL; 2],
    };
    let (offsets, corner) = (addresses(&offsets), addresses(&corner));
    let sign: isize = if m.back { -1 } else { 1 };
    let sizes = [channels * height * width, height, width].map(Divisor);
    let words = words![x.len(), x, &y, offsets, corner, sign, sizes, m.size, m.at_source];
    x.map(&INDEX, "move", &words)?;
    Ok(y)
}

pub(crate) fn pad(border: &Border, x: &CudaTensor) -> Result<CudaTensor> {
    let [n, c, ..] = x.dims4()?;
    let y = x.like(&[n, c, border.out_height(), border.out_width()])?;
    x.each(&INDEX, "reflect_pad", &words![y.len(), x, &y, border.height, border.width, border.sides])?;
    Ok(y)
}

pub(crate) fn fold(border: &Border, g: &CudaTensor) -> Result<CudaTensor> {
    let [n, c, ..] = g.dims4()?;
    let y = g.like(&[n, c, border.height, border.width])?;
    g.each(&INDEX, "reflect_fold", &words![y.len(), g, &y, border.height, border.width, border.sides])?;
    Ok(y)
}
