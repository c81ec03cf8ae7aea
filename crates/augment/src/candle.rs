//! DiffAugment on candle's own tensors.

use candle_core::{Result, Tensor};

use crate::{Draws, Policy};

impl Policy {
    /// [`Policy::apply`] for a training loop that is otherwise candle's: one op of candle's graph, so that
    /// candle's `backward` passes through it. Tensors on the CPU, f32 or f64; `crates/candle-cuda`
    /// takes those on a GPU.
    ///
    /// candle has no gradients of gradients: for R1 through an augmentation, stay with [`Policy::apply`].
    ///
    /// ```
    /// use candle_core::{Device, Var};
    /// use frugan_augment::Policy;
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let fakes = Var::ones((4, 3, 32, 32), candle_core::DType::F32, &Device::Cpu)?;
    /// let policy = Policy::parse("cutout")?;
    /// let draws = policy.draw(4, 32, 32, &mut Stream::new(0, Purpose::new("g.augment"), 0));
    /// let augmented = policy.apply_tensor(&fakes, &draws)?;
    /// let gradients = augmented.sum_all()?.backward()?;
    /// // What cutout zeroed sends no gradient back.
    /// let gradient = gradients.get(&fakes).expect("candle tracks its Vars");
    /// assert_eq!(gradient.flatten_all()?.to_vec1::<f32>()?, augmented.flatten_all()?.to_vec1::<f32>()?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Policy::apply`], and for a tensor on another device.
    pub fn apply_tensor(&self, images: &Tensor, draws: &Draws) -> Result<Tensor> {
        frugan_autograd::candle::apply1(images, |images| self.apply(images, draws))
    }
}
