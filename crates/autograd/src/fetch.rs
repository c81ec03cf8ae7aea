//! Numbers of many arrays at once.

use candle_core::{DType, Result, Tensor, bail};

use crate::cuda::launch::fetch::{self as cuda, OfEach};
use crate::cuda::tensor::CudaTensor;
use crate::fusion;
use crate::ops::concat::concat;
use crate::value::Value;
use crate::var::Var;

/// The elements of each array, in order, with one wait for the device.
///
/// # Errors
/// If the device fails.
pub fn fetch(vars: &[&Var]) -> Result<Vec<Vec<f64>>> {
    if let Some(arrays) = on_gpu(vars)? {
        return cuda::fetch(&arrays);
    }
    vars.iter().map(|var| var.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1()).collect()
}

/// The sum of each array, `[number of arrays]`, without a gradient. The arrays share a type and a device.
///
/// ```
/// use frugan_autograd::{Tensor, Var, sums};
/// # fn main() -> frugan_autograd::Result<()> {
/// let [a, b] = [&[1.0f32, 2.0][..], &[4.0]].map(|values| Tensor::new(values, &candle_core::Device::Cpu));
/// assert_eq!(sums(&[&Var::constant(a?), &Var::constant(b?)])?.to_vec::<f32>()?, [3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If types or devices differ, or the device fails.
pub fn sums(vars: &[&Var]) -> Result<Var> {
    if let Some(numbers) = of_each(OfEach::Sum, vars)? {
        return Ok(numbers);
    }
    let sums = vars.iter().map(|var| var.detach().sum()?.reshape(&[1])).collect::<Result<Vec<_>>>()?;
    concat(&sums.iter().collect::<Vec<_>>(), 0)
}

/// How many elements of each array are not finite, `[number of arrays]`. The arrays share a type and a device. Under
/// [`crate::unfused`] NaN stands for any number above 0.
///
/// # Errors
/// As [`sums`].
pub fn nonfinite_counts(vars: &[&Var]) -> Result<Var> {
    if let Some(numbers) = of_each(OfEach::Nonfinite, vars)? {
        return Ok(numbers);
    }
    if on_gpu(vars)?.is_some() {
        // A sum is finite unless an element is not.
        let sums = sums(vars)?;
        return sums.sub(&sums);
    }
    let counts = vars.iter().map(|var| {
        let sum: f64 = var.detach().sum()?.to_dtype(DType::F64)?.item()?;
        let elements = || var.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        Ok(if sum.is_finite() { 0.0 } else { elements()?.iter().filter(|v| !v.is_finite()).count().max(1) as f64 })
    });
    let counts = counts.collect::<Result<Vec<f64>>>()?;
    Ok(Var::constant(Tensor::new(counts, &candle_core::Device::Cpu)?))
}

fn of_each(what: OfEach, vars: &[&Var]) -> Result<Option<Var>> {
    let Some(arrays) = on_gpu(vars)?.filter(|_| !fusion::is_off()) else { return Ok(None) };
    if arrays.iter().any(|array| array.element() != arrays[0].element()) {
        bail!("numbers of arrays of several types, expected one type; convert them first")
    }
    Ok(Some(Var::with_node(Value::Cuda(cuda::of_each(what, &arrays)?), None)))
}

/// The arrays, row-major, if there are some and all lie on a GPU.
pub(crate) fn on_gpu(vars: &[&Var]) -> Result<Option<Vec<CudaTensor>>> {
    let array = |var: &&Var| match var.value() {
        Value::Cuda(array) => Some(array.planes()),
        Value::Cpu(_) => None,
    };
    let arrays: Option<Result<Vec<_>>> = vars.iter().map(array).collect();
    Ok(arrays.transpose()?.filter(|arrays| !arrays.is_empty()))
}
