//! Bilinear samples of images on affine grids, and the adjoint.

use candle_core::{DType, Result, bail};

use super::cpu::affine_sample as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::affine_sample as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::value::Value;

/// Rows of six numbers that place an image's grid, whatever their dtype: places are computed in f64.
enum Places<'a> {
    Host(Vec<f64>),
    /// Left where they are: a number that is not finite has no pixels there.
    Cuda(&'a CudaTensor),
}

fn places(theta: &Value) -> Result<Places<'_>> {
    let theta = match theta {
        Value::Cuda(theta) => return Ok(Places::Cuda(theta)),
        Value::Cpu(theta) => theta.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?,
    };
    if !theta.iter().all(|v| v.is_finite()) {
        bail!("affine_sample: theta has a number that is not finite")
    }
    Ok(Places::Host(theta))
}

impl<'a> Places<'a> {
    fn host(&self) -> Result<&[f64]> {
        match self {
            Self::Host(theta) => Ok(theta),
            Self::Cuda(_) => bail!("affine_sample: theta is on a GPU, expected it on the CPU as the images"),
        }
    }

    fn cuda(&self) -> Result<&'a CudaTensor> {
        match self {
            Self::Host(_) => bail!("affine_sample: theta is on the CPU, expected it on the images' GPU"),
            Self::Cuda(theta) => Ok(theta),
        }
    }
}

/// From `[N, C, H, W]` to `[N, C, out_height, out_width]`.
pub(crate) fn sample(x: &Value, theta: &Value, out: [usize; 2]) -> Result<Value> {
    let theta = places(theta)?;
    dispatch!("affine_sample", [x], T => {
        let (n, c, height, width) = x.dims4()?;
        tensor(cpu::sample(&view::<T>(x)?, theta.host()?, c, [height, width], out), (n, c, out[0], out[1]))
    }, cuda => cuda::sample(x, theta.cuda()?, out).map(Value::Cuda))
}

/// Adds every value up where [`sample`] took it from: its adjoint, for images of `height` by `width`.
pub(crate) fn scatter(g: &Value, theta: &Value, [height, width]: [usize; 2]) -> Result<Value> {
    let theta = places(theta)?;
    dispatch!("affine_scatter", [g], T => {
        let (n, c, out_height, out_width) = g.dims4()?;
        let gx = cpu::scatter(&view::<T>(g)?, theta.host()?, c, [height, width], [out_height, out_width]);
        tensor(gx, (n, c, height, width))
    }, cuda => cuda::scatter(g, theta.cuda()?, [height, width]).map(Value::Cuda))
}
