//! Grayscale: now and then an image loses its colours (Chen et al. 2020, "A Simple Framework for Contrastive Learning of
//! Visual Representations", appendix A).

use frugan_autograd::{Result, Tensor, Var};
use frugan_nn::Stream;

use super::Extra;

/// Share of the images that lose their colours, the paper's. Below 1/2, so that G can tell coloured images from grey ones.
const SHARE: f32 = 0.2;

/// `x + g (m - x)`, m the mean over the channels of each pixel, g 1 for a fifth of the images and 0 for the others.
pub(super) struct Grayscale;

impl Extra for Grayscale {
    fn draw(&self, _: [usize; 2], stream: &mut Stream) -> Vec<f32> {
        stream.uniforms(1)
    }

    fn apply(&self, images: &Var, draws: &[Vec<f32>]) -> Result<Var> {
        let gates: Vec<f32> = draws.iter().map(|u| if u[0] < SHARE { 1.0 } else { 0.0 }).collect();
        let gates = Tensor::from_vec(gates, (draws.len(), 1, 1, 1), &candle_core::Device::Cpu)?;
        let gates = Var::constant(gates.to_dtype(images.dtype())?).to_device(&images.device())?;
        let grey = images.mean_keep(&[1])?;
        images.add(&grey.sub(images)?.mul(&gates)?)
    }
}
