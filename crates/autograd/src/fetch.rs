//! Many values read on the host with one wait for the device.

use candle_core::{DType, Result};

use crate::cuda::launch::fetch as cuda;
use crate::value::Value;
use crate::var::Var;

/// The elements of each array, in order.
///
/// # Errors
/// If the device fails.
pub fn fetch(vars: &[&Var]) -> Result<Vec<Vec<f64>>> {
    let on_gpu: Option<Vec<_>> =
        vars.iter().map(|var| if let Value::Cuda(x) = var.value() { Some(x) } else { None }).collect();
    match on_gpu {
        Some(arrays) if !arrays.is_empty() => cuda::fetch(&arrays),
        _ => vars.iter().map(|var| var.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()).collect(),
    }
}

/// The sum of each array.
///
/// ```
/// use frugan_autograd::{Tensor, Var, sums};
/// # fn main() -> frugan_autograd::Result<()> {
/// let [a, b] = [&[1.0f32, 2.0][..], &[4.0]].map(|values| Tensor::new(values, &candle_core::Device::Cpu));
/// assert_eq!(sums(&[&Var::constant(a?), &Var::constant(b?)])?, [3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the device fails.
pub fn sums(vars: &[&Var]) -> Result<Vec<f64>> {
    let on_gpu: Option<Vec<_>> =
        vars.iter().map(|var| if let Value::Cuda(x) = var.value() { Some(x) } else { None }).collect();
    match on_gpu {
        Some(arrays) if !arrays.is_empty() => cuda::sums(&arrays),
        _ => vars.iter().map(|var| var.detach().sum()?.item()).collect(),
    }
}
