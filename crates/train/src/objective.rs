//! What D and G minimise: the adversarial loss, where T acts, and the regularisers.

use frugan_augment::{CrAugment, CrDraws, Policy};
use frugan_autograd::{DType, Device, Ints, Var, concat};
use frugan_losses::{Adversarial, Lecam, Pairing, PathLength, R1Config, R1Images, consistency, r1_penalty};
use frugan_models::{Discriminator, Noise, StyleGenerator};
use frugan_nn::{Mode, Purpose, Stream};

use crate::augmentation::{AugmentDraws, Augmentation};
use crate::config::Config;
use crate::error::{Error, Result};

/// The losses of a method, as functions of images. Draws are arguments, so that a published step can be replayed.
pub struct Objective {
    adversarial: Adversarial,
    /// T and where it acts.
    pub augmentation: Augmentation,
    cr: Option<Consistency>,
    r1: Option<R1Config>,
    path_length_weight: f64,
    /// LeCam's running means, which are state.
    pub lecam: Lecam,
    /// Path length's running mean, which is state.
    pub path_length: PathLength,
}

/// Consistency regularisation of D.
struct Consistency {
    pairing: Pairing,
    augment: CrAugment,
    weight: f64,
}

/// The images and labels of one D step, `[N, C, H, W]` in [-1, 1].
pub struct DBatch<'a> {
    /// From G, without gradient.
    pub fake: &'a Var,
    /// Their labels.
    pub fake_labels: &'a Ints,
    /// From the data.
    pub real: &'a Var,
    /// Their labels.
    pub real_labels: &'a Ints,
}

/// The draws of one D step.
#[derive(Clone, Debug)]
pub struct DDraws {
    /// Of T, for the fakes and then the reals: 2N samples.
    pub augment: AugmentDraws,
    /// Of the augmentation of consistency regularisation, if the method has one.
    pub cr: Option<CrDraws>,
}

/// The loss of one D step and its parts.
pub struct DLosses {
    /// What D minimises.
    pub total: Var,
    /// The part on reals.
    pub real: Var,
    /// The part on fakes.
    pub fake: Var,
    /// The weighted consistency penalty.
    pub cr: Option<Var>,
    /// The weighted LeCam penalty, once it acts.
    pub lecam: Option<Var>,
    /// R1 with its weight, where it is part of every step.
    pub r1: Option<Var>,
    /// D's outputs on reals, `[N, 1]`.
    pub real_logits: Var,
    /// D's outputs on fakes, `[N, 1]`.
    pub fake_logits: Var,
}

const D_AUGMENT: Purpose = Purpose::new("d.augment");
const D_CR: Purpose = Purpose::new("d.cr");
const G_AUGMENT: Purpose = Purpose::new("g.augment");
const R1_AUGMENT: Purpose = Purpose::new("r1.augment");

impl Objective {
    /// From a checked configuration.
    ///
    /// # Errors
    /// If the augmentation or a pairing is not possible.
    pub fn new(config: &Config, device: &Device) -> Result<Self> {
        let input = |e: String| Error::Config(e);
        let augmentation = Augmentation::new(&config.augment)?;
        let t_on_real = config.augment.on.d_real && !augmentation.is_identity();
        let cr = match config.loss.cr.pairing(t_on_real).map_err(|e| input(e.to_string()))? {
            Some(pairing) => Some(Consistency {
                pairing,
                augment: CrAugment::parse(&config.loss.cr.augment).map_err(|e| input(e.to_string()))?,
                weight: config.loss.cr.weight,
            }),
            None => None,
        };
        let path_length = config.loss.path_length.unwrap_or_default();
        Ok(Self {
            adversarial: config.loss.adversarial(),
            augmentation,
            cr,
            r1: config.loss.r1,
            path_length_weight: path_length.weight,
            lecam: Lecam::new(config.loss.lecam, DType::F32, device)?,
            path_length: PathLength::new(path_length.decay, DType::F32, device)?,
        })
    }

    /// DiffAugment's part of T.
    pub fn policy(&self) -> &Policy {
        self.augmentation.policy()
    }

    /// The draws of D's step number `d_step`, for `n` fakes and `n` reals of `[channels, height, width]`.
    pub fn d_draws(&self, n: usize, shape: [usize; 3], seed: u64, d_step: u64) -> DDraws {
        let cr = self.cr.as_ref().filter(|cr| cr.pairing != Pairing::Raw);
        DDraws {
            augment: self.augmentation.draw(2 * n, shape, &mut Stream::new(seed, D_AUGMENT, d_step)),
            cr: cr.map(|cr| cr.augment.draw(n, shape[1], shape[2], &mut Stream::new(seed, D_CR, d_step))),
        }
    }

    /// The draws of G's step number `itr`, for `n` fakes.
    pub fn g_draws(&self, n: usize, shape: [usize; 3], seed: u64, itr: u64) -> AugmentDraws {
        self.augmentation.draw(n, shape, &mut Stream::new(seed, G_AUGMENT, itr))
    }

