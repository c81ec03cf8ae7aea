//! What D and G minimise: the adversarial loss, where T acts, and the regularisers.

mod draws;
mod generator;
mod judged;

use frugan_augment::{CrAugment, Policy};
use frugan_autograd::{Device, Ints, Ranks, Var, concat};
use frugan_losses::{
    AcganConfig, Adversarial, Apa, BcrConfig, FeatureMatchingConfig, GradientPenaltyConfig, InstanceNoiseConfig, Lecam,
    Pairing, PathLength, R1Config, R1Images, ZcrConfig, consistency, flip_labels, r1_penalty,
};
use frugan_models::Discriminator;
use frugan_nn::Mode;

use crate::augmentation::{AugmentDraws, Augmentation};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::setup::Setup;
use draws::like;
use judged::Judged;

pub use draws::{DDraws, GDraws, NoiseDraws, PenaltyDraws};
pub use generator::{GBatch, GLosses};

/// The losses of a method, as functions of images. Draws are arguments, so that a published step can be replayed.
pub struct Objective {
    adversarial: Adversarial,
    /// T and where it acts.
    pub augmentation: Augmentation,
    cr: Option<Consistency>,
    bcr: Option<Balanced>,
    zcr: Option<ZcrConfig>,
    r1: Option<R1Config>,
    gradient_penalty: Option<GradientPenaltyConfig>,
    feature_matching: Option<FeatureMatchingConfig>,
    instance_noise: Option<InstanceNoiseConfig>,
    label_flip: Option<f64>,
    acgan: Option<AcganConfig>,
    path_length_weight: f64,
    /// LeCam's running means, which are state.
    pub lecam: Lecam,
    /// Path length's running mean, which is state.
    pub path_length: PathLength,
    /// APA's controller, which is state; `None` without APA.
    pub apa: Option<Apa>,
    /// Who shares the batch.
    pub(crate) ranks: Ranks,
}

/// Consistency regularisation of D.
struct Consistency {
    pairing: Pairing,
    augment: CrAugment,
    weight: f64,
}

/// Balanced consistency regularisation of D.
struct Balanced {
    augment: CrAugment,
    config: BcrConfig,
}

/// The images and labels of one D step, `[N, C, H, W]` in [-1, 1].
pub struct DBatch<'a> {
    /// From G, without gradient.
    pub fake: &'a Var,
    /// Their labels.
    pub fake_labels: &'a Ints,
    /// From G with moved latents, without gradient, for zCR.
    pub moved_fake: Option<&'a Var>,
    /// From the data.
    pub real: &'a Var,
    /// Their labels.
    pub real_labels: &'a Ints,
}

/// The loss of one D step and its parts.
pub struct DLosses {
    /// What D minimises.
    pub total: Var,
    /// The part on reals.
    pub real: Var,
    /// The part on fakes.
    pub fake: Var,
    /// What is added, weighted, by name, where it acts: `cr`, `lecam`, `r1`, `bcr`, `zcr_d`, `acgan_d`, `gradient_penalty`.
    pub penalties: Vec<(&'static str, Var)>,
    /// D's outputs on what it was shown as reals, `[N, 1]`.
    pub real_logits: Var,
    /// D's outputs on fakes, `[N, 1]`.
    pub fake_logits: Var,
}

impl DLosses {
    /// The penalty of this name, where it acts.
    pub fn penalty(&self, name: &str) -> Option<&Var> {
        self.penalties.iter().find(|(known, _)| *known == name).map(|(_, penalty)| penalty)
    }
}

impl Objective {
    /// From a checked configuration.
    ///
    /// # Errors
    /// If the augmentation or a pairing is not possible.
    pub fn new(config: &Config, device: &Device) -> Result<Self> {
        Self::in_setup(config, &Setup::on(*device))
    }

