//! Upsampling by zero insertion, a FIR filter, and downsampling, in one step.

use candle_core::Result;

use super::cpu::storage::{Element, tensor, view};
use super::cpu::upfirdn as cpu;
use super::dispatch;
use crate::cuda::launch::upfirdn as cuda;
use crate::value::Value;

/// One axis: `out[j] = sum_t tap[t] * x[(j * down + t - before) / up]`, over the whole indices that are inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) size: usize,
    pub(crate) out: usize,
    pub(crate) taps: usize,
    pub(crate) up: usize,
    pub(crate) down: usize,
    /// Zeros before the upsampled axis; a crop if negative.
    pub(crate) before: isize,
}

/// Taps in the order of a correlation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filter<'a, T> {
    /// Along columns (vertical), then along rows.
    Separable(&'a [T], &'a [T]),
    /// Row by row.
    Full(&'a [T]),
}

/// Filters every plane of `[N, C, H, W]`; the axes are the vertical and the horizontal.
pub(crate) fn upfirdn(op: &str, x: &Value, axes: &[Axis; 2], filter: Filter<f64>) -> Result<Value> {
    dispatch!(op, [x], T => {
        let (n, c, ..) = x.dims4()?;
        let cast = |taps: &[f64]| taps.iter().map(|tap| T::of(*tap)).collect::<Vec<_>>();
        let (first, second) = match filter {
            Filter::Separable(vertical, horizontal) => (cast(vertical), Some(cast(horizontal))),
            Filter::Full(taps) => (cast(taps), None),
        };
        let filter = match &second {
            Some(second) => Filter::Separable(&first, second),
            None => Filter::Full(&first),
        };
        let out = cpu::upfirdn(&view::<T>(x)?, n * c, axes, &[filter]);
        tensor(out, (n, c, axes[0].out, axes[1].out))
    }, cuda in any order => cuda::upfirdn(x, axes, filter).map(Value::Cuda))
}

/// [`upfirdn`] with a separable filter an image, the rows of `taps` `[N, T]`, reversed unless `flip`.
pub(crate) fn upfirdn_per_image(op: &str, x: &Value, axes: &[Axis; 2], taps: &Value, flip: bool) -> Result<Value> {
    dispatch!(op, [x, taps], T => {
        let (n, c, ..) = x.dims4()?;
        let mut rows: Vec<Vec<T>> = view::<T>(taps)?.chunks(axes[0].taps).map(<[T]>::to_vec).collect();
        if !flip {
            rows.iter_mut().for_each(|row| row.reverse());
        }
        let filters: Vec<Filter<T>> = rows.iter().map(|row| Filter::Separable(row, row)).collect();
        let out = cpu::upfirdn(&view::<T>(x)?, n * c, axes, &filters);
        tensor(out, (n, c, axes[0].out, axes[1].out))
    }, cuda in any order => cuda::per_image(x, axes, &taps.planes()?, flip).map(Value::Cuda))
}
