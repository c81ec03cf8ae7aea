//! Planes `[N, C, ..]` with one number each: scaled by them, and products summed up to them.

use candle_core::Result;

use super::cpu::planes as cpu;
use super::cpu::storage::{tensor, view};
use super::dispatch;
use crate::cuda::launch::planes as cuda;
use crate::value::Value;

/// `out[n, c] = x[n, c] * s[n, c] + noise[n]`; noise is `[N, area]` or `[1, area]`.
pub(crate) fn scale(x: &Value, s: &Value, noise: Option<&Value>) -> Result<Value> {
    let z = noise.unwrap_or(s);
    dispatch!("scale_planes", [x, s, z], T => {
        let z = noise.map(|_| view::<T>(z)).transpose()?;
        let (_, channels) = s.dims2()?;
        tensor(cpu::scale(&view::<T>(x)?, &view::<T>(s)?, channels, z.as_deref()), x.shape())
    }, cuda in any order => cuda::scale(x, s, noise.map(|_| z)).map(Value::Cuda))
}

/// `out[n, c] = sum of a[n, c] * b[n, c]`
pub(crate) fn dot(a: &Value, b: &Value, planes: [usize; 2]) -> Result<Value> {
    dispatch!("dot_planes", [a, b], T => {
        tensor(cpu::dot(&view::<T>(a)?, &view::<T>(b)?, planes[0] * planes[1]), &planes[..])
    }, cuda in any order => cuda::dot(a, b, planes).map(Value::Cuda))
}
