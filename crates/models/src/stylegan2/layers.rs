//! The modulated layers of the synthesis network (Karras et al. 2020, section 2.2).

use frugan_autograd::{Activation, BiasAct, Fir, ModulatedConv2d, Result, Var};
use frugan_nn::{Builder, EqualizedLinear, EqualizedLinearOptions, Init, binomial_fir};

use super::config::IMAGE_CHANNELS;

/// From w to one scale a channel: starts near 1.
fn affine(builder: &Builder, w_dim: usize, channels: usize) -> Result<EqualizedLinear> {
    let options = EqualizedLinearOptions { bias_init: 1.0, ..Default::default() };
    EqualizedLinear::new(&builder.at("affine"), w_dim, channels, &options)
}

/// What a [`SynthesisLayer`] is built for.
#[derive(Clone, Copy, Debug)]
pub(super) struct SynthesisLayerShape {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// Side of the output, in pixels.
    pub(super) resolution: usize,
    /// Whether the layer doubles the resolution.
    pub(super) doubles: bool,
    /// Multiplies the activation and the clamp: sqrt(1/2) at the end of a residual block.
    pub(super) gain: f64,
}

/// A 3x3 convolution whose kernel each sample's style scales by input channel, noise, bias and a leaky ReLU. The kernel is
/// demodulated: scaled back to unit length by output channel.
pub(super) struct SynthesisLayer {
    affine: EqualizedLinear,
    weight: Var,
    noise_const: Var,
    noise_strength: Var,
    bias: Var,
    fir: Option<Fir>,
    conv: ModulatedConv2d,
    act: BiasAct,
}

impl SynthesisLayer {
    pub(super) fn new(b: &Builder, w_dim: usize, shape: SynthesisLayerShape, clamp: Option<f64>) -> Result<Self> {
        let SynthesisLayerShape { inputs, outputs, resolution, doubles, gain } = shape;
        let lrelu = BiasAct::new(Activation::Lrelu);
        let up = if doubles { 2 } else { 1 };
        Ok(Self {
            affine: affine(b, w_dim, inputs)?,
            weight: b.weight("weight", &[outputs, inputs, 3, 3], Init::Normal(1.0))?,
            noise_const: b.buffer("noise_const", &[resolution, resolution], Init::Normal(1.0))?,
            noise_strength: b.weight("noise_strength", &[], Init::ZEROS)?,
            bias: b.weight("bias", &[outputs], Init::ZEROS)?,
            fir: doubles.then(binomial_fir),
            // A doubling layer's kernel acts as a true convolution, as in ADA's code.
            conv: ModulatedConv2d { up, padding: 1, demodulate: true, flip_weight: !doubles },
            act: BiasAct { gain: lrelu.gain * gain, clamp: clamp.map(|clamp| clamp * gain), ..lrelu },
        })
    }

    /// The fixed pattern `[1, 1, r, r]`.
    pub(super) fn const_noise(&self) -> Result<Var> {
        let side = self.noise_const.dims()[0];
        self.noise_const.reshape(&[1, 1, side, side])
    }

    /// `[n, inputs, h, w]`, w `[n, w_dim]` and noise `[n or 1, 1, r, r]` to `[n, outputs, r, r]`.
    pub(super) fn forward(&self, x: &Var, w: &Var, noise: Option<&Var>) -> Result<Var> {
        let styles = self.affine.forward(w)?;
        let noise = noise.map(|noise| noise.mul(&self.noise_strength)).transpose()?;
        x.modulated_conv2d(&self.weight, &styles, &self.conv, self.fir.as_ref(), noise.as_ref())?
            .bias_act(Some(&self.bias), &self.act)
    }
}

/// A modulated 1x1 convolution to the image's channels, without demodulation.
pub(super) struct ToRgb {
    affine: EqualizedLinear,
    weight: Var,
    bias: Var,
    weight_gain: f64,
    act: BiasAct,
}

impl ToRgb {
    pub(super) fn new(b: &Builder, w_dim: usize, inputs: usize, clamp: Option<f64>) -> Result<Self> {
        Ok(Self {
            affine: affine(b, w_dim, inputs)?,
            weight: b.weight("weight", &[IMAGE_CHANNELS, inputs, 1, 1], Init::Normal(1.0))?,
            bias: b.weight("bias", &[IMAGE_CHANNELS], Init::ZEROS)?,
            weight_gain: 1.0 / (inputs as f64).sqrt(),
            act: BiasAct { clamp, ..BiasAct::new(Activation::Linear) },
        })
    }

    /// `[n, inputs, r, r]` and w `[n, w_dim]` to `[n, 3, r, r]`.
    pub(super) fn forward(&self, x: &Var, w: &Var) -> Result<Var> {
        let styles = self.affine.forward(w)?.scale(self.weight_gain)?;
        let conv = ModulatedConv2d { up: 1, padding: 0, demodulate: false, flip_weight: true };
        x.modulated_conv2d(&self.weight, &styles, &conv, None, None)?.bias_act(Some(&self.bias), &self.act)
    }
}
