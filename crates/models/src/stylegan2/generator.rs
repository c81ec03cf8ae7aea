//! StyleGAN2's generator.

use frugan_autograd::{Ints, Result, Var};
use frugan_nn::{Mode, Params, Purpose, Stream};

use super::config::{IMAGE_CHANNELS, StyleGan2Config};
use super::mapping::{MappingNetwork, MappingOptions, Truncation};
use super::mixing::StyleMix;
use super::noise::{self, Noise};
use super::synthesis::SynthesisNetwork;
use crate::config::Blueprint;
use crate::error::ModelError;
use crate::traits::{Generator, StyleGenerator, check_inputs};

const INIT: Purpose = Purpose::new("init.generator");

/// z and a class to styles by a mapping network, styles and noise to an image by a synthesis network (Karras et al.
/// 2020, "Analyzing and Improving the Image Quality of StyleGAN").
///
/// As a [`Generator`] it uses the whole style (psi 1) and random noise in every mode, drawn from each sample's own z;
/// [`Mode::Train`] moves the average of w. As a [`StyleGenerator`] it takes noise and mixing as arguments.
pub struct StyleGan2Generator {
    params: Params,
    mapping: MappingNetwork,
    synthesis: SynthesisNetwork,
    config: StyleGan2Config,
    num_classes: usize,
    resolution: usize,
}

impl StyleGan2Generator {
    /// The generator of a blueprint, with first weights drawn from its seed.
    ///
    /// # Errors
    /// [`ModelError`] names the setting that no generator can be built from.
    pub fn new(config: &StyleGan2Config, blueprint: &Blueprint) -> std::result::Result<Self, ModelError> {
        let &Blueprint { num_classes, resolution, .. } = blueprint;
        config.check(num_classes, resolution)?;
        let builder = blueprint.builder(INIT);
        let mapping = MappingOptions {
            latent_dim: config.latent_dim,
            label_dim: config.label_dim(num_classes),
            w_dim: config.w_dim,
            num_layers: config.mapping_layers,
            lr_multiplier: config.mapping_lr_multiplier,
            label_embedding: config.label_embedding,
            w_avg_beta: Some(config.w_avg_beta),
        };
        Ok(Self {
            mapping: MappingNetwork::new(&builder.at("mapping"), mapping)?,
            synthesis: SynthesisNetwork::new(&builder.at("synthesis"), config, resolution)?,
            config: config.clone(),
            num_classes,
            resolution,
            params: builder.finish(),
        })
    }

    /// One w a sample, `[n, w_dim]`.
    fn w(&self, z: &Var, labels: &Ints) -> Result<Var> {
        check_inputs("generator", z, &[self.config.latent_dim], labels)?;
        self.mapping.forward(Some(z), Some(labels))
    }

    /// The same w for every layer.
    fn repeated(&self, w: &Var) -> Result<Var> {
        let (n, w_dim) = (w.dims()[0], w.dims()[1]);
        w.reshape(&[n, 1, w_dim])?.broadcast_to(&[n, self.num_ws(), w_dim])
    }

    /// Draws in the network's number type, on its device.
    fn placed(&self, draw: &Var) -> Result<Var> {
        let like = self.like();
        draw.to_dtype(like.dtype())?.to_device(&like.device())
    }

    fn like(&self) -> &Var {
        self.params.iter().next().expect("a network has weights").2
    }
}

impl Generator for StyleGan2Generator {
    fn generate(&self, z: &Var, labels: &Ints, mode: Mode) -> Result<Var> {
        let ws = self.map(z, labels, mode == Mode::Train)?;
        let draws = noise::of_latents(self.synthesis.noise_sides(), z)?;
        let draws = draws.iter().map(|draw| self.placed(draw)).collect::<Result<Vec<_>>>()?;
        self.synthesize(&ws, Noise::Given(&draws))
    }

    /// What styles are made by, which scales each channel, and the layers' biases, which shift it.
    fn is_scale_or_shift(&self, weight: &str) -> bool {
        weight.starts_with("synthesis.") && (weight.contains(".affine.") || weight.ends_with(".bias"))
    }

    fn params(&self) -> &Params {
        &self.params
    }

    fn latent_dim(&self) -> usize {
        self.config.latent_dim
    }

    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn image_shape(&self) -> [usize; 3] {
        [IMAGE_CHANNELS, self.resolution, self.resolution]
    }

    fn as_style(&self) -> Option<&dyn StyleGenerator> {
        Some(self)
    }
}

impl StyleGenerator for StyleGan2Generator {
    fn num_ws(&self) -> usize {
        self.synthesis.num_ws()
    }

    fn w_dim(&self) -> usize {
        self.config.w_dim
    }

    fn map(&self, z: &Var, labels: &Ints, update_w_avg: bool) -> Result<Var> {
        let w = self.w(z, labels)?;
        if update_w_avg {
            self.mapping.update_average(&w)?;
        }
        self.repeated(&w)
    }

    fn map_mixed(&self, z: &Var, labels: &Ints, mix: Option<&StyleMix>, update_w_avg: bool) -> Result<Var> {
        let ws = self.map(z, labels, update_w_avg)?;
        match mix.filter(|mix| z.device().runs_graphs() || mix.mixes(self.num_ws())) {
            None => Ok(ws),
            Some(mix) => mix.mix(&ws, &self.repeated(&self.w(&mix.z, labels)?)?),
        }
    }

    fn truncate(&self, ws: &Var, truncation: Truncation) -> Result<Var> {
        self.mapping.truncate(ws, truncation)
    }

    fn synthesize(&self, ws: &Var, noise: Noise<'_>) -> Result<Var> {
        self.synthesis.forward(ws, noise)
    }

    fn draw_mixing(&self, n: usize, stream: &mut Stream) -> Result<Option<StyleMix>> {
        let Some(mix) = StyleMix::draw(&self.config, n, self.num_ws(), stream)? else { return Ok(None) };
        Ok(Some(StyleMix { z: self.placed(&mix.z)?, ..mix }))
    }

    fn draw_noise(&self, n: usize, stream: &mut Stream) -> Result<Vec<Var>> {
        let draws = noise::draw(self.synthesis.noise_sides(), n, stream, &self.like().device())?;
        draws.iter().map(|draw| self.placed(draw)).collect()
    }
}
