//! The standard deviation over groups of a batch as further channels (Karras et al. 2018, section 3).

use candle_core::{DType, Result, bail};

use super::concat::concat;
use crate::check_shapes::rank4;
use crate::var::Var;

/// Added to the variance.
const EPSILON: f64 = 1e-8;

impl Var {
    /// Appends `num_channels` channels to `[N, C, H, W]`: the standard deviation over each group of images, averaged over
    /// the pixels of an equal share of the channels. The discriminator of StyleGAN2 sees a batch's variety by it.
    ///
    /// A group has `group` images, or the batch if that is smaller or `None`: with M groups, image j is in group j mod M.
    ///
    /// # Errors
    /// If the groups do not divide the batch, or `num_channels` not the channels.
    pub fn minibatch_stddev(&self, group: Option<usize>, num_channels: usize) -> Result<Var> {
        let op = "minibatch_stddev";
        let [batch, channels, height, width] = rank4(op, "the input", "[N, C, H, W]", self)?;
        let size = group.map_or(batch, |size| size.min(batch));
        if size == 0 || batch % size != 0 {
            bail!("{op}: groups of {size}, expected a divisor of the {batch} images of {:?}", self.dims())
        }
        if num_channels == 0 || channels % num_channels != 0 {
            bail!("{op}: {num_channels} new channels, expected a divisor of the {channels} of {:?}", self.dims())
        }
        let (groups, share) = (batch / size, channels / num_channels * height * width);
        // In f64, for near a root's zero the rounding of differences reaches the second derivative.
        let x = self.to_dtype(DType::F64)?.reshape(&[size, groups * num_channels, share])?;
        let variance = x.sub(&x.mean_keep(&[0])?)?.square()?.mean_keep(&[0])?;
        let deviation = variance.affine(1.0, EPSILON)?.sqrt()?.mean_keep(&[2])?.to_dtype(self.dtype())?;
        let tiled = deviation
            .reshape(&[1, groups, num_channels, 1, 1])?
            .broadcast_to(&[size, groups, num_channels, height, width])?
            .reshape(&[batch, num_channels, height, width])?;
        concat(&[self, &tiled], 1)
    }
}
