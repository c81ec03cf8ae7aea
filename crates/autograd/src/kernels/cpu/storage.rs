//! Candle's CPU storage as slices: no copy on the way in, none on the way out.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;

use candle_core::{
    CpuStorage, Device, InplaceOp1, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail,
};

use num_traits::Float;

use super::math;
use crate::value::Value;

/// The element types that kernels are written for: f32, and f64 for gradient checks.
pub(crate) trait Element: WithDType + Float {
    fn of(value: f64) -> Self {
        <Self as WithDType>::from_f64(value)
    }

    /// The storage's values if they are of this type.
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut Vec<Self>>;

    /// `e^x`, in f32 for loops that become vectors, as the next three.
    fn exp_(self) -> Self;
    /// `ln(x)`
    fn ln_(self) -> Self;
    /// `ln(1 + x)` for `x >= 0`
    fn ln_1p_(self) -> Self;
    /// `tanh(x)`
    fn tanh_(self) -> Self;
}

macro_rules! transcendental {
    ($t:ty, $functions:ident) => {
        #[inline(always)]
        fn exp_(self) -> $t {
            $functions::exp(self)
        }

        #[inline(always)]
        fn ln_(self) -> $t {
            $functions::ln(self)
        }

        #[inline(always)]
        fn ln_1p_(self) -> $t {
            $functions::ln_1p(self)
        }

        #[inline(always)]
        fn tanh_(self) -> $t {
            $functions::tanh(self)
        }
    };
}

impl Element for f32 {
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut Vec<f32>> {
        if let CpuStorage::F32(values) = storage { Some(values) } else { None }
    }

    transcendental!(f32, math);
}

impl Element for f64 {
    fn values_mut(storage: &mut CpuStorage) -> Option<&mut Vec<f64>> {
        if let CpuStorage::F64(values) = storage { Some(values) } else { None }
    }

    transcendental!(f64, Float);
}

/// Runs the expression with `$t` as the tensor's element type.
macro_rules! by_dtype {
    ($op:expr, $tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("{}: dtype {other:?}, expected F32 or F64 on the CPU", $op),
        }
    };
}

pub(crate) use by_dtype;

/// A contiguous tensor's values; holds candle's read lock.
pub(crate) struct View<'a, T> {
    storage: StorageRef<'a>,
    start: usize,
    len: usize,
    _element: PhantomData<T>,
}

impl<T: Element> Deref for View<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &*self.storage {
            Storage::Cpu(storage) => match storage.as_slice::<T>() {
                Ok(values) => &values[self.start..self.start + self.len],
                Err(_) => unreachable!("the dtype was checked"),
            },
            _ => unreachable!("the device was checked"),
        }
    }
}

/// The values of a contiguous CPU tensor.
pub(crate) fn view<T: Element>(tensor: &Tensor) -> Result<View<'_, T>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("kernel input of shape {:?} is not contiguous", tensor.dims())
    };
    match &*storage {
        Storage::Cpu(cpu) => drop(cpu.as_slice::<T>()?),
        _ => bail!("kernel input is not on the CPU"),
    }
    Ok(View { storage, start, len: end - start, _element: PhantomData })
}

/// A value that owns `values`.
pub(crate) fn tensor<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Value> {
    Ok(Value::Cpu(Tensor::from_vec(values, shape.into(), &Device::Cpu)?))
}

/// Whether two tensors lie in one storage.
pub(crate) fn shares(a: &Tensor, b: &Tensor) -> bool {
    let address = |t: &Tensor| std::ptr::from_ref::<Storage>(&t.storage_and_layout().0) as usize;
    address(a) == address(b)
}

/// Changes a contiguous tensor's values in place: the tape does not see it.
/// No view of the tensor may be alive on this thread.
pub(crate) fn mutate<T: Element>(op: &'static str, tensor: &Tensor, f: impl FnOnce(&mut [T])) -> Result<()> {
    struct Mutate<F, T>(&'static str, RefCell<Option<F>>, PhantomData<T>);
    impl<T: Element, F: FnOnce(&mut [T])> InplaceOp1 for Mutate<F, T> {
        fn name(&self) -> &'static str {
            self.0
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            let values = T::values_mut(storage);
            match (values, layout.contiguous_offsets(), self.1.take()) {
                (Some(values), Some((start, end)), Some(f)) => {
                    f(&mut values[start..end]);
                    Ok(())
                }
                _ => bail!("{}: the target is not a dense array of dtype {:?}", self.0, T::DTYPE),
            }
        }
    }
    tensor.inplace_op1(&Mutate(op, RefCell::new(Some(f)), PhantomData))
}

/// [`mutate`] of three tensors that share no storage.
pub(crate) fn mutate3<T: Element>(
    op: &'static str,
    [a, b, c]: [&Tensor; 3],
    f: impl FnOnce([&mut [T]; 3]),
) -> Result<()> {
    let mut inner = Ok(());
    mutate(op, a, |a: &mut [T]| {
        let mut innermost = Ok(());
        inner = mutate(op, b, |b: &mut [T]| innermost = mutate(op, c, |c: &mut [T]| f([a, b, c])));
        if inner.is_ok() {
            inner = innermost;
        }
    })?;
    inner
}
