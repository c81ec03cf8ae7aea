//! Changes of order: one strided copy each.

use candle_core::Result;

use super::elementwise::{Axis, columns, merge};
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::LAYOUT;
use crate::cuda::words::words;

/// Steps of a dense array.
fn strides(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; dims.len()];
    for i in (1..dims.len()).rev() {
        strides[i - 1] = strides[i] * dims[i] as isize;
    }
    strides
}

/// `y[starts[1] + at * steps[1]] = x[starts[0] + at * steps[0]]` over the axes.
fn copy(op: &str, x: &CudaTensor, y: &CudaTensor, starts: [isize; 2], axes: Vec<Axis>) -> Result<()> {
    let count: usize = axes.iter().map(|(size, _)| size).product();
    let axes = merge(axes);
    let (size, [step_x, step_y]) = columns(op, &axes)?;
    x.each(&LAYOUT, "copy", &words![count, x, y, starts[0], starts[1], axes.len(), size, step_x, step_y])
}

pub(crate) fn permute(x: &CudaTensor, order: &[usize]) -> Result<CudaTensor> {
    let dims: Vec<usize> = order.iter().map(|axis| x.dims()[*axis]).collect();
    let (from, to) = (strides(x.dims()), strides(&dims));
    let y = x.like(&dims)?;
    let axes = order.iter().zip(&dims).zip(&to).map(|((axis, size), to)| (*size, [from[*axis], *to])).collect();
    copy("permute", x, &y, [0, 0], axes)?;
    Ok(y)
}

pub(crate) fn narrow(x: &CudaTensor, axis: usize, start: usize, len: usize) -> Result<CudaTensor> {
    let mut dims = x.dims().to_vec();
    dims[axis] = len;
    let (from, to) = (strides(x.dims()), strides(&dims));
    let y = x.like(&dims)?;
    let axes = (0..dims.len()).map(|i| (dims[i], [from[i], to[i]])).collect();
    copy("narrow", x, &y, [start as isize * from[axis], 0], axes)?;
    Ok(y)
}

/// Puts `part` into `whole`, from index `start` of an axis on.
fn put(op: &str, part: &CudaTensor, whole: &CudaTensor, axis: usize, start: usize) -> Result<()> {
    let (from, to) = (strides(part.dims()), strides(whole.dims()));
    let axes = (0..to.len()).map(|i| (part.dims()[i], [from[i], to[i]])).collect();
    copy(op, part, whole, [0, start as isize * to[axis]], axes)
}

pub(crate) fn pad(x: &CudaTensor, axis: usize, before: usize, after: usize) -> Result<CudaTensor> {
    let mut dims = x.dims().to_vec();
    dims[axis] += before + after;
    let y = CudaTensor::full(x.gpu(), 0.0, x.element(), &dims)?;
    put("pad", x, &y, axis, before)?;
    Ok(y)
}

pub(crate) fn concat(parts: &[&CudaTensor], axis: usize) -> Result<CudaTensor> {
    let mut dims = parts[0].dims().to_vec();
    dims[axis] = parts.iter().map(|part| part.dims()[axis]).sum();
    let y = parts[0].like(&dims)?;
    let mut start = 0;
    for part in parts {
        put("concat", part, &y, axis, start)?;
        start += part.dims()[axis];
    }
    Ok(y)
}

/// Reverses the middle axis of `[outer, axis, inner]`.
pub(crate) fn flip(x: &CudaTensor, (outer, axis, inner): (usize, usize, usize)) -> Result<CudaTensor> {
    let y = x.like(x.dims())?;
    let (row, block) = (inner as isize, (axis * inner) as isize);
    let start = block - row;
    copy("flip", x, &y, [start.max(0), 0], vec![(outer, [block, block]), (axis, [-row, row]), (inner, [1, 1])])?;
    Ok(y)
}

/// Repeats the middle axis: from `[outer, inner]` to `[outer, axis, inner]`.
pub(crate) fn repeat(
    x: &CudaTensor,
    (outer, axis, inner): (usize, usize, usize),
    dims: &[usize],
) -> Result<CudaTensor> {
    let y = x.like(dims)?;
    let row = inner as isize;
    copy("broadcast_to", x, &y, [0, 0], vec![(outer, [row, row * axis as isize]), (axis, [0, row]), (inner, [1, 1])])?;
    Ok(y)
}