    /// [`Objective::new`] in other numbers or shared by ranks. Images are then this rank's, and logits and lengths are gathered
    /// from all of them, for running means and relativistic losses read the whole batch. A loss may still differ between
    /// ranks, by penalties on this rank's images: the batch's is the mean.
    ///
    /// # Errors
    /// As [`Objective::new`].
    pub fn in_setup(config: &Config, setup: &Setup) -> Result<Self> {
        let input = |e: String| Error::Config(e);
        let loss = &config.loss;
        let augmentation = Augmentation::new(&config.augment)?;
        let t_on_real = config.augment.on.d_real && !augmentation.is_identity();
        let parse = |augment: &str| CrAugment::parse(augment).map_err(|e| input(e.to_string()));
        let cr = match loss.cr.pairing(t_on_real).map_err(|e| input(e.to_string()))? {
            Some(pairing) => Some(Consistency { pairing, augment: parse(&loss.cr.augment)?, weight: loss.cr.weight }),
            None => None,
        };
        let bcr = match &loss.bcr {
            Some(bcr) => Some(Balanced { augment: parse(&bcr.augment)?, config: bcr.clone() }),
            None => None,
        };
        let path_length = loss.path_length.unwrap_or_default();
        Ok(Self {
            adversarial: loss.adversarial(),
            augmentation,
            cr,
            bcr,
            zcr: loss.zcr,
            r1: loss.r1,
            gradient_penalty: loss.gradient_penalty,
            feature_matching: loss.feature_matching,
            instance_noise: loss.instance_noise,
            label_flip: loss.label_flip.filter(|share| *share > 0.0),
            acgan: loss.acgan,
            path_length_weight: path_length.weight,
            lecam: Lecam::new(loss.lecam, setup.dtype, &setup.device)?,
            path_length: PathLength::new(path_length.decay, setup.dtype, &setup.device)?,
            apa: loss.apa.map(Apa::new),
            ranks: setup.ranks.clone(),
        })
    }

    /// DiffAugment's part of T.
    pub fn policy(&self) -> &Policy {
        self.augmentation.policy()
    }

    /// Eq. 2 of DiffAugment (section 3.2), with T only where `on` says (table 1), and the regularisers added; R1 too, where
    /// `with_r1` says that it is not lazy. What D is shown follows T; instance noise comes last.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn discriminator(
        &mut self,
        d: &dyn Discriminator,
        batch: &DBatch,
        draws: &DDraws,
        itr: u64,
        with_r1: bool,
    ) -> Result<DLosses> {
        let n = batch.real.dims()[0];
        let on = self.augmentation.on();
        let of_fakes = draws.augment.narrow(0, n);
        let fake = self.augment_if(on.d_fake, batch.fake, &of_fakes)?;
        let (raw, real) = self.reals_of_r1(batch.real, &draws.augment.narrow(n, n), with_r1)?;
        let mut images = vec![(fake.clone(), batch.fake_labels), (real.clone(), batch.real_labels)];
        let mut further = |image: Var, labels| {
            images.push((image, labels));
            images.len() - 1
        };
        let paired = self.paired(batch.real, &real, draws)?.map(|paired| further(paired, batch.real_labels));
        let balanced = match (&self.bcr, &draws.bcr) {
            (Some(bcr), Some(draws)) => {
                let both = bcr.augment.apply(&concat(&[&fake, &real], 0)?, draws)?;
                let fake = further(both.narrow(0, 0, n)?, batch.fake_labels);
                Some((fake, further(both.narrow(0, n, n)?, batch.real_labels)))
            }
            _ => None,
        };
        // The same draws of T, so that a pair differs in z alone.
        let moved = batch.moved_fake.map(|moved| self.augment_if(on.d_fake, moved, &of_fakes)).transpose()?;
        let moved = moved.map(|moved| further(moved, batch.fake_labels));

        let judged = Judged::of(d, &self.with_noise(images, draws.noise.as_ref())?, &self.ranks)?;
        let (fake_logits, real_logits) = (judged.logits(0)?, judged.logits(1)?);
        let parts = if draws.flips.contains(&true) {
            let (as_real, as_fake) = flip_labels(&real_logits, &fake_logits, &draws.flips)?;
            self.adversarial.discriminator(&as_real, &as_fake)?
        } else {
            self.adversarial.discriminator(&real_logits, &fake_logits)?
        };
        let mut penalties = Vec::new();
        if let (Some(cr), Some(paired)) = (&self.cr, paired) {
            penalties.push(("cr", consistency(&real_logits, &judged.logits(paired)?)?.scale(cr.weight)?));
        }
        penalties.extend(self.lecam.step(&real_logits, &fake_logits, itr)?.map(|penalty| ("lecam", penalty)));
        if let (Some(r1), true) = (&self.r1, with_r1) {
            let penalty = r1_penalty(&judged.own_logits(1)?, r1.differentiated(&raw, &real))?;
            penalties.push(("r1", penalty.mean()?.scale(0.5 * r1.gamma)?));
        }
        if let (Some(bcr), Some((of_fake, of_real))) = (&self.bcr, balanced) {
            let (of_fake, of_real) = (judged.logits(of_fake)?, judged.logits(of_real)?);
            let penalty = bcr.config.penalty((&real_logits, &of_real), (&fake_logits, &of_fake))?;
            penalties.push(("bcr", penalty));
        }
        if let (Some(zcr), Some(moved)) = (&self.zcr, moved) {
            penalties.push(("zcr_d", zcr.discriminator(&fake_logits, &judged.logits(moved)?)?));
        }
        if let (Some(acgan), Some(of_real), Some(of_fake)) =
            (&self.acgan, judged.class_logits(1)?, judged.class_logits(0)?)
        {
            let (real, fake) = ((&of_real, batch.real_labels), (&of_fake, batch.fake_labels));
            penalties.push(("acgan_d", acgan.discriminator(real, fake)?));
        }
        let penalty = self.gradient_penalty(d, (&real, batch.real_labels), &fake, draws.penalty.as_ref())?;
        penalties.extend(penalty.map(|penalty| ("gradient_penalty", penalty)));
        let mut total = parts.total;
        for (_, penalty) in &penalties {
            total = total.add(penalty)?;
        }
        if let Some(apa) = &mut self.apa {
            apa.step(&real_logits)?;
        }
        Ok(DLosses { total, real: parts.real, fake: parts.fake, penalties, real_logits, fake_logits })
    }

