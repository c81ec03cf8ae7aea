//! Bilinear samples of images on affine grids, and the adjoint.

use candle_core::{Result, bail};

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::{AFFINE_SAMPLE, Element};
use crate::cuda::words::words;

fn run(
    function: &'static str,
    x: &CudaTensor,
    theta: &CudaTensor,
    y: &CudaTensor,
    threads: usize,
    sizes: [usize; 4],
) -> Result<()> {
    if !matches!(theta.element(), Element::F32 | Element::F64) || theta.device() != x.device() {
        bail!("{function}: theta is {:?} on {}, expected F32 or F64 on {}", theta.dtype(), theta.device(), x.device())
    }
    let is_double = theta.element() == Element::F64;
    x.each(&AFFINE_SAMPLE, function, &words![threads, x, y, theta, is_double, x.dims()[1], sizes])
}

pub(crate) fn sample(x: &CudaTensor, theta: &CudaTensor, [out_height, out_width]: [usize; 2]) -> Result<CudaTensor> {
    let [n, c, height, width] = x.dims4()?;
    let y = x.like(&[n, c, out_height, out_width])?;
    run("affine_sample", x, theta, &y, n * out_height * out_width, [height, width, out_height, out_width])?;
    Ok(y)
}

pub(crate) fn scatter(g: &CudaTensor, theta: &CudaTensor, [height, width]: [usize; 2]) -> Result<CudaTensor> {
    let [n, c, out_height, out_width] = g.dims4()?;
    let y = g.like(&[n, c, height, width])?;
    run("affine_scatter", g, theta, &y, y.len(), [height, width, out_height, out_width])?;
    Ok(y)
}
