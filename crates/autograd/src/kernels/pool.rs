//! Pooling and its adjoints.

use candle_core::Result;

use super::cpu::pool as cpu;
use super::cpu::storage::{Element, tensor, view};
use super::cpu::window;
pub(crate) use super::cpu::window::Window;
use super::dispatch;
use crate::cuda::launch::pool as cuda;
use crate::ints::Ints;
use crate::value::Value;

/// `factor` times the sum of each 2x2 cell; height and width are even.
pub(crate) fn sum_cells(x: &Value, factor: f64) -> Result<Value> {
    dispatch!("avg_pool2", [x], T => {
        let (n, c, h, w) = x.dims4()?;
        tensor(cpu::sum_pool(&view::<T>(x)?[..], (n * c, h, w), T::of(factor)), (n, c, h / 2, w / 2))
    }, cuda in any order => cuda::sum_cells(x, factor).map(Value::Cuda))
}

/// Each pixel four times, times `factor`: the adjoint of [`sum_cells`].
pub(crate) fn double(x: &Value, factor: f64) -> Result<Value> {
    dispatch!("upsample2", [x], T => {
        let (n, c, h, w) = x.dims4()?;
        tensor(cpu::double(&view::<T>(x)?[..], (n * c, h, w), T::of(factor)), (n, c, h * 2, w * 2))
    }, cuda in any order => cuda::double(x, factor).map(Value::Cuda))
}

/// The largest value of each window: `[.., height, width]` to `[.., out_height, out_width]`.
pub(crate) fn largest(window: &Window, x: &Value) -> Result<Value> {
    dispatch!("max_pool2d", [x], T => {
        let (n, c, ..) = x.dims4()?;
        tensor(window::largest(window, &view::<T>(x)?[..]), (n, c, window.out_height(), window.out_width()))
    }, cuda => cuda::largest(window, x).map(Value::Cuda))
}

/// For each output pixel the place in its input plane of the window's largest value.
pub(crate) fn places(window: &Window, x: &Value) -> Result<Ints> {
    dispatch!("max_pool2d_grad", [x], T => Ok(window::places(window, &view::<T>(x)?[..]).into()),
        cuda => cuda::places(window, x))
}

/// Picks `places` of each plane: `[.., height, width]` to `[.., out_height, out_width]`.
pub(crate) fn pick(window: &Window, places: &Ints, x: &Value) -> Result<Value> {
    dispatch!("max_pool2d", [x], T => {
        let (n, c, ..) = x.dims4()?;
        let y = window::pick(window, places.host(), &view::<T>(x)?[..]);
        tensor(y, (n, c, window.out_height(), window.out_width()))
    }, cuda => cuda::pick(window, places, x).map(Value::Cuda))
}

/// Adds each value at its place: the adjoint of [`pick`].
pub(crate) fn place(window: &Window, places: &Ints, g: &Value) -> Result<Value> {
    dispatch!("max_pool2d", [g], T => {
        let (n, c, ..) = g.dims4()?;
        tensor(window::place(window, places.host(), &view::<T>(g)?[..]), (n, c, window.height, window.width))
    }, cuda => cuda::place(window, places, g).map(Value::Cuda))
}

/// The mean of each window's pixels that are inside the image.
pub(crate) fn average(window: &Window, x: &Value) -> Result<Value> {
    dispatch!("avg_pool2d", [x], T => {
        let (n, c, ..) = x.dims4()?;
        tensor(window::average(window, &view::<T>(x)?[..]), (n, c, window.out_height(), window.out_width()))
    }, cuda => cuda::average(window, x).map(Value::Cuda))
}

/// The adjoint of [`average`].
pub(crate) fn spread(window: &Window, g: &Value) -> Result<Value> {
    dispatch!("avg_pool2d", [g], T => {
        let (n, c, ..) = g.dims4()?;
        tensor(window::spread(window, &view::<T>(g)?[..]), (n, c, window.height, window.width))
    }, cuda => cuda::spread(window, g).map(Value::Cuda))
}
