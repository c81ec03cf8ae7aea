//! Linear, convolution and embedding, each with spectral norm if wanted. They compute in the type of their input.

use frugan_autograd::{Conv2dConfig, DType, Ints, Result, Var};

use crate::builder::Builder;
use crate::init::Init;
use crate::mode::Mode;
use crate::spectral_norm::{SpectralNorm, SpectralNormOptions};

/// What layers have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerOptions {
    /// Law of the weight. Biases are always drawn as torch does by default, uniform within `1 / sqrt(fan_in)`: the
    /// published BigGAN initialisers leave them so.
    pub init: Init,
    /// Whether there is a bias.
    pub bias: bool,
    /// Spectral norm of the weight (never of the bias), if wanted.
    pub spectral: Option<SpectralNormOptions>,
}

impl Default for LayerOptions {
    fn default() -> Self {
        Self { init: Init::N02, bias: true, spectral: None }
    }
}

/// A weight, its bias and its spectral norm, in the order in which state files name them.
#[derive(Clone, Debug)]
struct Weight {
    weight: Var,
    bias: Option<Var>,
    spectral: Option<SpectralNorm>,
}

impl Weight {
    fn new(
        builder: &Builder,
        shape: &[usize],
        (outputs, fan_in): (usize, usize),
        options: &LayerOptions,
        dtype: DType,
    ) -> Result<Self> {
        let weight = builder.weight("weight", shape, options.init)?;
        let law = Init::Uniform(1.0 / (fan_in as f64).sqrt());
        let bias = options.bias.then(|| builder.weight("bias", &[outputs], law)).transpose()?;
        let spectral = options.spectral.map(|s| SpectralNorm::new(builder, &weight, s, dtype)).transpose()?;
        Ok(Self { weight, bias, spectral })
    }

    fn value(&self, mode: Mode) -> Result<Var> {
        self.spectral.as_ref().map_or_else(|| Ok(self.weight.clone()), |s| s.normalise(&self.weight, mode))
    }

    /// The weight in the type of the input that it meets, and the bias as it is.
    fn for_input(&self, x: &Var, mode: Mode) -> Result<(Var, Option<&Var>)> {
        Ok((self.value(mode)?.to_dtype(x.dtype())?, self.bias.as_ref()))
    }
}

/// `x W^T + b`.
#[derive(Clone, Debug)]
pub struct Linear(Weight);

impl Linear {
    /// `weight` is `[out, in]`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, inputs: usize, outputs: usize, options: &LayerOptions) -> Result<Self> {
        Ok(Self(Weight::new(builder, &[outputs, inputs], (outputs, inputs), options, builder.dtype())?))
    }

    /// `[n, in]` to `[n, out]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.0.for_input(x, mode)?;
        let y = x.matmul_t(&weight)?;
        bias.map_or_else(|| Ok(y.clone()), |bias| y.add(&bias.to_dtype(y.dtype())?))
    }
}

/// Rows of a table by label.
#[derive(Clone, Debug)]
pub struct Embedding(Weight);

impl Embedding {
    /// `weight` is `[classes, features]`; it has no bias whatever the options say.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, classes: usize, features: usize, options: &LayerOptions) -> Result<Self> {
        let options = LayerOptions { bias: false, ..*options };
        Ok(Self(Weight::new(builder, &[classes, features], (features, classes), &options, builder.dtype())?))
    }

    /// The table itself.
    pub(crate) fn table(&self) -> &Var {
        &self.0.weight
    }

    /// `[n]` labels to `[n, features]`.
    ///
    /// # Errors
    /// If a label is not below `classes`.
    pub fn forward(&self, labels: &Ints, mode: Mode) -> Result<Var> {
        self.0.value(mode)?.gather(labels)
    }
}

/// Channels, kernel, stride and padding of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the output.
    pub outputs: usize,
    /// Side of the square kernel.
    pub kernel: usize,
    /// Pixels between two windows.
    pub stride: usize,
    /// Zeros on each side.
    pub padding: usize,
}

impl Conv2dShape {
    /// Stride 1 and a padding that keeps height and width, for an odd kernel.
    pub fn same(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self { inputs, outputs, kernel, stride: 1, padding: kernel / 2 }
    }

    fn config(&self) -> Conv2dConfig {
        Conv2dConfig { stride: self.stride, padding: [self.padding; 2] }
    }
}

