//! Self-attention over pixels (Zhang et al. 2019), as in BigGAN.

use frugan_autograd::{Result, Var};

use crate::builder::Builder;
use crate::init::Init;
use crate::layers::{Conv2d, Conv2dShape, LayerOptions};
use crate::mode::Mode;

/// `gamma * o(attention) + x`. Queries `theta` and keys `phi` have an eighth of the channels, values `g` half; keys and
/// values are 2x2 max-pooled; the four 1x1 convolutions have no bias; `gamma` starts at 0.
#[derive(Clone, Debug)]
pub struct SelfAttention {
    theta: Conv2d,
    phi: Conv2d,
    g: Conv2d,
    o: Conv2d,
    gamma: Var,
}

impl SelfAttention {
    /// Attention over `channels`, at least 8.
    ///
    /// # Errors
    /// If `channels` is below 8, or the tensors cannot be made.
    pub fn new(builder: &Builder, channels: usize, options: &LayerOptions) -> Result<Self> {
        if channels < 8 {
            candle_core::bail!("self-attention over {channels} channels: want at least 8")
        }
        let options = LayerOptions { bias: false, ..*options };
        let conv = |name: &str, from, to| Conv2d::new(&builder.at(name), Conv2dShape::same(from, to, 1), &options);
        let (query, value) = (channels / 8, channels / 2);
        Ok(Self {
            theta: conv("theta", channels, query)?,
            phi: conv("phi", channels, query)?,
            g: conv("g", channels, value)?,
            o: conv("o", value, channels)?,
            gamma: builder.weight("gamma", &[], Init::ZEROS)?,
        })
    }

    /// `[n, c, h, w]` to the same shape; `h` and `w` are even.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (n, _, h, w) = x.dims4()?;
        let pixels = |v: &Var| {
            let (_, c, h, w) = v.dims4()?;
            v.reshape(&[n, c, h * w])
        };
        let theta = pixels(&self.theta.forward(x, mode)?)?;
        let phi = pixels(&self.phi.forward(x, mode)?.max_pool2d(2, 2, 0)?)?;
        let g = pixels(&self.g.forward(x, mode)?.max_pool2d(2, 2, 0)?)?;
        let weights = theta.permute(&[0, 2, 1])?.batch_matmul(&phi)?.softmax(2)?;
        let attended = g.batch_matmul(&weights.permute(&[0, 2, 1])?)?;
        let channels = attended.dims()[1];
        let o = self.o.forward(&attended.reshape(&[n, channels, h, w])?, mode)?;
        o.mul(&self.gamma.to_dtype(x.dtype())?)?.add(x)
    }
}
