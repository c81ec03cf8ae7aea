//! Fakes of a training pass, and the draws they are made of.

use frugan_autograd::{Device, Ints, Result as TensorResult, Var};
use frugan_models::{Generator, Noise, StyleGenerator};
use frugan_nn::{Mode, Purpose, Stream};

use super::Trainer;
use crate::error::Result;

/// The purposes of the draws of one kind of pass through G.
pub(super) struct Pass {
    latent: Purpose,
    labels: Purpose,
    mixing: Purpose,
    noise: Purpose,
}

/// G's pass inside D's step.
pub(super) const D_PASS: Pass = Pass {
    latent: Purpose::new("d.latent"),
    labels: Purpose::new("d.labels"),
    mixing: Purpose::new("d.mixing"),
    noise: Purpose::new("d.noise"),
};
/// G's own step.
pub(super) const G_PASS: Pass = Pass {
    latent: Purpose::new("g.latent"),
    labels: Purpose::new("g.labels"),
    mixing: Purpose::new("g.mixing"),
    noise: Purpose::new("g.noise"),
};
/// Path length regularisation.
pub(super) const PATH_LENGTH_PASS: Pass = Pass {
    latent: Purpose::new("pl.latent"),
    labels: Purpose::new("pl.labels"),
    mixing: Purpose::new("pl.mixing"),
    noise: Purpose::new("pl.noise"),
};

impl Trainer {
    /// `n` fakes and their labels, with fresh draws: z, the label, and for StyleGAN2 the styles' mixing and the noise.
    pub(super) fn fakes(&self, n: usize, pass: &Pass, step: u64) -> Result<(Var, Ints)> {
        let (z, labels) = self.latents(n, pass, step)?;
        let Some(style) = self.generator.as_style() else {
            return Ok((self.generator.generate(&z, &labels, Mode::Train)?, labels));
        };
        let (ws, noise) = self.styles(style, &z, &labels, pass, step)?;
        Ok((style.synthesize(&ws, Noise::Given(&noise))?, labels))
    }

    /// Mixed styles of latents, and the noise of as many images.
    pub(super) fn styles(
        &self,
        style: &dyn StyleGenerator,
        z: &Var,
        labels: &Ints,
        pass: &Pass,
        step: u64,
    ) -> Result<(Var, Vec<Var>)> {
        let (n, seed) = (z.dims()[0], self.config.seed);
        let mix = style.draw_mixing(n, &mut Stream::new(seed, pass.mixing, step))?;
        let ws = style.map_mixed(z, labels, mix.as_ref(), true)?;
        let noise = style.draw_noise(n, &mut Stream::new(seed, pass.noise, step))?;
        let noise = noise.iter().map(|noise| noise.to_device(&self.device)).collect::<TensorResult<_>>()?;
        Ok((ws, noise))
    }

    /// Latents z ~ N(0, 1), and labels: uniform over the classes, or those of random training images.
    pub(super) fn latents(&self, n: usize, pass: &Pass, step: u64) -> Result<(Var, Ints)> {
        let seed = self.config.seed;
        let (z, uniform) = latents(self.generator.as_ref(), n, [pass.latent, pass.labels], seed, step, &self.device)?;
        let Some(of_data) = &self.fake_labels else { return Ok((z, uniform)) };
        Ok((z, labels_of_data(of_data, n, [seed, step], pass.labels).to_device(&self.device)?))
    }
}

/// The labels of `n` random images of a data set.
pub(crate) fn labels_of_data(of_data: &[i32], n: usize, [seed, step]: [u64; 2], purpose: Purpose) -> Ints {
    let places = Stream::new(seed, purpose, step).integers(n, of_data.len() as u32);
    places.into_iter().map(|place| of_data[place as usize]).collect()
}

/// `n` latents z ~ N(0, 1) and labels, uniform over the classes (not the subset's histogram: DiffAugment's code).
pub(crate) fn latents(
    generator: &dyn Generator,
    n: usize,
    [latent, labels]: [Purpose; 2],
    seed: u64,
    step: u64,
    device: &Device,
) -> Result<(Var, Ints)> {
    let z = Stream::new(seed, latent, step).normals_on(&[n, generator.latent_dim()], device)?;
    let classes = generator.num_classes().max(1) as u32;
    let labels = Stream::new(seed, labels, step).integers(n, classes).into_iter().map(|y| y as i32).collect::<Vec<_>>();
    Ok((z, Ints::from(labels).to_device(device)?))
}
