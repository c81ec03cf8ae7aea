//! Candle's CPU storage as slices: no copy on the way in, none on the way out.

use std::cell::RefCell;
use std::ops::Deref;

use candle_core::{
    CpuStorage, Device, InplaceOp1, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail,
};

/// The element types that kernels are written for: f32, and f64 for gradient checks.
pub trait Element: WithDType + num_traits::Float {
    fn of(value: f64) -> Self {
        <Self as WithDType>::from_f64(value)
    }
}

impl Element for f32 {}
impl Element for f64 {}

/// Runs the expression with `$t` as the tensor's element type.
#[macro_export]
macro_rules! by_dtype {
    ($tensor:expr, $t:ident => $body:expr) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("no kernel for {other:?}: want F32 or F64"),
        }
    };
}

/// A contiguous tensor's values; holds candle's read lock.
pub struct View<'a, T> {
    storage: StorageRef<'a>,
    start: usize,
    len: usize,
    _element: std::marker::PhantomData<T>,
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
pub fn view<T: Element>(tensor: &Tensor) -> Result<View<'_, T>> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("kernel input of shape {:?} is not contiguous", tensor.dims())
    };
    match &*storage {
        Storage::Cpu(cpu) => drop(cpu.as_slice::<T>()?),
        _ => bail!("kernel input is not on the CPU"),
    }
    Ok(View { storage, start, len: end - start, _element: std::marker::PhantomData })
}

/// A tensor that owns `values`.
pub fn tensor<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// Changes a contiguous tensor's values in place. For optimisers: the tape does not see it.
pub fn mutate(tensor: &Tensor, f: impl FnOnce(&mut [f32])) -> Result<()> {
    struct Mutate<F>(RefCell<Option<F>>);
    impl<F: FnOnce(&mut [f32])> InplaceOp1 for Mutate<F> {
        fn name(&self) -> &'static str {
            "mutate"
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets(), self.0.take()) {
                (CpuStorage::F32(values), Some((start, end)), Some(f)) => {
                    f(&mut values[start..end]);
                    Ok(())
                }
                _ => bail!("mutate: want a contiguous F32 tensor"),
            }
        }
    }
    tensor.inplace_op1(&Mutate(RefCell::new(Some(f))))
}
