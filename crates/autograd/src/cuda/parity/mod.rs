//! Every op on a device against the CPU in F64: values, gradients, gradients of gradients.

mod cases;

use std::sync::Mutex;

use candle_core::{DType, Result, Tensor};

use super::pool::lock;
use super::tensor::Order;
use crate::check::spread;
use crate::device::Device;
use crate::tape::{GraphMode, grad};
use crate::value::Value;
use crate::var::Var;
use cases::Case;

/// How far a device's results are from the CPU's in F64.
#[derive(Clone, Debug)]
pub struct Parity {
    /// The op, and what is particular to the case.
    pub name: String,
    /// Shapes of the inputs.
    pub shapes: Vec<Vec<usize>>,
    /// The type on the device.
    pub dtype: DType,
    /// The largest difference of the value, of the gradients and of the second gradients, each over the largest number
    /// of the array that it is in.
    pub errors: [f64; 3],
    /// What each may be.
    pub tolerance: f64,
    /// What the device, or an op, failed with; the errors are infinite then.
    pub failure: Option<String>,
}

impl Parity {
    /// Whether nothing failed and all three are within the tolerance.
    pub fn passes(&self) -> bool {
        self.failure.is_none() && self.errors.iter().all(|error| *error <= self.tolerance)
    }
}

/// Compares every op, one after the other, and calls `seen` with each result. Those that take images are compared twice: the second
/// time their inputs, and what convolutions give, lie pixel by pixel.
///
/// # Errors
/// If the device cannot be opened. An op that fails there is a result like others, for what fails besides is worth to know.
pub fn compare(device: Device, dtype: DType, mut seen: impl FnMut(&Parity)) -> Result<()> {
    // The order that convolutions give is the device's: one comparison at a time.
    static COMPARING: Mutex<()> = Mutex::new(());
    let _alone = lock(&COMPARING);
    let gpu = super::open(device)?;
    let takes = |case: &Case| case.halves || matches!(dtype, DType::F32 | DType::F64);
    for case in cases::all().into_iter().filter(takes) {
        let takes_images = case.inputs.iter().any(|input| input.shape.len() == 4);
        let orders: &[Order] = if takes_images { &[Order::Planes, Order::Pixels] } else { &[Order::Planes] };
        for order in orders {
            let chosen = gpu.force_pixels(Some(*order == Order::Pixels));
            let parity = compare_case(&case, device, dtype, *order);
            gpu.force_pixels(chosen);
            seen(&parity);
        }
    }
    Ok(())
}

/// A leaf as it is, or, if it is images on a GPU, in an order.
fn in_order(leaf: &Var, order: Order) -> Result<Var> {
    match leaf.value() {
        Value::Cuda(array) if array.dims().len() == 4 => {
            Ok(Var::with_node(Value::Cuda(array.in_order(order)?), None).as_leaf())
        }
        _ => Ok(leaf.clone()),
    }
}

/// Rounding of the type, for sums of some thousand terms.
fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-10,
        DType::F32 => 3e-5,
        DType::F16 => 2e-2,
        _ => 1e-1,
    }
}

fn compare_case(case: &Case, device: Device, dtype: DType, order: Order) -> Parity {
    let (errors, failure) = match errors(case, device, dtype, order) {
        Ok(errors) => (errors, None),
        Err(error) => ([f64::INFINITY; 3], Some(error.to_string())),
    };
    let name = match order {
        Order::Planes => case.name.clone(),
        Order::Pixels => format!("{}, pixel by pixel", case.name),
    };
    let shapes = case.inputs.iter().map(|input| input.shape.clone()).collect();
    /// Of a convolution in F32.
    const TRANSFORMED: f64 = 4.0;
    let slack = if case.convolves && dtype == DType::F32 { case.slack.max(TRANSFORMED) } else { case.slack };
    Parity { name, shapes, dtype, errors, tolerance: tolerance(dtype) * slack, failure }
}

/// [`Parity::errors`].
fn errors(case: &Case, device: Device, dtype: DType, order: Order) -> Result<[f64; 3]> {
    let want = evaluate(case, Device::Cpu, DType::F64, dtype, Order::Planes)?;
    let got = evaluate(case, device, dtype, dtype, order)?;
    let mut errors = [0.0; 3];
    for ((error, got), want) in errors.iter_mut().zip(&got).zip(&want) {
        for (got, want) in got.iter().zip(want) {
            *error = f64::max(*error, difference(got, want)?);
        }
    }
    Ok(errors)
}

/// Value; gradients; gradients of those: all by the same rules, on any device. The numbers that go in are those that
/// `rounded` holds, so that both sides compute with the same ones.
fn evaluate(case: &Case, device: Device, dtype: DType, rounded: DType, order: Order) -> Result<[Vec<Tensor>; 3]> {
    let place = |tensor: &Tensor| -> Result<Tensor> { tensor.to_dtype(rounded)?.to_dtype(DType::F64) };
    let array = |tensor: &Tensor| in_order(&Var::leaf(tensor.clone()).to_device(&device)?.cast_leaf(dtype)?, order);
    let mut salt = 0;
    let mut numbers = |shape: &[usize], low: f64, high: f64| {
        salt += 1;
        place(&spread(shape, low, high, salt)?)
    };
    let inputs = case.inputs.iter().map(|i| array(&numbers(&i.shape, i.low, i.high)?)).collect::<Result<Vec<_>>>()?;
    let references: Vec<&Var> = inputs.iter().collect();
    let y = (case.op)(&inputs)?;
    let cotangent = array(&numbers(y.dims(), -1.0, 1.0)?)?;
    let gradients = grad(&[&y], &[&cotangent], &references, GraphMode::Create)?;
    let weights = gradients.iter().map(|g| array(&numbers(g.dims(), -1.0, 1.0)?)).collect::<Result<Vec<_>>>()?;
    let all: Vec<&Var> = references.iter().copied().chain([&cotangent]).collect();
    let second =
        grad(&gradients.iter().collect::<Vec<_>>(), &weights.iter().collect::<Vec<_>>(), &all, GraphMode::Free)?;
    // Without a graph of the gradient, the fused backward kernels run.
    let fused = grad(&[&(case.op)(&inputs)?], &[&cotangent], &references, GraphMode::Free)?;
    let host = |vars: &[Var]| vars.iter().map(|var| var.to_tensor()?.to_dtype(DType::F64)).collect::<Result<Vec<_>>>();
    Ok([host(&[y])?, [host(&gradients)?, host(&fused)?].concat(), host(&second)?])
}

/// The largest difference over the largest number, where that is above 1e-3 of all that went in.
fn difference(got: &Tensor, want: &Tensor) -> Result<f64> {
    let (got, want) = (got.flatten_all()?.to_vec1::<f64>()?, want.flatten_all()?.to_vec1::<f64>()?);
    if got.len() != want.len() {
        return Ok(f64::INFINITY);
    }
    let size = want.iter().fold(1e-3, |size, v| f64::max(size, v.abs()));
    // A number that is not one is an infinite difference.
    let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).map(|d| if d.is_nan() { f64::INFINITY } else { d });
    Ok(worst.fold(0.0, f64::max) / size)
}