    /// The draws of a lazy R1 step, for `n` reals.
    pub fn r1_draws(&self, n: usize, shape: [usize; 3], seed: u64, d_step: u64) -> AugmentDraws {
        self.augmentation.draw(n, shape, &mut Stream::new(seed, R1_AUGMENT, d_step))
    }

    /// Eq. 2 of DiffAugment (section 3.2), with T only where `on` says (table 1), and the regularisers added; R1 too, where
    /// `with_r1` says that it is not lazy.
    ///
    /// D sees fakes, reals and the images paired with reals in one pass, as DiffAugment's BigGAN code does (spectral norm
    /// makes one power step a pass), or each in a pass of its own where a logit depends on its batch (minibatch standard
    /// deviation), as StyleGAN2's code does.
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
        let fake = self.augment_if(on.d_fake, batch.fake, &draws.augment.narrow(0, n))?;
        let (raw, real) = self.reals_of_r1(batch.real, &draws.augment.narrow(n, n), with_r1)?;
        let paired = self.paired(batch.real, &real, draws)?;
        let mut images = vec![(&fake, batch.fake_labels), (&real, batch.real_labels)];
        images.extend(paired.iter().map(|paired| (paired, batch.real_labels)));
        let logits = logits_of(d, &images)?;
        let (fake_logits, real_logits) = (logits[0].clone(), logits[1].clone());
        let parts = self.adversarial.discriminator(&real_logits, &fake_logits)?;
        let cr = match (&self.cr, logits.get(2)) {
            (Some(cr), Some(paired)) => Some(consistency(&real_logits, paired)?.scale(cr.weight)?),
            _ => None,
        };
        let lecam = self.lecam.step(&real_logits, &fake_logits, itr)?;
        let r1 = match (&self.r1, with_r1) {
            (Some(r1), true) => {
                Some(r1_penalty(&real_logits, r1.differentiated(&raw, &real))?.mean()?.scale(0.5 * r1.gamma)?)
            }
            _ => None,
        };
        let mut total = parts.total;
        for penalty in [&cr, &lecam, &r1].into_iter().flatten() {
            total = total.add(penalty)?;
        }
        Ok(DLosses { total, real: parts.real, fake: parts.fake, cr, lecam, r1, real_logits, fake_logits })
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

    /// Path length regularisation of G (Karras et al. 2020, section 3.2), weighted. `noise` is standard normal, of the
    /// images' shape.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn path_length(&mut self, g: &dyn StyleGenerator, ws: &Var, inputs: Noise<'_>, noise: &Var) -> Result<Var> {
        let images = g.synthesize(ws, inputs)?;
        Ok(self.path_length.penalty(&images, ws, noise)?.mean()?.scale(self.path_length_weight)?)
    }

    /// Eq. 3 of DiffAugment (section 3.2), with T only if `on.g_fake`. `real` is read by relativistic losses only.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn generator(
        &self,
        d: &dyn Discriminator,
        (fake, labels): (&Var, &Ints),
        real: Option<(&Var, &Ints)>,
        draws: &AugmentDraws,
    ) -> Result<Var> {
        let on = self.augmentation.on();
        let fake = self.augment_if(on.g_fake, fake, draws)?;
        let Some((real, real_labels)) = real.filter(|_| self.adversarial.generator_needs_real()) else {
            return Ok(self.adversarial.generator(&d.logits(&fake, labels, Mode::Train)?, None)?);
        };
        let real = self.augment_if(on.d_real, real, draws)?;
        let logits = logits_of(d, &[(&fake, labels), (&real, real_labels)])?;
        Ok(self.adversarial.generator(&logits[0], Some(&logits[1]))?)
    }

    /// Whether [`Objective::generator`] wants reals.
    pub fn generator_needs_real(&self) -> bool {
        self.adversarial.generator_needs_real()
    }

    /// T on images as D's real step sees them, for the monitors: the paper's `D_acc` keeps T on.
    pub(crate) fn as_d_sees_reals(&self, images: &Var, draws: &AugmentDraws) -> Result<Var> {
        self.augment_if(self.augmentation.on().d_real, images, draws)
    }

    fn augment_if(&self, on: bool, images: &Var, draws: &AugmentDraws) -> Result<Var> {
        if on { self.augmentation.apply(images, draws) } else { Ok(images.clone()) }
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

/// D's outputs on several batches: in one pass, or in one each where a logit depends on the rest of its batch.
fn logits_of(d: &dyn Discriminator, batches: &[(&Var, &Ints)]) -> Result<Vec<Var>> {
    if d.mixes_batch() {
        return batches.iter().map(|(images, labels)| Ok(d.logits(images, labels, Mode::Train)?)).collect();
    }
    let images: Vec<&Var> = batches.iter().map(|(images, _)| *images).collect();
    let labels: Vec<&Ints> = batches.iter().map(|(_, labels)| *labels).collect();
    let logits = d.logits(&concat(&images, 0)?, &Ints::concat(&labels)?, Mode::Train)?;
    let mut start = 0;
    let parts = images.iter().map(|images| {
        let len = images.dims()[0];
        start += len;
        Ok(logits.narrow(0, start - len, len)?)
    });
    parts.collect()
}
