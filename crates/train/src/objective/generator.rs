//! What G minimises.

use frugan_autograd::{Ints, Var};
use frugan_losses::path_lengths;
use frugan_models::{Discriminator, Noise, StyleGenerator};

use super::{GDraws, Judged, Objective};
use crate::error::Result;

/// The images and labels of one G step, `[N, C, H, W]` in [-1, 1].
#[derive(Clone, Copy)]
pub struct GBatch<'a> {
    /// From G.
    pub fake: &'a Var,
    /// Their labels.
    pub fake_labels: &'a Ints,
    /// From G with moved latents, for zCR.
    pub moved_fake: Option<&'a Var>,
    /// From the data with their labels, where [`Objective::generator_needs_real`].
    pub real: Option<(&'a Var, &'a Ints)>,
}

/// The loss of one G step and its parts.
pub struct GLosses {
    /// What G minimises.
    pub total: Var,
    /// The adversarial loss.
    pub adversarial: Var,
    /// What is added, weighted, by name.
    pub penalties: Vec<(&'static str, Var)>,
}

impl Objective {
    /// Eq. 3 of DiffAugment (section 3.2), with T only if `on.g_fake`, and what the method adds to G's loss. Reals are read
    /// by relativistic losses and feature matching only.
    ///
    /// # Errors
    /// If shapes do not fit, or what the method reads is not given.
    pub fn generator(&self, d: &dyn Discriminator, batch: GBatch<'_>, draws: &GDraws) -> Result<GLosses> {
        let on = self.augmentation.on();
        let mut images = vec![(self.augment_if(on.g_fake, batch.fake, &draws.augment)?, batch.fake_labels)];
        if let Some((real, labels)) = batch.real.filter(|_| self.generator_needs_real()) {
            images.push((self.augment_if(on.d_real, real, &draws.augment)?, labels));
        }
        let has_reals = images.len() > 1;
        let judged = Judged::of(d, &self.with_noise(images, draws.noise.as_ref())?, &self.ranks)?;
        let real_logits = if has_reals { Some(judged.logits(1)?) } else { None };
        let adversarial = self.adversarial.generator(&judged.logits(0)?, real_logits.as_ref())?;

        let mut penalties = Vec::new();
        let mut total = adversarial.clone();
        if let (Some(matching), true) = (&self.feature_matching, has_reals) {
            let distance = matching.generator(&judged.features(1)?, &judged.features(0)?)?;
            total = if matching.alone { distance.clone() } else { total.add(&distance)? };
            penalties.push(("feature_matching", distance));
        }
        let mut added = Vec::new();
        if let (Some(zcr), Some(moved)) = (&self.zcr, batch.moved_fake) {
            added.push(("zcr_g", zcr.generator(batch.fake, moved)?));
        }
        if let (Some(acgan), Some(logits)) = (&self.acgan, judged.class_logits(0)?) {
            added.push(("acgan_g", acgan.generator((&logits, batch.fake_labels))?));
        }
        for (_, penalty) in &added {
            total = total.add(penalty)?;
        }
        penalties.extend(added);
        Ok(GLosses { total, adversarial, penalties })
    }

    /// Whether [`Objective::generator`] wants reals.
    pub fn generator_needs_real(&self) -> bool {
        self.adversarial.generator_needs_real() || self.feature_matching.is_some()
    }

    /// Path length regularisation of G (Karras et al. 2020, section 3.2), weighted. `noise` is standard normal, of the
    /// images' shape.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn path_length(&mut self, g: &dyn StyleGenerator, ws: &Var, inputs: Noise<'_>, noise: &Var) -> Result<Var> {
        let images = g.synthesize(ws, inputs)?;
        // Of all ranks, for the mean moves by the whole batch's.
        let lengths = self.ranks.gather(&path_lengths(&images, ws, noise)?)?;
        Ok(self.path_length.penalty_of(&lengths)?.mean()?.scale(self.path_length_weight)?)
    }
}
