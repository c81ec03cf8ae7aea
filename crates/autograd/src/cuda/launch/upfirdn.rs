//! Upsampling by zero insertion, a FIR filter, and downsampling, in one launch.

use candle_core::Result;

use super::pool::beside;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::{Element, UPFIRDN};
use crate::cuda::words::{Address, Divisor, words};
use crate::kernels::upfirdn::{Axis, Filter};

fn axis_words(axis: &Axis) -> Vec<u64> {
    words![Divisor(axis.out), Divisor(axis.up), axis.size, axis.taps, axis.down, axis.before]
}

pub(crate) fn upfirdn(x: &CudaTensor, axes: &[Axis; 2], filter: Filter<f64>) -> Result<CudaTensor> {
    let [n, c, ..] = x.dims4()?;
    let y = x.like_in(&[n, c, axes[0].out, axes[1].out], x.order())?;
    // In the type that the kernel computes in, for a conversion or a product in F64 is slow on most GPUs.
    let word = |tap: &f64| match x.element().arithmetic() {
        Element::F64 => tap.to_bits(),
        _ => u64::from((*tap as f32).to_bits()),
    };
    let constant = |taps: &[f64]| x.gpu().constant(&taps.iter().map(word).collect::<Vec<u64>>());
    let (vertical, horizontal) = match filter {
        Filter::Separable(vertical, horizontal) => (constant(vertical)?, constant(horizontal)?),
        Filter::Full(taps) => (constant(taps)?, Address::NULL),
    };
    let head = words![y.len(), x, &y, Divisor(beside(x)), vertical, horizontal];
    x.each(&UPFIRDN, "upfirdn", &[head, axis_words(&axes[0]), axis_words(&axes[1])].concat())?;
    Ok(y)
}

/// With a separable filter an image, the rows of `taps`, reversed unless `flip`.
pub(crate) fn per_image(x: &CudaTensor, axes: &[Axis; 2], taps: &CudaTensor, flip: bool) -> Result<CudaTensor> {
    let [n, c, ..] = x.dims4()?;
    let y = x.like_in(&[n, c, axes[0].out, axes[1].out], x.order())?;
    let head = words![y.len(), x, &y, taps, Divisor(beside(x)), Divisor(c), !flip];
    x.each(&UPFIRDN, "upfirdn_per_image", &[head, axis_words(&axes[0]), axis_words(&axes[1])].concat())?;
    Ok(y)
}
