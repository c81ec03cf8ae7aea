//! The pipe on a batch.

use frugan_autograd::{Error, Result, Tensor, Var};

use super::geometry::Geometry;
use super::{Draws, Pipe, color, corrupt, filter};
use crate::apply::image_shape;

impl Pipe {
    /// T(x) of ADA for images `[N, C, H, W]` (C is 1 or 3 where the pipe changes colours), each with its own draws, at
    /// overall strength `p`, 0 or more (above 1 no gate closes any more).
    ///
    /// Geometry comes first, as one resampling; then colours, as one matrix an image; then the filter, noise and
    /// cutout. Nothing is clamped. At p = 0 the images come back as they are, bit for bit; at any other p also those
    /// that no step moves are resampled, as in ADA's code, unless [`Pipe::exact_blit`] is on.
    ///
    /// Differentiable with respect to the images, twice and more, in f32 and f64.
    ///
    /// ```
    /// use frugan_augment::ada::{Draw, Draws, Pipe, Step};
    /// use frugan_autograd::{DType, Device, Var};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let grey = Var::full(0.25, &[2, 3, 8, 8], DType::F64, &Device::Cpu)?;
    /// let brighter = Draw { step: Step::Brightness, values: vec![1.0; 2], gates: vec![0.1, 0.9], pixels: vec![] };
    /// let y = Pipe::parse("brightness")?.apply(&grey, &Draws::new(vec![brighter])?, 0.5)?;
    /// let means = [0, 1].map(|i| y.narrow(0, i, 1).and_then(|y| y.mean()).and_then(|y| y.item()));
    /// assert!((means[0].as_ref().unwrap() - 0.45).abs() < 1e-12); // the first gate is below 0.5
    /// assert_eq!(*means[1].as_ref().unwrap(), 0.25);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Where the images are not of four axes or too small for the filter, where p is no finite number from 0 up, and
    /// where [`DrawsError`](super::DrawsError) says that the draws do not fit the pipe or the batch.
    pub fn apply(&self, images: &Var, draws: &Draws, p: f64) -> Result<Var> {
        let [n, channels, height, width] = image_shape(images)?;
        if !(p.is_finite() && p >= 0.0) {
            return Err(Error::Msg(format!("ADA: p = {p}, want a finite number from 0 up")));
        }
        draws.check(self, [n, channels, height, width]).map_err(Error::wrap)?;
        if self.is_off(p) {
            return Ok(images.clone());
        }
        let parameters = self.parameters(draws, p);
        let mut y = images.clone();
        if let Some(geometry) = Geometry::new(&parameters, n, [height, width]) {
            y = y.warp2d(&geometry.warp(self.exact_blit))?;
        }
        if let Some(rows) = color::rows(&parameters, n, channels)? {
            y = y.color_matrix(&constant(rows, &[n, channels, channels + 1], &y)?)?;
        }
        y = filter::filter(y, &parameters)?;
        y = corrupt::noise(y, &parameters, draws)?;
        corrupt::cutout(y, &parameters)
    }

    /// [`Pipe::apply`] for a training loop that is otherwise candle's: one op of candle's graph, so that candle's
    /// `backward` passes through it. Tensors on the CPU, f32 or f64; `crates/candle-cuda`
    /// takes those on a GPU.
    ///
    /// candle has no gradients of gradients: for R1 through an augmentation, stay with [`Pipe::apply`].
    ///
    /// ```
    /// use candle_core::{Device, Var};
    /// use frugan_augment::ada::Pipe;
    /// use frugan_nn::{Purpose, Stream};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let fakes = Var::ones((4, 3, 32, 32), candle_core::DType::F32, &Device::Cpu)?;
    /// let pipe = Pipe::parse("bgc")?;
    /// let draws = pipe.draw(4, [3, 32, 32], &mut Stream::new(0, Purpose::new("g.ada"), 0));
    /// let gradients = pipe.apply_tensor(&fakes, &draws, 0.8)?.sum_all()?.backward()?;
    /// assert_eq!(gradients.get(&fakes).expect("candle tracks its Vars").dims(), [4, 3, 32, 32]);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Pipe::apply`], and for a tensor on another device.
    pub fn apply_tensor(&self, images: &Tensor, draws: &Draws, p: f64) -> Result<Tensor> {
        frugan_autograd::candle::apply1(images, |images| self.apply(images, draws, p))
    }
}

/// Numbers that the host made, of the type and on the device of `like`.
pub(super) fn constant(values: Vec<f64>, dims: &[usize], like: &Var) -> Result<Var> {
    let values = Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?;
    Var::from(values.to_dtype(like.dtype())?).to_device(&like.device())
}
