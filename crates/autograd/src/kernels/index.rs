//! Whole numbers that choose rows, offsets and boxes.

use candle_core::{Result, bail};

use super::cpu::storage::{tensor, view};
use super::cpu::{boxes, rows, shift as cpu_shift};
use super::dispatch;
use crate::cuda::launch::index::{self as cuda, Movement};
use crate::ints::Ints;
use crate::value::Value;

/// Rows of a table.
pub(crate) fn gather(table: &Value, index: &Ints) -> Result<Value> {
    dispatch!("gather", [table], T => {
        let (count, width) = table.dims2()?;
        check_rows(index, count, table.dims())?;
        tensor(rows::gather(&view::<T>(table)?[..], width, index.host()), (index.len(), width))
    }, cuda => {
        check_rows(index, table.dims().first().copied().unwrap_or(0), table.dims())?;
        cuda::gather(table, index).map(Value::Cuda)
    })
}

/// [`gather`] of many tables, each plus a number, if all lie on a GPU in one type.
pub(crate) fn gather_tables(tables: &[(&Value, f64)], index: &Ints) -> Result<Option<Vec<Value>>> {
    let mut on_gpu = Vec::with_capacity(tables.len());
    for (table, plus) in tables {
        let Value::Cuda(table) = table else { return Ok(None) };
        check_rows(index, table.dims().first().copied().unwrap_or(0), table.dims())?;
        on_gpu.push((table.planes()?, *plus));
    }
    let first = on_gpu.first().map(|(table, _)| (table.gpu().device, table.element()));
    if on_gpu.iter().any(|(table, _)| Some((table.gpu().device, table.element())) != first) {
        return Ok(None);
    }
    let on_gpu: Vec<_> = on_gpu.iter().map(|(table, plus)| (table, *plus)).collect();
    Ok(Some(cuda::gather_tables(&on_gpu, index)?.into_iter().map(Value::Cuda).collect()))
}

/// Indices that are known on the host are those of rows.
fn check_rows(index: &Ints, count: usize, dims: &[usize]) -> Result<()> {
    match index.known().iter().enumerate().find(|(_, i)| !(0..count as i32).contains(*i)) {
        Some((at, bad)) => {
            bail!("gather: index {at} is {bad}, expected 0 to {} for a table of shape {dims:?}", count as i64 - 1)
        }
        None => Ok(()),
    }
}

/// Adds rows up by index; the indices were checked by [`gather`].
pub(crate) fn scatter_add(x: &Value, index: &Ints, count: usize) -> Result<Value> {
    dispatch!("scatter_add", [x], T => {
        let (_, width) = x.dims2()?;
        tensor(rows::scatter_add(&view::<T>(x)?[..], width, index.host(), count), (count, width))
    }, cuda => cuda::scatter_add(x, index, count).map(Value::Cuda))
}

/// `out[y][x] = image[y + dy][x + dx]`, zero outside; negated offsets if `back`.
pub(crate) fn shift(x: &Value, dy: &Ints, dx: &Ints, back: bool) -> Result<Value> {
    dispatch!("shift", [x], T => {
        let out = cpu_shift::shift(&view::<T>(x)?[..], x.dims4()?, dy.host(), dx.host(), back);
        tensor(out, x.shape())
    }, cuda => {
        let shift = Movement { offsets: Some([dy, dx]), back, corner: None, size: [0, 0], at_source: false };
        cuda::shift_erase(x, shift).map(Value::Cuda)
    })
}

/// Zeros in a box of `size` an image.
pub(crate) fn erase(x: &Value, top: &Ints, left: &Ints, size: [usize; 2]) -> Result<Value> {
    dispatch!("erase", [x], T => {
        tensor(boxes::erase(&view::<T>(x)?[..], x.dims4()?, top.host(), left.host(), size), x.shape())
    }, cuda => {
        let erase = Movement { offsets: None, back: false, corner: Some([top, left]), size, at_source: false };
        cuda::shift_erase(x, erase).map(Value::Cuda)
    })
}