    /// R1 on reals (Mescheder et al. 2018, eq. 9; through T as in StyleGAN2-ADA's code): gamma / 2 times its mean, and D's
    /// logits. `None` without R1.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn r1(
        &self,
        d: &dyn Discriminator,
        (real, labels): (&Var, &Ints),
        draws: &AugmentDraws,
    ) -> Result<Option<(Var, Var)>> {
        let Some(r1) = &self.r1 else { return Ok(None) };
        let (raw, real) = self.reals_of_r1(real, draws, true)?;
        let logits = d.logits(&real, labels, Mode::Train)?;
        let penalty = r1_penalty(&logits, r1.differentiated(&raw, &real))?.mean()?.scale(0.5 * r1.gamma)?;
        Ok(Some((penalty, logits)))
    }

    /// T on images as D's real step sees them, for the monitors: the paper's `D_acc` keeps T on.
    pub(crate) fn as_d_sees_reals(&self, images: &Var, draws: &AugmentDraws) -> Result<Var> {
        self.augment_if(self.augmentation.on().d_real, images, draws)
    }

    fn augment_if(&self, on: bool, images: &Var, draws: &AugmentDraws) -> Result<Var> {
        if on { self.augmentation.apply(images, draws) } else { Ok(images.clone()) }
    }

    /// Instance noise on every batch, in their order.
    fn with_noise<'a>(
        &self,
        mut images: Vec<(Var, &'a Ints)>,
        draws: Option<&NoiseDraws>,
    ) -> Result<Vec<(Var, &'a Ints)>> {
        if let (Some(config), Some(draws)) = (&self.instance_noise, draws) {
            let mut draws = draws.clone();
            for (image, _) in &mut images {
                *image = config.add(image, draws.kimg, || draws.next(image, &self.ranks))?;
            }
        }
        Ok(images)
    }

    /// WGAN-GP's or DRAGAN's penalty on images as D sees them, ahead of instance noise.
    fn gradient_penalty(
        &self,
        d: &dyn Discriminator,
        (real, labels): (&Var, &Ints),
        fake: &Var,
        draws: Option<&PenaltyDraws>,
    ) -> Result<Option<Var>> {
        let (Some(config), Some(draws)) = (&self.gradient_penalty, draws) else { return Ok(None) };
        let mix = like(draws.mix.clone(), &[draws.mix.len()], real)?;
        let noise = draws.noise.as_ref().map(|noise| like(noise.clone(), real.dims(), real)).transpose()?;
        let points = config.points(real, fake, &mix, noise.as_ref())?;
        Ok(Some(config.penalty(|points| d.logits(points, labels, Mode::Train), &points)?))
    }

    /// The reals ahead of T and behind it; the one that R1 differentiates by is a leaf.
    fn reals_of_r1(&self, real: &Var, draws: &AugmentDraws, with_r1: bool) -> Result<(Var, Var)> {
        let by = self.r1.filter(|_| with_r1).map(|r1| r1.images);
        let raw = if by == Some(R1Images::Raw) { real.as_leaf() } else { real.clone() };
        let augmented = self.augment_if(self.augmentation.on().d_real, &raw, draws)?;
        let augmented = if by == Some(R1Images::Augmented) { augmented.as_leaf() } else { augmented };
        Ok((raw, augmented))
    }

    fn paired(&self, real: &Var, t_of_real: &Var, draws: &DDraws) -> Result<Option<Var>> {
        let Some(cr) = &self.cr else { return Ok(None) };
        let a = |x: &Var| match &draws.cr {
            Some(draws) => cr.augment.apply(x, draws),
            None => Ok(x.clone()),
        };
        Ok(Some(cr.pairing.paired(real, t_of_real, a)?))
    }
}
