//! Finding the op that first made a value that is not finite.

use std::cell::Cell;

use candle_core::{DType, Result, bail};

use crate::var::Var;

thread_local! {
    static DETECTING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` and lets every op look at its output: the first with a NaN or an infinity fails, and the error names it.
/// Slow, so for replaying a step that went wrong.
///
/// ```
/// use frugan_autograd::{Tensor, Var, detect_nonfinite};
/// # fn main() -> frugan_autograd::Result<()> {
/// let x = Var::constant(Tensor::new(&[0.0f32, 1.0], &candle_core::Device::Cpu)?);
/// let error = detect_nonfinite(|| x.log()?.mul(&x)).unwrap_err();
/// assert!(error.to_string().starts_with("op log gave 1 value that is not finite"));
/// # Ok(())
/// # }
/// ```
pub fn detect_nonfinite<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            DETECTING.set(self.0);
        }
    }
    let _restore = Restore(DETECTING.replace(true));
    f()
}

/// Called for every op's output.
pub(crate) fn check(op: &str, inputs: &[&Var], output: &Var) -> Result<()> {
    if !DETECTING.get() {
        return Ok(());
    }
    let count = nonfinite(output)?;
    if count == 0 {
        return Ok(());
    }
    let given = inputs
        .iter()
        .map(|input| {
            Ok(match nonfinite(input)? {
                0 => format!("{:?} finite", input.dims()),
                bad => format!("{:?} with {bad} not finite", input.dims()),
            })
        })
        .collect::<Result<Vec<String>>>()?
        .join(", ");
    let values = if count == 1 { "1 value that is" } else { &format!("{count} values that are") };
    bail!("op {op} gave {values} not finite in {:?}; its inputs: {given}", output.dims())
}

fn nonfinite(var: &Var) -> Result<usize> {
    let values = var.to_tensor()?.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    Ok(values.iter().filter(|v| !v.is_finite()).count())
}