/// A 2-D convolution (correlation, as everywhere in the field) with bias.
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Weight,
    config: Conv2dConfig,
}

impl Conv2d {
    /// `weight` is `[out, in, kernel, kernel]`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, shape: Conv2dShape, options: &LayerOptions) -> Result<Self> {
        Self::in_type(builder, shape, options, builder.compute())
    }

    /// One for [`Conv2d::forward_upsampled`] or [`Conv2d::forward_pooled`]: its filter is given to them as the network's weights are
    /// stored, for a GPU folds the change of resolution into it, and rounds it then.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn resampling(builder: &Builder, shape: Conv2dShape, options: &LayerOptions) -> Result<Self> {
        Self::in_type(builder, shape, options, builder.dtype())
    }

    /// The filter over its spectral norm is in this type.
    fn in_type(builder: &Builder, shape: Conv2dShape, options: &LayerOptions, dtype: DType) -> Result<Self> {
        let Conv2dShape { inputs, outputs, kernel, .. } = shape;
        let fan_in = inputs * kernel * kernel;
        let dims = [outputs, inputs, kernel, kernel];
        let weight = Weight::new(builder, &dims, (outputs, fan_in), options, dtype)?;
        Ok(Self { weight, config: shape.config() })
    }

    /// `[n, in, h, w]` to `[n, out, h', w']`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.weight.for_input(x, mode)?;
        x.conv2d(&weight, bias, self.config)
    }

    /// `onto` plus [`Conv2d::forward`]: the end of a residual block.
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn forward_onto(&self, x: &Var, onto: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.weight.for_input(x, mode)?;
        x.conv2d_onto(&weight, bias, onto, self.config)
    }

    /// [`Conv2d::forward`] and a ReLU in one pass over the output.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_relu(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.weight.for_input(x, mode)?;
        x.conv2d_relu(&weight, bias, self.config)
    }

    /// A ReLU of the input, [`Conv2d::forward`] and a ReLU of the output: a pre-activated residual block's first half,
    /// without a pass over memory for either ReLU.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_between_relus(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.weight.for_input(x, mode)?;
        x.relu_conv2d_relu(&weight, bias, self.config)
    }

    /// [`Conv2d::forward`] of the nearest-neighbour doubled input, which is never stored.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_upsampled(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = (self.weight.value(mode)?, self.weight.bias.as_ref());
        x.upsample2_conv2d(&weight, bias, self.config)
    }

    /// `onto` plus [`Conv2d::forward_pooled`].
    ///
    /// # Errors
    /// If a shape does not fit.
    pub fn forward_pooled_onto(&self, x: &Var, onto: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = (self.weight.value(mode)?, self.weight.bias.as_ref());
        x.conv2d_avg_pool2_onto(&weight, bias, onto, self.config)
    }

    /// The means of 2x2 cells of [`Conv2d::forward`], which is never stored.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward_pooled(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = (self.weight.value(mode)?, self.weight.bias.as_ref());
        x.conv2d_avg_pool2(&weight, bias, self.config)
    }
}

/// A transposed ("fractionally strided") 2-D convolution with bias: the adjoint of a [`Conv2d`] from its outputs to its
/// inputs.
#[derive(Clone, Debug)]
pub struct ConvTranspose2d {
    weight: Weight,
    config: Conv2dConfig,
}

impl ConvTranspose2d {
    /// `weight` is `[in, out, kernel, kernel]`, torch's order; its bias is drawn with torch's fan of `out * kernel^2`.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, shape: Conv2dShape, options: &LayerOptions) -> Result<Self> {
        let Conv2dShape { inputs, outputs, kernel, .. } = shape;
        let fan_in = outputs * kernel * kernel;
        let dims = [inputs, outputs, kernel, kernel];
        let weight = Weight::new(builder, &dims, (outputs, fan_in), options, builder.compute())?;
        Ok(Self { weight, config: shape.config() })
    }

    /// `[n, in, h, w]` to `[n, out, stride (h - 1) - 2 padding + kernel, ..]`.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn forward(&self, x: &Var, mode: Mode) -> Result<Var> {
        let (weight, bias) = self.weight.for_input(x, mode)?;
        x.conv_transpose2d(&weight, bias, self.config)
    }
}
