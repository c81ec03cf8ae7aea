//! Whether ops that are several steps run as one kernel.

use std::cell::Cell;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(true) };
}

/// Runs `f` with a kernel a step where an op would be one kernel: batch norm, activations with bias and clamp, spectral norm,
/// convolutions with what is done on their way, translation with cutout, and updates of many arrays. Results are the same but
/// for rounding. For measuring what fusion saves, and for telling a wrong fused kernel from a wrong step.
///
/// ```
/// use frugan_autograd::{Activation, BiasAct, DType, Device, Var, unfused};
/// # fn main() -> frugan_autograd::Result<()> {
/// let x = Var::full(-2.0, &[1, 3], DType::F32, &Device::Cpu)?;
/// let act = || x.bias_act(None, &BiasAct::new(Activation::Lrelu))?.to_vec::<f32>();
/// assert_eq!(act()?, unfused(act)?);
/// # Ok(())
/// # }
/// ```
pub fn unfused<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
    let _restore = Restore(ON.replace(false));
    f()
}

pub(crate) fn is_off() -> bool {
    !ON.get()
}
