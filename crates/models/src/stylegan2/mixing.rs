//! Style mixing (Karras et al. 2019, section 3.1): two z make one image, the second from some layer on.

use frugan_autograd::{Result, Tensor, Var};
use frugan_nn::Stream;

use super::config::{MixingScope, StyleGan2Config};

/// The draws of one pass.
#[derive(Clone, Debug)]
pub struct StyleMix {
    /// The second z, `[n, latent_dim]`.
    pub z: Var,
    /// The first layer that takes its style from the second z: one for the whole batch, or one a sample. The number of
    /// layers means that none does.
    pub cutoffs: Vec<usize>,
}

impl StyleMix {
    /// The draws of a batch of `n` for a generator of `num_ws` layers, or `None` where the config mixes nothing, which
    /// draws nothing. Taken from the stream in ADA's order: cutoffs uniform on 1 to `num_ws - 1`, the coins that keep
    /// them with probability `style_mixing`, then z, in f32 on the host.
    pub(super) fn draw(config: &StyleGan2Config, n: usize, num_ws: usize, stream: &mut Stream) -> Result<Option<Self>> {
        if config.style_mixing == 0.0 {
            return Ok(None);
        }
        let count = match config.style_mixing_scope {
            MixingScope::Batch => 1,
            MixingScope::Sample => n,
        };
        let cutoffs = stream.integers(count, num_ws as u32 - 1);
        let coins = stream.uniforms(count);
        let z =
            Tensor::from_vec(stream.normals(n * config.latent_dim), (n, config.latent_dim), &candle_core::Device::Cpu)?;
        let cutoff = |(cutoff, coin): (u32, f32)| {
            if f64::from(coin) < config.style_mixing { cutoff as usize + 1 } else { num_ws }
        };
        Ok(Some(Self { z: Var::constant(z), cutoffs: cutoffs.into_iter().zip(coins).map(cutoff).collect() }))
    }

    /// Whether some layer takes its style from the second z.
    pub(super) fn mixes(&self, num_ws: usize) -> bool {
        self.cutoffs.iter().any(|cutoff| *cutoff < num_ws)
    }

    /// Styles `[n, num_ws, w_dim]`: those of `first` below each cutoff, those of `second` from there on.
    pub(super) fn mix(&self, first: &Var, second: &Var) -> Result<Var> {
        let [n, num_ws, _] = *first.dims() else {
            candle_core::bail!("style mixing: styles {:?}, expected [n, num_ws, w_dim]", first.dims())
        };
        if self.cutoffs.len() != 1 && self.cutoffs.len() != n {
            candle_core::bail!("style mixing: {} cutoffs for a batch of {n}, expected 1 or {n}", self.cutoffs.len())
        }
        let mask = |is_first: bool| {
            let keeps = |cutoff: usize| (0..num_ws).map(move |layer| f64::from(u8::from((layer < cutoff) == is_first)));
            let values: Vec<f64> = self.cutoffs.iter().flat_map(|cutoff| keeps(*cutoff)).collect();
            let mask = Tensor::from_vec(values, (self.cutoffs.len(), num_ws, 1), &candle_core::Device::Cpu)?;
            Var::constant(mask.to_dtype(first.dtype())?).to_device(&first.device())
        };
        first.mul(&mask(true)?)?.add(&second.mul(&mask(false)?)?)
    }
}
