//! Path length regularisation of G (Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN",
//! section 3.2).

use std::collections::BTreeMap;

use frugan_autograd::{DType, Device, Error, GraphMode, Result, Tensor, Var, grad_of_scalar, update};
use serde::{Deserialize, Serialize};

/// `[loss.path_length]`: path length regularisation of G. The defaults are StyleGAN2's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PathLengthConfig {
    /// Weight of the mean penalty. Default 2.
    pub weight: f64,
    /// How far the running mean moves towards each batch's, in (0, 1]. Default 0.01.
    pub decay: f64,
    /// The penalty's batch is so many times smaller than the others. Default 2.
    pub batch_shrink: usize,
}

impl Default for PathLengthConfig {
    fn default() -> Self {
        Self { weight: 2.0, decay: 0.01, batch_shrink: 2 }
    }
}

/// The length of `J^T y` for each image, `[n]`, where J is the Jacobian of the image by its styles and y is noise: the
/// root of the mean over layers of the squared length by layer. It can be differentiated by G's weights.
///
/// `images` `[n, c, h, w]` are made from `ws` `[n, num_ws, w_dim]`; `noise` are standard normal draws of the images'
/// shape, which are divided by `sqrt(h w)` here.
///
/// # Errors
/// If the styles are off the tape, or shapes do not fit.
pub fn path_lengths(images: &Var, ws: &Var, noise: &Var) -> Result<Var> {
    if !ws.requires_grad() {
        let message = "path_lengths: the styles are constants, expected those that G's mapping recorded";
        return Err(Error::Msg(message.into()));
    }
    let [n, num_ws, _] = *ws.dims() else {
        return Err(Error::Msg(format!("path_lengths: styles {:?}, expected [n, num_ws, w_dim]", ws.dims())));
    };
    if noise.dims() != images.dims() {
        let (got, want) = (noise.dims(), images.dims());
        return Err(Error::Msg(format!("path_lengths: noise {got:?}, expected the images' shape {want:?}")));
    }
    let (_, _, height, width) = images.dims4()?;
    let y = noise.detach().scale(1.0 / ((height * width) as f64).sqrt())?;
    let gradient = &grad_of_scalar(&images.mul(&y)?.sum()?, &[ws], GraphMode::Create)?[0];
    gradient.square()?.sum_keep(&[1, 2])?.scale(1.0 / num_ws as f64)?.sqrt()?.reshape(&[n])
}

/// The running mean of path lengths, and the penalty on the distance from it.
#[derive(Debug)]
pub struct PathLength {
    /// Always the same memory.
    mean: Var,
    decay: f64,
}

impl PathLength {
    /// A mean of 0 for images of this type on this device, which moves by `decay` (published: 0.01) of its distance to
    /// each batch's mean.
    pub fn new(decay: f64, dtype: DType, device: &Device) -> Result<Self> {
        Ok(Self { mean: Var::zeros(&[], dtype, device)?, decay })
    }

    /// `(length - mean)^2` of each image, `[n]`, with the [`path_lengths`] of these arguments. The mean moves first, and
    /// the batch's share in it receives gradient, as in the published code. The weight (published: 2) is the caller's.
    ///
    /// # Errors
    /// As [`path_lengths`].
    pub fn penalty(&mut self, images: &Var, ws: &Var, noise: &Var) -> Result<Var> {
        self.penalty_of(&path_lengths(images, ws, noise)?)
    }

    /// [`PathLength::penalty`] from the lengths of a batch, `[n]`.
    ///
    /// # Errors
    /// If the lengths are of another type or device.
    pub fn penalty_of(&mut self, lengths: &Var) -> Result<Var> {
        let mean = self.mean.scale(1.0 - self.decay)?.add(&lengths.mean()?.scale(self.decay)?)?;
        update::assign(&self.mean, &mean.detach())?;
        lengths.sub(&mean)?.square()
    }

    /// The running mean, of rank 0: the array that the next step changes.
    pub fn mean(&self) -> &Var {
        &self.mean
    }

    /// The state by name, for a checkpoint: `mean`, of rank 0.
    pub fn state_tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        Ok(BTreeMap::from([("mean".to_string(), self.mean.to_tensor()?)]))
    }

    /// Takes back what [`PathLength::state_tensors`] gave.
    ///
    /// # Errors
    /// Names the tensor that is missing, unexpected, or of another shape or type; nothing is changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        if let Some(name) = state.keys().find(|name| name.as_str() != "mean") {
            return Err(Error::Msg(format!("path length's state: unexpected {name}; want mean")));
        }
        let Some(tensor) = state.get("mean") else {
            return Err(Error::Msg("path length's state: mean is missing".into()));
        };
        if !tensor.dims().is_empty() || tensor.dtype() != self.mean.dtype() {
            let (dims, dtype, want) = (tensor.dims(), tensor.dtype(), self.mean.dtype());
            return Err(Error::Msg(format!("path length's state: mean is {dtype:?} {dims:?}, want one {want:?}")));
        }
        update::assign(&self.mean, &Var::from(tensor.clone()))
    }
}
