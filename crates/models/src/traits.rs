//! What training and evaluation know of a network.

use frugan_autograd::{Ints, Result, Var, no_grad};
use frugan_nn::{Mode, Params, Stream};

use crate::stylegan2::{Noise, StyleMix, Truncation};

/// Makes images of z and labels.
pub trait Generator: Send + Sync {
    /// Images `[n, channels, height, width]` of latents `[n, latent_dim]` and `n` labels below `num_classes`. Values lie in
    /// [-1, 1], or about there where a network ends without a tanh; noise inside a network is a function of its z.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var>;

    /// The network's weights and buffers.
    fn params(&self) -> &Params;

    /// Length of z.
    fn latent_dim(&self) -> usize;

    /// Number of classes, at least 1.
    fn num_classes(&self) -> usize;

    /// `[channels, height, width]` of an image.
    fn image_shape(&self) -> [usize; 3];

    /// Whether a weight scales or shifts whole channels and does nothing else: gains and biases of normalisation, or what
    /// styles are made by. Transfer can train these alone (Noguchi and Harada 2019, section 3).
    fn is_scale_or_shift(&self, weight: &str) -> bool;

    /// The generator in its two halves, if it is built so: StyleGAN2's is.
    fn as_style(&self) -> Option<&dyn StyleGenerator> {
        None
    }
}

/// A generator of two halves, from z to styles and from styles to an image, with its draws as arguments: what StyleGAN2's
/// training step and its path-length metrics ask for.
///
/// ```
/// use frugan_autograd::{DType, Device, Ints, Var};
/// use frugan_models::{ModelConfig, Noise, StyleGan2Config};
/// use frugan_nn::{Purpose, Stream};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = StyleGan2Config { channel_base: 256, channel_max: 8, ..Default::default() };
/// let models = ModelConfig::StyleGan2(config).build(10, 32, 0)?;
/// let generator = models.generator.as_style().ok_or("StyleGAN2 has styles")?;
/// // Draws are a function of (seed, purpose, step), as everywhere.
/// let stream = |purpose| Stream::new(0, purpose, 17);
/// let mix = generator.draw_mixing(2, &mut stream(Purpose::new("g.mixing")))?;
/// let noise = generator.draw_noise(2, &mut stream(Purpose::new("g.noise")))?;
/// let z = Var::full(0.5, &[2, generator.latent_dim()], DType::F32, &Device::Cpu)?;
/// let ws = generator.map_mixed(&z, &Ints::from(vec![3, 7]), mix.as_ref(), true)?;
/// assert_eq!(ws.dims(), [2, 8, 512]);
/// assert_eq!(generator.synthesize(&ws, Noise::Given(&noise))?.dims(), [2, 3, 32, 32]);
/// # Ok(()) }
/// ```
pub trait StyleGenerator: Generator {
    /// Style vectors of one image.
    fn num_ws(&self) -> usize;

    /// Length of a style vector w.
    fn w_dim(&self) -> usize;

    /// Styles `[n, num_ws, w_dim]` of latents and labels, the same w in every layer. `update_w_avg` moves the average of
    /// w by this batch, as every pass of training does, G's and D's alike.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn map(&self, z: &Var, labels: &Ints, update_w_avg: bool) -> Result<Var>;

    /// [`StyleGenerator::map`], mixed with the styles of a second z where `mix` says so. The second z does not move the
    /// average of w.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn map_mixed(&self, z: &Var, labels: &Ints, mix: Option<&StyleMix>, update_w_avg: bool) -> Result<Var>;

    /// Styles `[n, num_ws, w_dim]` drawn towards the average of w.
    ///
    /// # Errors
    /// If the shape does not fit.
    fn truncate(&self, ws: &Var, truncation: Truncation) -> Result<Var>;

    /// Images `[n, channels, height, width]` of styles `[n, num_ws, w_dim]`.
    ///
    /// # Errors
    /// If the styles or the noise do not fit.
    fn synthesize(&self, ws: &Var, noise: Noise<'_>) -> Result<Var>;

    /// The draws of style mixing for a batch of `n`, or `None`, drawing nothing, where the config mixes no styles.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    fn draw_mixing(&self, n: usize, stream: &mut Stream) -> Result<Option<StyleMix>>;

    /// The noise of a batch of `n` for [`Noise::Given`], taken from the stream layer by layer, from the bottom up.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    fn draw_noise(&self, n: usize, stream: &mut Stream) -> Result<Vec<Var>>;
}

/// What D says of a batch of n images.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// One logit an image, `[n, 1]`; higher is more real.
    pub logits: Var,
    /// D's last layer before its outputs, `[n, features]`: what feature matching compares.
    pub features: Var,
    /// The logits of the classes, `[n, num_classes]`, of a D that names them (AC-GAN).
    pub class_logits: Option<Var>,
}

/// Tells real from made images.
pub trait Discriminator: Send + Sync {
    /// All that D says of images `[n, channels, height, width]` in [-1, 1] with `n` labels.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn judge(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Judgement>;

    /// [`Judgement::logits`] alone.
    ///
    /// # Errors
    /// If a shape or label does not fit.
    fn logits(&self, images: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        Ok(self.judge(images, labels, mode)?.logits)
    }

    /// Prefixes of the names of D's blocks, from the image on, its head left out: transfer can freeze the first of them.
    fn blocks(&self) -> Vec<String>;

    /// Whether [`Judgement::class_logits`] are there.
    fn names_classes(&self) -> bool {
        false
    }

    /// The network's weights and buffers.
    fn params(&self) -> &Params;

    /// Whether a logit is meant to depend on the rest of its batch, as StyleGAN2's minibatch standard deviation makes it and
    /// minibatch discrimination: then reals and fakes go through in calls of their own.
    fn mixes_batch(&self) -> bool {
        false
    }
}

/// Replaces the running statistics of a generator by the mean of its batch statistics over `passes` batches, each drawn
/// by `draw(pass)` as (z, labels): "standing statistics" (Brock et al. 2019, section 4.1). [`Mode::Running`] uses them.
///
/// # Errors
/// If a shape or label does not fit.
pub fn standing_statistics(
    generator: &dyn Generator,
    passes: usize,
    mut draw: impl FnMut(usize) -> Result<(Var, Ints)>,
) -> Result<()> {
    for pass in 0..passes {
        let (z, labels) = draw(pass)?;
        no_grad(|| generator.generate(&z, &labels, Mode::Standing { pass }))?;
    }
    Ok(())
}

/// Checks the batch of a network's inputs.
pub(crate) fn check_inputs(network: &str, input: &Var, want: &[usize], labels: &Ints) -> Result<()> {
    let dims = input.dims();
    if dims.len() != want.len() + 1 || dims[1..] != *want {
        candle_core::bail!(
            "{network}: input {dims:?}, want [n, {}]",
            want.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )
    }
    if dims[0] != labels.len() {
        candle_core::bail!("{network}: a batch of {} with {} labels", dims[0], labels.len())
    }
    Ok(())
}
