//! Arrays of several ranks, one a process and a device: summed where they lie.

use candle_core::{Result, bail};

use super::fetch::{join, split};
use crate::cuda::tensor::CudaTensor;

/// The sum over ranks of an array of each; `None` on a device that is no rank's.
pub(crate) fn sum(array: &CudaTensor) -> Result<Option<CudaTensor>> {
    let array = array.planes()?;
    let sum = array.like(array.dims())?;
    let addresses = [array.address(), sum.address()];
    Ok(array.gpu().over_ranks(array.element(), array.len(), false, addresses)?.then_some(sum))
}

/// The means over ranks of many arrays of one type, by one call of the library.
pub(crate) fn means(arrays: &[CudaTensor]) -> Result<Vec<CudaTensor>> {
    let Some(first) = arrays.first() else { return Ok(Vec::new()) };
    if let Some(other) = arrays.iter().find(|array| array.element() != first.element()) {
        bail!(
            "ranks: {:?} among arrays of {:?}, expected one type; convert them first",
            other.element(),
            first.element()
        )
    }
    let all = first.like(&[arrays.iter().map(|array| array.len()).sum()])?;
    join(&all, 0, arrays)?;
    if !all.gpu().over_ranks(all.element(), all.len(), true, [all.address(); 2])? {
        bail!("ranks: {} is no rank's device", all.device())
    }
    split(&all, arrays)
}
