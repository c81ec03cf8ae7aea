//! Fakes of a training pass, and the draws they are made of.

use frugan_autograd::{Device, Ints, Result as TensorResult, Tensor, Var};
use frugan_losses::ZcrConfig;
use frugan_models::{Generator, Noise, StyleGenerator, StyleMix};
use frugan_nn::{Mode, Purpose, Stream};

use super::Trainer;
use crate::error::Result;

/// The purposes of the draws of one kind of pass through G.
pub(super) struct Pass {
    latent: Purpose,
    labels: Purpose,
    mixing: Purpose,
    noise: Purpose,
    /// What moves z (zCR).
    moved: Purpose,
}

/// G's pass inside D's step.
pub(super) const D_PASS: Pass = Pass {
    latent: Purpose::new("d.latent"),
    labels: Purpose::new("d.labels"),
    mixing: Purpose::new("d.mixing"),
    noise: Purpose::new("d.noise"),
    moved: Purpose::new("d.moved"),
};
/// G's own step.
pub(super) const G_PASS: Pass = Pass {
    latent: Purpose::new("g.latent"),
    labels: Purpose::new("g.labels"),
    mixing: Purpose::new("g.mixing"),
    noise: Purpose::new("g.noise"),
    moved: Purpose::new("g.moved"),
};
/// Path length regularisation.
pub(super) const PATH_LENGTH_PASS: Pass = Pass {
    latent: Purpose::new("pl.latent"),
    labels: Purpose::new("pl.labels"),
    mixing: Purpose::new("pl.mixing"),
    noise: Purpose::new("pl.noise"),
    moved: Purpose::new("pl.moved"),
};
/// The fakes that D is shown as reals (APA).
pub(super) const APA_PASS: Pass = Pass {
    latent: Purpose::new("apa.latent"),
    labels: Purpose::new("apa.labels"),
    mixing: Purpose::new("apa.mixing"),
    noise: Purpose::new("apa.noise"),
    moved: Purpose::new("apa.moved"),
};

/// Fakes of a pass.
pub(super) struct Fakes {
    /// `[n, channels, height, width]`.
    pub(super) images: Var,
    pub(super) labels: Ints,
    /// As `images`, with moved latents and all other draws the same, where the method has zCR.
    pub(super) moved: Option<Var>,
}

impl Trainer {
    /// This rank's part of `n` fakes and their labels, with fresh draws: z, the label, and for StyleGAN2 the styles' mixing and
    /// the noise.
    pub(super) fn fakes(&self, n: usize, pass: &Pass, step: u64) -> Result<(Var, Ints)> {
        let (z, labels) = self.latents(n, pass, step)?;
        Ok((self.images_of(&z, &labels, pass, step, true)?, labels))
    }

    /// [`Trainer::fakes`], with the moved ones where zCR's weight in this step is not 0.
    pub(super) fn fakes_and_moved(
        &self,
        n: usize,
        pass: &Pass,
        step: u64,
        weight: impl Fn(&ZcrConfig) -> f64,
    ) -> Result<Fakes> {
        let (z, labels) = self.latents(n, pass, step)?;
        let images = self.images_of(&z, &labels, pass, step, true)?;
        let moved = match self.config.loss.zcr.filter(|zcr| weight(zcr) > 0.0) {
            Some(zcr) => {
                let dims = [n, z.dims()[1]];
                let noise = Stream::new(self.config.seed, pass.moved, step).normals(n * dims[1]);
                let noise = Var::constant(Tensor::from_vec(noise, &dims, &candle_core::Device::Cpu)?);
                let z = zcr.moved(&z, &self.ranks.own(&noise)?.to_dtype(self.dtype)?.to_device(&self.device)?)?;
                Some(self.images_of(&z, &labels, pass, step, false)?)
            }
            None => None,
        };
        Ok(Fakes { images, labels, moved })
    }

    fn images_of(&self, z: &Var, labels: &Ints, pass: &Pass, step: u64, update_w_avg: bool) -> Result<Var> {
        let Some(style) = self.generator.as_style() else {
            return Ok(self.generator.generate(z, labels, Mode::Train)?);
        };
        let (ws, noise) = self.styles(style, (z, labels), pass, step, update_w_avg)?;
        Ok(style.synthesize(&ws, Noise::Given(&noise))?)
    }

    /// Mixed styles of this rank's latents, and the noise of as many images.
    pub(super) fn styles(
        &self,
        style: &dyn StyleGenerator,
        (z, labels): (&Var, &Ints),
        pass: &Pass,
        step: u64,
        update_w_avg: bool,
    ) -> Result<(Var, Vec<Var>)> {
        let (n, seed) = (z.dims()[0] * self.ranks.size(), self.config.seed);
        let mix = style.draw_mixing(n, &mut Stream::new(seed, pass.mixing, step))?;
        let mix = mix.map(|mix| self.own_mixing(mix)).transpose()?;
        let ws = style.map_mixed(z, labels, mix.as_ref(), update_w_avg)?;
        let noise = style.draw_noise(n, &mut Stream::new(seed, pass.noise, step))?;
        let own = |noise: &Var| self.ranks.own(noise)?.to_device(&self.device);
        let noise = noise.iter().map(own).collect::<TensorResult<_>>()?;
        Ok((ws, noise))
    }

    fn own_mixing(&self, mix: StyleMix) -> TensorResult<StyleMix> {
        let cutoffs = match mix.cutoffs.len() {
            1 => mix.cutoffs,
            n => self.ranks.rows(n).into_iter().map(|row| mix.cutoffs[row]).collect(),
        };
        Ok(StyleMix { z: self.ranks.own(&mix.z)?, cutoffs })
    }

    /// This rank's part of `n` latents z ~ N(0, 1), and of labels: uniform over the classes, or those of random training
    /// images.
    pub(super) fn latents(&self, n: usize, pass: &Pass, step: u64) -> Result<(Var, Ints)> {
        let seed = self.config.seed;
        let (z, uniform) = latents(self.generator.as_ref(), n, [pass.latent, pass.labels], seed, step, &self.device)?;
        let labels = match &self.fake_labels {
            Some(of_data) => labels_of_data(of_data, n, [seed, step], pass.labels),
            None => uniform,
        };
        Ok((self.ranks.own(&z)?.to_dtype(self.dtype)?, self.ranks.own_ints(&labels)?.to_device(&self.device)?))
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
