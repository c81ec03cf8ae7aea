//! A differentiable function of [`Var`]s as one op of candle's own graph.
//!
//! The function runs on this crate's tape; candle's `backward` then asks the tape for the
//! gradients. So an augmentation written with [`Var`]s drops into a training loop that is
//! otherwise candle's:
//!
//! ```
//! use frugan_autograd::{Result, candle};
//! # fn main() -> Result<()> {
//! let x = candle_core::Var::new(&[1.0f32, -2.0, 3.0], &candle_core::Device::Cpu)?;
//! let y = candle::apply1(x.as_tensor(), |x| x.square()?.flip(0))?; // ours
//! let loss = (y * 2.0)?.sum_all()?; // candle's
//! let gradients = loss.backward()?;
//! assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>()?, [4.0, -8.0, 12.0]);
//! # Ok(())
//! # }
//! ```
//!
//! Where no input is tracked by candle, nothing is recorded. Gradients that candle computes this
//! way cannot be differentiated again: for second order stay with [`grad`].

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};

use crate::tape::{GraphMode, grad, recording};
use crate::var::Var;

/// One call: its inputs, as leaves where candle wants their gradients, and its output on the tape.
struct Call {
    inputs: Vec<Var>,
    output: Var,
}

impl Call {
    fn run(inputs: &[&Tensor], f: impl FnOnce(&[Var]) -> Result<Var>) -> Result<Self> {
        if let Some(other) = inputs.iter().find(|x| !x.device().is_cpu()) {
            bail!(
                "candle::apply: an input is on {:?}, expected the CPU; frugan-candle-cuda takes CUDA tensors",
                other.device().location()
            )
        }
        let var = |x: &&Tensor| match x.track_op() {
            true => Var::leaf((*x).clone()),
            false => Var::constant((*x).clone()),
        };
        let inputs: Vec<Var> = inputs.iter().map(var).collect();
        let tracked = inputs.iter().any(Var::requires_grad);
        let output = recording(tracked, || f(&inputs))?;
        Ok(Self { inputs, output })
    }

    /// The output's values, which candle will own.
    fn storage(&self) -> Result<(CpuStorage, Shape)> {
        let tensor = self.output.to_tensor()?;
        let (storage, layout) = tensor.storage_and_layout();
        let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
            bail!("candle::apply: the output is not a dense array on the CPU")
        };
        let copy = match storage {
            CpuStorage::F32(values) => CpuStorage::F32(values[start..end].to_vec()),
            CpuStorage::F64(values) => CpuStorage::F64(values[start..end].to_vec()),
            _ => bail!("candle::apply: the output has dtype {:?}, expected F32 or F64", self.output.dtype()),
        };
        Ok((copy, layout.shape().clone()))
    }

    /// One gradient a tracked input. The graph stays, for candle may come again.
    fn gradients<const N: usize>(&self, cotangent: &Tensor) -> Result<[Option<Tensor>; N]> {
        let leaves: Vec<&Var> = self.inputs.iter().filter(|x| x.requires_grad()).collect();
        let cotangent = Var::constant(cotangent.clone());
        let mut gradients = grad(&[&self.output], &[&cotangent], &leaves, GraphMode::Keep)?.into_iter();
        let mut shares = [const { None }; N];
        for (share, input) in shares.iter_mut().zip(&self.inputs) {
            if input.requires_grad() {
                *share = gradients.next().map(|g| g.to_tensor()).transpose()?;
            }
        }
        Ok(shares)
    }
}

const NAME: &str = "frugan-function";

impl CustomOp1 for Call {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.storage()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        let [a] = self.gradients(cotangent)?;
        Ok(a)
    }
}

impl CustomOp2 for Call {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.storage()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor, cotangent: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.gradients(cotangent)?;
        Ok((a, b))
    }
}

impl CustomOp3 for Call {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.storage()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        cotangent: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.gradients(cotangent)?;
        Ok((a, b, c))
    }
}

/// `f(x)`, as one op of candle's graph.
///
/// # Errors
/// Those of `f`; a tensor that is not on the CPU, or an output that is neither F32 nor F64.
pub fn apply1(x: &Tensor, f: impl FnOnce(&Var) -> Result<Var>) -> Result<Tensor> {
    let call = Call::run(&[x], |v| f(&v[0]))?;
    x.apply_op1(call)
}

/// `f(x, y)`, as one op of candle's graph.
///
/// # Errors
/// As [`apply1`].
pub fn apply2(x: &Tensor, y: &Tensor, f: impl FnOnce(&Var, &Var) -> Result<Var>) -> Result<Tensor> {
    let call = Call::run(&[x, y], |v| f(&v[0], &v[1]))?;
    x.apply_op2(y, call)
}

/// `f(x, y, z)`, as one op of candle's graph.
///
/// # Errors
/// As [`apply1`].
pub fn apply3(x: &Tensor, y: &Tensor, z: &Tensor, f: impl FnOnce(&Var, &Var, &Var) -> Result<Var>) -> Result<Tensor> {
    let call = Call::run(&[x, y, z], |v| f(&v[0], &v[1], &v[2]))?;
    x.apply_op3(y, z, call)
}
