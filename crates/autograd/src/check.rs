//! Checks of gradients against central differences, in f64. For tests.

use candle_core::{DType, Result, Tensor, bail};

use crate::tape::{GraphMode, grad};
use crate::var::Var;

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// An f64 array of numbers spread over `low .. high`, the same for the same arguments.
/// `salt` chooses the sequence.
///
/// # Errors
/// If candle cannot make the tensor.
pub fn spread(shape: &[usize], low: f64, high: f64, salt: u64) -> Result<Tensor> {
    // Weyl's sequence of the golden ratio, scrambled so that neighbours do not correlate.
    let number = |i: u64| {
        let mut bits = (i + 1 + (salt << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (high - low) * ((bits ^ bits >> 31) >> 11) as f64 / (1u64 << 53) as f64
    };
    let count = shape.iter().product::<usize>() as u64;
    Tensor::from_vec((0..count).map(number).collect::<Vec<_>>(), shape, &candle_core::Device::Cpu)
}

/// Compares the tape's gradient of `<c, f(inputs)>`, for a fixed cotangent `c`, with central
/// differences, in every element of every input.
///
/// # Errors
/// If they differ by more than 1e-6 (relative above 1), naming the element; if an input is not
/// F64; if `f` fails.
pub fn gradcheck(f: impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor]) -> Result<()> {
    check(&f, inputs)
}

/// [`gradcheck`] of `f`, and of its gradient by each input as a function of inputs and cotangent.
///
/// # Errors
/// As [`gradcheck`].
pub fn gradgradcheck(f: impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor]) -> Result<()> {
    check(&f, inputs)?;
    let y = f(&leaves(inputs))?;
    let mut extended = inputs.to_vec();
    extended.push(spread(y.dims(), -1.0, 1.0, 11)?);
    for i in 0..inputs.len() {
        let gradient = |v: &[Var]| {
            // Fresh products, so that a leaf returned as it is still has a node of its own.
            let v: Vec<Var> = v.iter().map(|v| v.scale(1.0)).collect::<Result<_>>()?;
            let (x, cotangent) = v.split_at(inputs.len());
            let y = f(x)?;
            grad(&[&y], &[&cotangent[0]], &[&x[i]], GraphMode::Create)?[0].scale(1.0)
        };
        if let Err(error) = check(&gradient, &extended) {
            bail!("second order, gradient by input {i}: {error}")
        }
    }
    Ok(())
}

fn leaves(tensors: &[Tensor]) -> Vec<Var> {
    tensors.iter().map(|t| Var::leaf(t.clone())).collect()
}

fn check(f: &impl Fn(&[Var]) -> Result<Var>, inputs: &[Tensor]) -> Result<()> {
    if let Some((i, bad)) = inputs.iter().enumerate().find(|(_, t)| t.dtype() != DType::F64) {
        bail!("gradcheck: input {i} has dtype {:?}, expected F64", bad.dtype())
    }
    let vars = leaves(inputs);
    let y = f(&vars)?;
    let cotangent = spread(y.dims(), -1.0, 1.0, 7)?;
    let gradients = grad(&[&y], &[&cotangent.clone().into()], &vars.iter().collect::<Vec<_>>(), GraphMode::Free)?;
    for (i, gradient) in gradients.iter().enumerate() {
        if gradient.dims() != inputs[i].dims() {
            bail!("gradcheck: gradient {i} has shape {:?}, expected {:?}", gradient.dims(), inputs[i].dims())
        }
        let base = inputs[i].flatten_all()?.to_vec1::<f64>()?;
        for (j, tape) in gradient.to_vec::<f64>()?.into_iter().enumerate() {
            let value = |step: f64| {
                let (mut values, mut inputs) = (base.clone(), inputs.to_vec());
                values[j] += step;
                inputs[i] = Tensor::from_vec(values, inputs[i].dims(), &candle_core::Device::Cpu)?;
                // Recorded, for f may itself ask for gradients.
                let y = f(&leaves(&inputs))?;
                (y.to_tensor()? * &cotangent)?.sum_all()?.to_scalar::<f64>()
            };
            let differences = (value(STEP)? - value(-STEP)?) / (2.0 * STEP);
            let error = (differences - tape).abs();
            if error.is_nan() || error > TOLERANCE * (1.0 + differences.abs()) {
                bail!("gradcheck: input {i}, element {j}: the tape says {tape}, differences say {differences}")
            }
        }
    }
    Ok(())
}
