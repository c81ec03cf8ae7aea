//! How much arithmetic a computation is.

use std::cell::Cell;

use candle_core::Result;

use crate::value::Value;

/// What products do in this thread, and what they have cost so far.
#[derive(Clone, Copy)]
enum Counting {
    Off,
    Made(u64),
    /// Not made: ones stand for their results.
    Planned(u64),
}

thread_local! {
    static COUNTING: Cell<Counting> = const { Cell::new(Counting::Off) };
}

/// Runs `f` and counts the multiply-adds of its convolutions and matrix products, gradients included, as the direct
/// algorithms would make them; a multiply-add is two FLOPs. Elementwise work is not counted.
///
/// ```
/// use frugan_autograd::{Tensor, Var, count_multiply_adds};
/// # fn main() -> frugan_autograd::Result<()> {
/// let a = Var::constant(Tensor::ones((3, 4), candle_core::DType::F32, &candle_core::Device::Cpu)?);
/// let (product, count) = count_multiply_adds(|| a.matmul_t(&a));
/// assert_eq!((product?.dims().to_vec(), count), (vec![3, 3], 3 * 4 * 3));
/// # Ok(())
/// # }
/// ```
pub fn count_multiply_adds<R>(f: impl FnOnce() -> R) -> (R, u64) {
    counting(Counting::Made(0), f)
}

/// [`count_multiply_adds`] of the same computation without making the products: ones stand for their results (no zeros, for a later division by a norm), so that
/// only shapes are of use. The count of a large network takes a fraction of its time.
///
/// ```
/// use frugan_autograd::{Tensor, Var, plan_multiply_adds};
/// # fn main() -> frugan_autograd::Result<()> {
/// let a = Var::constant(Tensor::ones((3, 4), candle_core::DType::F32, &candle_core::Device::Cpu)?);
/// let (product, count) = plan_multiply_adds(|| a.matmul_t(&a));
/// assert_eq!((product?.to_tensor()?.to_vec2::<f32>()?, count), (vec![vec![1.0; 3]; 3], 3 * 4 * 3));
/// # Ok(())
/// # }
/// ```
pub fn plan_multiply_adds<R>(f: impl FnOnce() -> R) -> (R, u64) {
    counting(Counting::Planned(0), f)
}

fn counting<R>(start: Counting, f: impl FnOnce() -> R) -> (R, u64) {
    struct Restore(Counting);
    impl Drop for Restore {
        fn drop(&mut self) {
            COUNTING.set(self.0);
        }
    }
    let restore = Restore(COUNTING.replace(start));
    let result = f();
    let count = match COUNTING.get() {
        Counting::Off => 0,
        Counting::Made(count) | Counting::Planned(count) => count,
    };
    drop(restore);
    (result, count)
}

/// A convolution or matrix product of this cost, with a result of shape `dims` and of the dtype and device of `like`.
pub(crate) fn product(
    multiply_adds: u64,
    dims: &[usize],
    like: &Value,
    make: impl FnOnce() -> Result<Value>,
) -> Result<Value> {
    match COUNTING.get() {
        Counting::Off => make(),
        Counting::Made(count) => {
            COUNTING.set(Counting::Made(count + multiply_adds));
            make()
        }
        Counting::Planned(count) => {
            COUNTING.set(Counting::Planned(count + multiply_adds));
            Value::full(1.0, dims, like.dtype(), like.device())
        }
    }
}
