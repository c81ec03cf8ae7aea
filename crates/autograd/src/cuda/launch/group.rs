//! The standard deviation over groups of a batch, and its gradient.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::GROUP;
use crate::cuda::words::words;

/// `[1, rows, 1]` of `[size, rows, share]`: the mean over a share of the deviations over the first axis.
pub(crate) fn deviation(x: &CudaTensor, [size, rows, share]: [usize; 3], epsilon: f64) -> Result<CudaTensor> {
    let out = x.like(&[1, rows, 1])?;
    x.blocks(&GROUP, "group_deviation", &words![rows, x, None::<&CudaTensor>, &out, size, rows, share, epsilon])?;
    Ok(out)
}

/// The cotangent of `x` from that of [`deviation`].
pub(crate) fn deviation_gradient(
    x: &CudaTensor,
    g: &CudaTensor,
    [size, rows, share]: [usize; 3],
    epsilon: f64,
) -> Result<CudaTensor> {
    let out = x.like(x.dims())?;
    x.each(&GROUP, "group_deviation_grad", &words![rows * share, x, Some(g), &out, size, rows, share, epsilon])?;
    Ok(out)
}
