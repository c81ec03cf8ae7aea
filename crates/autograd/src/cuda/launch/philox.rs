//! Draws made on the device.

use std::sync::Arc;

use candle_core::Result;

use crate::cuda::draws::Place;
use crate::cuda::driver::Kernel;
use crate::cuda::gpu::Gpu;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::{Element, PHILOX};
use crate::cuda::words::{Address, words};
use crate::ints::Ints;

fn run(gpu: &Arc<Gpu>, function: &'static str, place: &Place, n: usize, to: Address, bound: u32) -> Result<()> {
    let Place { seed, purpose, step, index } = *place;
    let kernel = Kernel { text: &PHILOX, function, element: Element::F32 };
    gpu.each(kernel, &words![n, to, seed, u64::from(purpose), step, index, u64::from(bound)])
}

pub(crate) fn floats(gpu: &Arc<Gpu>, function: &'static str, place: &Place, dims: &[usize]) -> Result<CudaTensor> {
    let y = CudaTensor::new(gpu, Element::F32, dims)?;
    run(gpu, function, place, y.len(), y.address(), 0)?;
    Ok(y)
}

pub(crate) fn integers(gpu: &Arc<Gpu>, function: &'static str, place: &Place, n: usize, bound: u32) -> Result<Ints> {
    let y = Ints::uninitialised(gpu, n)?;
    run(gpu, function, place, n, y.on(gpu)?.address(), bound)?;
    Ok(y)
}
