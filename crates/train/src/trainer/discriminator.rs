//! D's step, and its lazy regulariser.

use frugan_augment::ada::Source;
use frugan_autograd::{GraphMode, Ints, Var, grad_of_scalar, no_grad};
use frugan_data::images_to_float;
use frugan_losses::Apa;
use frugan_nn::{Mode, Purpose, Stream};

use super::latents::{APA_PASS, D_PASS};
use super::news::Told;
use super::{Network, Trainer};
use crate::error::Result;
use crate::objective::DBatch;

impl Trainer {
    /// `num_d_steps` steps, each on fresh fakes and reals; R1 on the reals of a step where it is lazy and due.
    pub(super) fn discriminator_phases(&mut self) -> Result<()> {
        let lazy = self.config.optim.lazy;
        for k in 0..self.config.optim.num_d_steps as u64 {
            let d_step = self.itr * self.config.optim.num_d_steps as u64 + k;
            let reals = self.reals(d_step)?;
            self.discriminator_step(d_step, &reals, lazy.is_none())?;
            if let Some(lazy) = lazy
                && self.is_due(lazy.d_interval)
            {
                self.r1_step(d_step, &reals, lazy.d_interval)?;
            }
            self.observe_held_out(d_step)?;
        }
        Ok(())
    }

    fn discriminator_step(&mut self, d_step: u64, reals: &(Var, Ints), with_r1: bool) -> Result<()> {
        let n = self.config.optim.batch;
        let fakes = no_grad(|| self.fakes_and_moved(n, &D_PASS, d_step, |zcr| zcr.d_weight))?;
        let draws = self.objective.d_draws(n, self.image_shape(), self.config.seed, d_step, self.kimg_seen());
        let (real, real_labels) = self.shown_as_real(reals, d_step)?;
        let batch = DBatch {
            fake: &fakes.images,
            fake_labels: &fakes.labels,
            moved_fake: fakes.moved.as_ref(),
            real: &real,
            real_labels: &real_labels,
        };
        let losses = self.objective.discriminator(self.discriminator.as_ref(), &batch, &draws, self.itr, with_r1)?;

        let weights = self.discriminator.params().weights();
        let mut gradients = grad_of_scalar(&losses.total, &weights, GraphMode::Free)?;
        let penalties = losses.penalties.iter().map(|(name, penalty)| (format!("loss/{name}"), penalty));
        let parts = [("loss/d", &losses.total), ("loss/d_real", &losses.real), ("loss/d_fake", &losses.fake)];
        let told = Told {
            network: Network::D,
            loss: &losses.total,
            parts: &parts.into_iter().map(|(name, loss)| (name.to_owned(), loss)).chain(penalties).collect::<Vec<_>>(),
            logits: &[(Source::Real, &losses.real_logits), (Source::Fake, &losses.fake_logits)],
        };
        self.tell(&told, &mut gradients)?;
        self.last = Some((fakes.images, reals.0.clone()));
        self.apply(Network::D, gradients)
    }

    /// The reals, some of which give way to fakes of a pass of their own (APA).
    fn shown_as_real(&self, reals: &(Var, Ints), d_step: u64) -> Result<(Var, Ints)> {
        let n = self.config.optim.batch;
        let Some(deceived) = self.objective.deceived(n, self.config.seed, d_step) else { return Ok(reals.clone()) };
        let (fake, labels) = no_grad(|| self.fakes(n, &APA_PASS, d_step))?;
        let deceived: Vec<bool> = self.ranks.rows(n).into_iter().map(|row| deceived[row]).collect();
        Ok(Apa::mix((&reals.0, &reals.1), (&fake, &labels), &deceived)?)
    }

    /// The phase "Dreg" of StyleGAN2: R1 alone, as many times stronger as it is rarer.
    fn r1_step(&mut self, d_step: u64, (real, labels): &(Var, Ints), interval: u64) -> Result<()> {
        let draws = self.objective.r1_draws(self.config.optim.batch, self.image_shape(), self.config.seed, d_step);
        let d = self.discriminator.as_ref();
        let Some((penalty, logits)) = self.objective.r1(d, (real, labels), &draws)? else { return Ok(()) };
        let logits = self.ranks.gather(&logits.detach())?;
        let loss = penalty.scale(interval as f64)?;
        let mut gradients = grad_of_scalar(&loss, &self.discriminator.params().weights(), GraphMode::Free)?;
        let told = Told {
            network: Network::D,
            loss: &loss,
            parts: &[("loss/r1".to_owned(), &penalty)],
            logits: &[(Source::Real, &logits)],
        };
        self.tell(&told, &mut gradients)?;
        self.apply(Network::D, gradients)
    }

    /// For the controller r_v: D's outputs on as many held-out images, through T.
    fn observe_held_out(&mut self, d_step: u64) -> Result<()> {
        const AUGMENT: Purpose = Purpose::new("held_out.augment");
        let Some(held_out) = &self.held_out else { return Ok(()) };
        let (n, len) = (self.config.optim.batch, held_out.len());
        let start = (d_step as usize).wrapping_mul(n) % len;
        let rows = self.ranks.rows(n);
        let places: Vec<usize> = rows.iter().map(|row| (start + row) % len).collect();
        let pixels: Vec<f32> = places.iter().flat_map(|place| images_to_float(held_out.image(*place))).collect();
        let labels = places.iter().map(|place| held_out.labels[*place] as i32).collect();
        let (images, labels) = self.images(pixels, labels)?;
        let draws = self.objective.augmentation.draw(
            n,
            self.image_shape(),
            &mut Stream::new(self.config.seed, AUGMENT, d_step),
        );
        let draws = draws.select(&rows);
        let logits = no_grad(|| {
            let seen = self.objective.as_d_sees_reals(&images, &draws)?;
            // Running mode: held-out images leave no trace in D's buffers.
            let logits = self.discriminator.logits(&seen, &labels, Mode::Running)?;
            Ok::<_, crate::Error>(self.ranks.gather(&logits)?)
        })?;
        self.tell_held_out(&logits)
    }
}
