//! Many arrays in one launch: their elements to the host with one wait, and a number of each.

use candle_core::{DType, Result, Tensor};

use super::update::CHUNK;
use crate::cuda::gpu::Buffer;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::{REDUCE, UPDATE};
use crate::cuda::words::{Address, words};

/// The elements of each array.
pub(crate) fn fetch(arrays: &[CudaTensor]) -> Result<Vec<Vec<f64>>> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); arrays.len()];
    for group in by_type(arrays) {
        let members: Vec<CudaTensor> = group.iter().map(|i| arrays[*i].clone()).collect();
        let joined = members[0].like(&[members.iter().map(|array| array.len()).sum()])?;
        join(&joined, 0, &members)?;
        let mut all = numbers(&joined.to_host()?)?.into_iter();
        for i in &group {
            values[*i] = all.by_ref().take(arrays[*i].len()).collect();
        }
    }
    Ok(values)
}

/// Copies all elements of arrays of one type, one array behind the other, into those of `to` from `start` on.
pub(crate) fn join(to: &CudaTensor, start: usize, arrays: &[CudaTensor]) -> Result<()> {
    let (table, len) = places(arrays)?;
    let place = Address(to.address().0 + (start * to.element().bytes()) as u64);
    to.each(&UPDATE, "join", &words![len, table.address(), arrays.len(), place])
}

/// The opposite of [`join`]: into new arrays, like the given ones.
pub(crate) fn split(from: &CudaTensor, likes: &[CudaTensor]) -> Result<Vec<CudaTensor>> {
    let arrays = likes.iter().map(|like| like.like(like.dims())).collect::<Result<Vec<_>>>()?;
    let (table, len) = places(&arrays)?;
    from.each(&UPDATE, "split", &words![len, table.address(), arrays.len(), from])?;
    Ok(arrays)
}

/// A table of arrays and their places among all elements, and how many these are.
fn places(arrays: &[CudaTensor]) -> Result<(Buffer, usize)> {
    let (mut rows, mut len) = (Vec::new(), 0);
    for array in arrays {
        rows.extend(words![array, array.len(), len]);
        len += array.len();
    }
    Ok((arrays[0].gpu().table(&rows)?, len))
}

/// What one number of each array is.
#[derive(Clone, Copy)]
pub(crate) enum OfEach {
    /// The sum of its elements.
    Sum,
    /// How many of them are not finite.
    Nonfinite,
}

/// A number of each array, all of one type: two launches.
pub(crate) fn of_each(what: OfEach, arrays: &[CudaTensor]) -> Result<CudaTensor> {
    let first = &arrays[0];
    let (mut rows, mut chunks) = (Vec::new(), 0);
    for array in arrays {
        rows.extend(words![array, array.len(), chunks]);
        chunks += array.len().div_ceil(CHUNK);
    }
    let table = first.gpu().table(&rows)?;
    let (parts, numbers) = (first.like(&[chunks])?, first.like(&[arrays.len()])?);
    let words = |n: usize| words![n, table.address(), &parts, &numbers, arrays.len(), chunks];
    let function = match what {
        OfEach::Sum => "sum_chunks",
        OfEach::Nonfinite => "count_chunks",
    };
    first.blocks(&REDUCE, function, &words(chunks))?;
    first.each(&REDUCE, "sum_parts", &words(arrays.len()))?;
    Ok(numbers)
}

/// Indices by element type: a launch takes one type.
fn by_type(arrays: &[CudaTensor]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, array) in arrays.iter().enumerate() {
        match groups.iter_mut().find(|group| arrays[group[0]].element() == array.element()) {
            Some(group) => group.push(i),
            None => groups.push(vec![i]),
        }
    }
    groups
}

fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(DType::F64)?.to_vec1()
}
