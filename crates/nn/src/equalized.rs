//! Layers with an equalised learning rate (Karras et al. 2018, section 4.1), as StyleGAN2 is built from them.
//!
//! A weight is stored with deviation 1 and multiplied by He's constant in every call. Adam's steps do not depend on a
//! gradient's scale, so all weights then move at the same pace relative to their size. Layers compute in the type of their input.

use frugan_autograd::{Activation, BiasAct, Fir, Resample, Result, Var};

use crate::builder::Builder;
use crate::init::Init;

/// The binomial filter `[1, 3, 3, 1] / 8` on both axes, with which StyleGAN2 doubles and halves the resolution.
pub fn binomial_fir() -> Fir {
    Fir::separable(&[1.0, 3.0, 3.0, 1.0]).normalised()
}

/// Settings of an [`EqualizedLinear`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualizedLinearOptions {
    /// Whether there is a bias.
    pub bias: bool,
    /// What follows the bias, with its own default gain: sqrt(2) for a leaky ReLU.
    pub activation: Activation,
    /// Pace of the layer relative to the network's learning rate: the weight is stored `1 / lr_multiplier` times as
    /// large and the bias as it is, and both are multiplied by `lr_multiplier` in use.
    pub lr_multiplier: f64,
    /// First value of the stored bias.
    pub bias_init: f64,
}

impl Default for EqualizedLinearOptions {
    fn default() -> Self {
        Self { bias: true, activation: Activation::Linear, lr_multiplier: 1.0, bias_init: 0.0 }
    }
}

/// `act(x W^T lr / sqrt(in) + b lr)`.
#[derive(Clone, Debug)]
pub struct EqualizedLinear {
    weight: Var,
    bias: Option<Var>,
    weight_gain: f64,
    lr_multiplier: f64,
    act: BiasAct,
}

impl EqualizedLinear {
    /// `weight` is `[out, in]`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, inputs: usize, outputs: usize, options: &EqualizedLinearOptions) -> Result<Self> {
        let EqualizedLinearOptions { lr_multiplier, activation, .. } = *options;
        let weight = builder.weight("weight", &[outputs, inputs], Init::Normal(1.0 / lr_multiplier))?;
        let law = Init::Constant(options.bias_init);
        let bias = options.bias.then(|| builder.weight("bias", &[outputs], law)).transpose()?;
        let weight_gain = lr_multiplier / (inputs as f64).sqrt();
        Ok(Self { weight, bias, weight_gain, lr_multiplier, act: act(activation, 1.0, None) })
    }

    /// `[n, in]` to `[n, out]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        // The rows are fewer numbers than the weight, and the product is the same.
        let y = x.scale(self.weight_gain)?.matmul_t(&self.weight.to_dtype(x.dtype())?)?;
        let bias = self.bias.as_ref().map(|b| scaled(b, self.lr_multiplier)).transpose()?;
        y.bias_act(bias.as_ref(), &self.act)
    }
}

/// Settings of an [`EqualizedConv2d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualizedConv2dOptions {
    /// Whether there is a bias.
    pub bias: bool,
    /// What follows the bias, with its own default gain.
    pub activation: Activation,
    /// 2 doubles the resolution by [`binomial_fir`], 1 keeps it.
    pub up: usize,
    /// 2 halves the resolution by [`binomial_fir`], 1 keeps it.
    pub down: usize,
    /// Multiplies the activation and the clamp: sqrt(1/2) in both halves of a residual sum, which so keeps its scale.
    pub gain: f64,
    /// The output is cut to [-clamp gain, clamp gain], if given.
    pub clamp: Option<f64>,
}

impl Default for EqualizedConv2dOptions {
    fn default() -> Self {
        Self { bias: true, activation: Activation::Linear, up: 1, down: 1, gain: 1.0, clamp: None }
    }
}

/// A convolution with resampling, bias and activation: `act(conv(x, W / sqrt(in k k)) + b)`.
///
/// The kernel acts by correlation, as everywhere in the field, but as a true convolution where the layer doubles the
/// resolution: StyleGAN2-ADA's code does so, and weights are exchanged with it.
#[derive(Clone, Debug)]
pub struct EqualizedConv2d {
    weight: Var,
    bias: Option<Var>,
    weight_gain: f64,
    resample: Resample,
    fir: Option<Fir>,
    act: BiasAct,
}

impl EqualizedConv2d {
    /// `weight` is `[out, in, kernel, kernel]`, for an odd kernel; `bias` starts at 0.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(
        builder: &Builder,
        (inputs, outputs, kernel): (usize, usize, usize),
        options: &EqualizedConv2dOptions,
    ) -> Result<Self> {
        let EqualizedConv2dOptions { activation, up, down, gain, clamp, .. } = *options;
        let weight = builder.weight("weight", &[outputs, inputs, kernel, kernel], Init::Normal(1.0))?;
        let bias = options.bias.then(|| builder.weight("bias", &[outputs], Init::ZEROS)).transpose()?;
        Ok(Self {
            weight,
            bias,
            weight_gain: 1.0 / ((inputs * kernel * kernel) as f64).sqrt(),
            resample: Resample { up, down, padding: kernel / 2, flip_weight: up == 1 },
            fir: (up > 1 || down > 1).then(binomial_fir),
            act: act(activation, gain, clamp),
        })
    }

    /// `[n, in, h, w]` to `[n, out, h up / down, w up / down]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var) -> Result<Var> {
        let weight = match self.resample.up {
            1 => self.weight.scaled_filter(self.weight_gain, x.dtype())?,
            // Which is turned about its middle first.
            _ => self.weight.scale(self.weight_gain)?.to_dtype(x.dtype())?,
        };
        x.conv2d_resample(&weight, self.fir.as_ref(), &self.resample)?.bias_act(self.bias.as_ref(), &self.act)
    }
}

/// An activation with `gain` times its default gain, and a clamp that follows.
fn act(activation: Activation, gain: f64, clamp: Option<f64>) -> BiasAct {
    let plain = BiasAct::new(activation);
    BiasAct { gain: plain.gain * gain, clamp: clamp.map(|clamp| clamp * gain), ..plain }
}

fn scaled(x: &Var, factor: f64) -> Result<Var> {
    if factor == 1.0 { Ok(x.clone()) } else { x.scale(factor) }
}
