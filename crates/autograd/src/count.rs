//! How much arithmetic a computation is.

use std::cell::Cell;

thread_local! {
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
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
    struct Restore(Option<u64>);
    impl Drop for Restore {
        fn drop(&mut self) {
            COUNT.set(self.0);
        }
    }
    let restore = Restore(COUNT.replace(Some(0)));
    let result = f();
    let count = COUNT.get().unwrap_or_default();
    drop(restore);
    (result, count)
}

/// Called with every op's multiply-adds.
pub(crate) fn add(multiply_adds: impl FnOnce() -> u64) {
    if let Some(count) = COUNT.get() {
        COUNT.set(Some(count + multiply_adds()));
    }
}
