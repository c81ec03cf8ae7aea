//! Many values to the host with one wait.

use candle_core::{DType, Result, Tensor};

use super::update::CHUNK;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::REDUCE;
use crate::cuda::words::words;

/// The elements of each array.
pub(crate) fn fetch(arrays: &[&CudaTensor]) -> Result<Vec<Vec<f64>>> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); arrays.len()];
    for group in by_type(arrays) {
        let lens: Vec<usize> = group.iter().map(|i| arrays[*i].len()).collect();
        let joined = arrays[group[0]].like(&[lens.iter().sum()])?;
        let mut start = 0;
        for i in &group {
            joined.take(start, arrays[*i])?;
            start += arrays[*i].len();
        }
        let mut all = numbers(&joined.to_host()?)?.into_iter();
        for (i, len) in group.iter().zip(lens) {
            values[*i] = all.by_ref().take(len).collect();
        }
    }
    Ok(values)
}

/// The sum of each array: two launches for all of one type.
pub(crate) fn sums(arrays: &[&CudaTensor]) -> Result<Vec<f64>> {
    let mut values = vec![0.0; arrays.len()];
    for group in by_type(arrays) {
        let first = arrays[group[0]];
        let (mut rows, mut chunks) = (Vec::new(), 0);
        for i in &group {
            rows.extend(words![arrays[*i], arrays[*i].len(), chunks]);
            chunks += arrays[*i].len().div_ceil(CHUNK);
        }
        let table = first.gpu().table(&rows)?;
        let (parts, sums) = (first.like(&[chunks])?, first.like(&[group.len()])?);
        let words = |n: usize| words![n, table.address(), &parts, &sums, group.len(), chunks];
        first.blocks(&REDUCE, "sum_chunks", &words(chunks))?;
        first.each(&REDUCE, "sum_parts", &words(group.len()))?;
        for (i, sum) in group.iter().zip(numbers(&sums.to_host()?)?) {
            values[*i] = sum;
        }
    }
    Ok(values)
}

/// Indices by element type: a launch takes one type.
fn by_type(arrays: &[&CudaTensor]) -> Vec<Vec<usize>> {
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
