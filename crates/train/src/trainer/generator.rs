//! G's step, and its lazy regulariser.

use frugan_autograd::{GraphMode, Var, grad_of_scalar};
use frugan_models::Noise;
use frugan_nn::{Purpose, Stream};

use super::latents::{Fakes, G_PASS, PATH_LENGTH_PASS};
use super::news::Told;
use super::{Network, Trainer};
use crate::error::Result;
use crate::objective::GBatch;

impl Trainer {
    /// G's step; path length in it, or behind it where it is lazy and due.
    pub(super) fn generator_phases(&mut self) -> Result<()> {
        let has_path_length = self.config.loss.path_length.is_some();
        match self.config.optim.lazy {
            None => self.generator_step(has_path_length),
            Some(lazy) => {
                self.generator_step(false)?;
                if has_path_length && self.is_due(lazy.g_interval) {
                    self.path_length_step(lazy.g_interval)?;
                }
                Ok(())
            }
        }
    }

    fn generator_step(&mut self, with_path_length: bool) -> Result<()> {
        let n = self.config.optim.batch;
        let Fakes { images: fake, labels, moved } = self.fakes_and_moved(n, &G_PASS, self.itr, |zcr| zcr.g_weight)?;
        let draws = self.objective.g_draws(n, self.image_shape(), self.config.seed, self.itr, self.kimg_seen());
        // The reals of this iteration's last D step: relativistic losses and feature matching compare with them.
        let reals = match self.objective.generator_needs_real() {
            true => Some(self.reals((self.itr + 1) * self.config.optim.num_d_steps as u64 - 1)?),
            false => None,
        };
        let real = reals.as_ref().map(|(images, labels)| (images, labels));
        let batch = GBatch { fake: &fake, fake_labels: &labels, moved_fake: moved.as_ref(), real };
        let losses = self.objective.generator(self.discriminator.as_ref(), batch, &draws)?;
        let mut named = vec![("loss/g".to_owned(), losses.adversarial)];
        named.extend(losses.penalties.into_iter().map(|(name, penalty)| (format!("loss/{name}"), penalty)));
        let mut loss = losses.total;
        if with_path_length {
            let penalty = self.path_length_penalty()?;
            loss = loss.add(&penalty)?;
            named.push(("loss/path_length".into(), penalty));
        }
        self.descend(&loss, &named)
    }

    /// The phase "Greg" of StyleGAN2: path length alone, as many times stronger as it is rarer.
    fn path_length_step(&mut self, interval: u64) -> Result<()> {
        let penalty = self.path_length_penalty()?;
        self.descend(&penalty.scale(interval as f64)?, &[("loss/path_length".into(), penalty)])
    }

    /// A step of G down a loss, and a record of its parts by name.
    fn descend(&mut self, loss: &Var, named: &[(String, Var)]) -> Result<()> {
        let mut gradients = grad_of_scalar(loss, &self.generator.params().weights(), GraphMode::Free)?;
        let parts: Vec<_> = named.iter().map(|(name, part)| (name.clone(), part)).collect();
        self.tell(&Told { network: Network::G, loss, parts: &parts, logits: &[] }, &mut gradients)?;
        self.apply(Network::G, gradients)
    }

    /// On a batch of its own, `batch_shrink` times smaller.
    fn path_length_penalty(&mut self) -> Result<Var> {
        const IMAGE_NOISE: Purpose = Purpose::new("pl.image_noise");
        let shrink = self.config.loss.path_length.unwrap_or_default().batch_shrink;
        let n = (self.config.optim.batch / shrink).max(1);
        let (z, labels) = self.latents(n, &PATH_LENGTH_PASS, self.itr)?;
        let style = self.generator.as_style().expect("Trainer::new refuses path length for other generators");
        let (ws, noise) = self.styles(style, (&z, &labels), &PATH_LENGTH_PASS, self.itr, true)?;
        let [channels, height, width] = self.image_shape();
        let mut stream = Stream::new(self.config.seed, IMAGE_NOISE, self.itr);
        let image_noise = self.ranks.own(&stream.normals_on(&[n, channels, height, width], &self.device)?)?;
        let image_noise = image_noise.to_dtype(self.dtype)?;
        self.objective.path_length(style, &ws, Noise::Given(&noise), &image_noise)
    }
}
