//! Numbers that the host wants to know, but not at once.

use candle_core::{DType, Result, bail};

use crate::cuda::launch::fetch::join;
use crate::cuda::tensor::CudaTensor;
use crate::fetch::{fetch, on_gpu};
use crate::var::Var;

/// How many numbers are put aside on a device before it is waited for: many steps' losses and logits.
const CAPACITY: usize = 1 << 16;

/// Numbers in the order in which they were put here. A GPU's stay there, in memory that is always the same, until
/// [`Readings::take`] waits for all of them at once: so a training step waits for nothing.
///
/// ```
/// use frugan_autograd::{Readings, Tensor, Var};
/// # fn main() -> frugan_autograd::Result<()> {
/// let [a, b] = [&[1.0f32, 2.0][..], &[4.0]].map(|values| Tensor::new(values, &candle_core::Device::Cpu));
/// let mut readings = Readings::default();
/// readings.put(&[&Var::constant(a?)])?;
/// readings.put(&[&Var::constant(b?)])?;
/// assert_eq!(readings.take()?, [1.0, 2.0, 4.0]);
/// assert!(readings.take()?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Readings {
    /// What has arrived on the host.
    here: Vec<f64>,
    there: Option<Store>,
}

/// Memory on a GPU.
#[derive(Debug)]
struct Store {
    array: CudaTensor,
    used: usize,
}

impl Readings {
    /// Puts the elements of each array behind the others. Waits only when [`Readings`] hold very many.
    ///
    /// # Errors
    /// If arrays on a GPU are of another type than those before, or the device fails.
    pub fn put(&mut self, vars: &[&Var]) -> Result<()> {
        match on_gpu(vars)? {
            Some(arrays) => self.put_there(&arrays),
            None => {
                self.arrive()?;
                self.here.extend(fetch(vars)?.concat());
                Ok(())
            }
        }
    }

    fn put_there(&mut self, arrays: &[CudaTensor]) -> Result<()> {
        let len: usize = arrays.iter().map(|array| array.len()).sum();
        if self.there.as_ref().is_some_and(|store| store.used + len > store.array.len()) {
            self.arrive()?;
        }
        let store = match &mut self.there {
            Some(store) if len <= store.array.len() => store,
            there => there.insert(Store { array: arrays[0].like(&[len.max(CAPACITY)])?, used: 0 }),
        };
        if let Some(other) = arrays.iter().find(|array| array.element() != store.array.element()) {
            bail!("readings: {:?} among {:?}, expected one type", other.element(), store.array.element())
        }
        join(&store.array, store.used, arrays)?;
        store.used += len;
        Ok(())
    }

    /// Brings what lies on the device here.
    fn arrive(&mut self) -> Result<()> {
        if let Some(store) = self.there.as_mut().filter(|store| store.used > 0) {
            let used = store.array.reshape(&[store.used]);
            self.here.extend(used.to_host()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
            store.used = 0;
        }
        Ok(())
    }

    /// All numbers that were put since the last time, with one wait for the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn take(&mut self) -> Result<Vec<f64>> {
        self.arrive()?;
        Ok(std::mem::take(&mut self.here))
    }
}
