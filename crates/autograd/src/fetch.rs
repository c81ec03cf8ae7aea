//! Many values read on the host with one wait for the device.

use candle_core::{DType, Result};

use crate::cuda::launch::fetch as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::fusion;
use crate::value::Value;
use crate::var::Var;

/// The elements of each array, in order.
///
/// # Errors
/// If the device fails.
pub fn fetch(vars: &[&Var]) -> Result<Vec<Vec<f64>>> {
    if let Some(arrays) = on_gpu(vars) {
        return cuda::fetch(&arrays);
    }
    vars.iter().map(|var| var.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()).collect()
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
    if let Some(arrays) = on_gpu(vars).filter(|_| !fusion::is_off()) {
        return cuda::sums(&arrays);
    }
    vars.iter().map(|var| var.detach().sum()?.item()).collect()
}

/// The arrays, if there are some and all lie on a GPU.
fn on_gpu<'a>(vars: &[&'a Var]) -> Option<Vec<&'a CudaTensor>> {
    let array = |var: &&'a Var| match var.value() {
        Value::Cuda(array) => Some(array),
        Value::Cpu(_) => None,
    };
    let arrays: Vec<_> = vars.iter().map(array).collect::<Option<_>>()?;
    (!arrays.is_empty()).then_some(arrays)
}
