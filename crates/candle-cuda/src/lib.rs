//! Frugan's augmentations on candle's own CUDA tensors.
//!
//! [`apply1`] makes a function of Frugan's [`Var`]s one op of candle's graph, as [`frugan_autograd::candle`] does on the CPU:
//! candle's `backward` passes through it. Frugan's kernels read candle's memory where it lies and are queued on candle's
//! stream; the result is copied into memory of candle's on the device, and nothing passes through the host.
//!
//! ```no_run
//! use candle_core::{DType, Device, Var};
//! use frugan_augment::Policy;
//! use frugan_nn::{Purpose, Stream};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let fakes = Var::ones((4, 3, 32, 32), DType::F32, &Device::new_cuda(0)?)?;
//! let policy = Policy::parse("color,translation,cutout")?;
//! let draws = policy.draw(4, 32, 32, &mut Stream::new(0, Purpose::new("g.augment"), 0));
//! let augmented = frugan_candle_cuda::diffaugment(&policy, &fakes, &draws)?;
//! let gradients = augmented.sum_all()?.backward()?;
//! # Ok(()) }
//! ```
//!
//! Kernels are compiled by NVRTC when they are first called, and kept on disk. Where candle's device was made by
//! [`candle_core::Device::new_cuda`], its stream is the calling thread's: use its tensors in the thread that made it, as
//! candle itself wants. Gradients that candle computes cannot be differentiated again: for R1 through an augmentation, stay
//! with Frugan's tape.
//!
//! The crate is no member of Frugan's workspace: candle links CUDA when it is built, Frugan's program looks it up when it runs.

mod memory;

use candle_core::{CpuStorage, CudaDevice, CudaStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use frugan_augment::{Draws, Policy, ada};
use frugan_autograd::{GraphMode, Var, grad, no_grad};

/// DiffAugment: [`Policy::apply`] on a tensor of candle's, in F32, F64, BF16 or F16 on a GPU, in F32 or F64 on the CPU.
///
/// # Errors
/// As [`Policy::apply`], and if the device fails.
pub fn diffaugment(policy: &Policy, images: &Tensor, draws: &Draws) -> Result<Tensor> {
    apply1(images, |images| policy.apply(images, draws))
}

/// ADA at probability `p`: [`ada::Pipe::apply`] on a tensor of candle's, of the types of [`diffaugment`].
///
/// # Errors
/// As [`ada::Pipe::apply`], and if the device fails.
pub fn ada(pipe: &ada::Pipe, images: &Tensor, draws: &ada::Draws, p: f64) -> Result<Tensor> {
    apply1(images, |images| pipe.apply(images, draws, p))
}

/// `f(x)`, as one op of candle's graph. While that graph lives, `x` is not to be changed in place.
///
/// # Errors
/// Those of `f`; a tensor that is neither on the CPU nor on a CUDA device, or of a type that Frugan has no kernels for.
pub fn apply1(x: &Tensor, f: impl FnOnce(&Var) -> Result<Var>) -> Result<Tensor> {
    if !x.device().is_cuda() {
        return frugan_autograd::candle::apply1(x, f);
    }
    let (input, device) = memory::borrow(x)?;
    if !x.track_op() {
        let output = no_grad(|| f(&input))?;
        return memory::tensor(&output, &device);
    }
    let input = input.as_leaf();
    let output = f(&input)?;
    x.apply_op1(Call { input, output, device })
}

/// A call whose input candle tracks, with its output on Frugan's tape.
struct Call {
    input: Var,
    output: Var,
    device: CudaDevice,
}

impl CustomOp1 for Call {
    fn name(&self) -> &'static str {
        "frugan-function"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{}: candle moved the input of a CUDA op to the CPU", self.name())
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((memory::storage(&self.output, &self.device)?, self.output.dims().into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        if !self.output.requires_grad() {
            return Ok(None);
        }
        let (cotangent, _) = memory::borrow(cotangent)?;
        // The graph stays, for candle may come again.
        let gradients = grad(&[&self.output], &[&cotangent], &[&self.input], GraphMode::Keep)?;
        memory::tensor(&gradients[0], &self.device).map(Some)
    }
}
