//! What D and G minimise: the adversarial loss, where T acts, and D's regularisers.

use frugan_augment::{CrAugment, CrDraws, Draws, On, Policy};
use frugan_autograd::{DType, Device, Ints, Var, concat};
use frugan_losses::{Adversarial, Lecam, Pairing, consistency};
use frugan_models::Discriminator;
use frugan_nn::{Mode, Purpose, Stream};

use crate::config::Config;
use crate::error::{Error, Result};

/// The losses of a method, as functions of images. Draws are arguments, so that a published step can be replayed.
pub struct Objective {
    adversarial: Adversarial,
    policy: Policy,
    on: On,
    cr: Option<Consistency>,
    /// LeCam's running means, which are state.
    pub lecam: Lecam,
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
    pub policy: Draws,
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
    /// D's outputs on reals, `[N, 1]`.
    pub real_logits: Var,
    /// D's outputs on fakes, `[N, 1]`.
    pub fake_logits: Var,
}

impl Objective {
    /// From a checked configuration.
    ///
    /// # Errors
    /// If the policy or a pairing is not possible.
    pub fn new(config: &Config, device: &Device) -> Result<Self> {
        let input = |e: String| Error::Config(e);
        let policy = Policy::parse(&config.augment.policy).map_err(|e| input(e.to_string()))?;
        if config.augment.ada.is_some() {
            return Err(input("augment.ada: training does not run ADA's pipe yet; remove the table".into()));
        }
        let t_on_real = config.augment.on.d_real && !policy.is_identity();
        let cr = match config.loss.cr.pairing(t_on_real).map_err(|e| input(e.to_string()))? {
            Some(pairing) => Some(Consistency {
                pairing,
                augment: CrAugment::parse(&config.loss.cr.augment).map_err(|e| input(e.to_string()))?,
                weight: config.loss.cr.weight,
            }),
            None => None,
        };
        Ok(Self {
            adversarial: config.loss.adversarial(),
            policy,
            on: config.augment.on,
            cr,
            lecam: Lecam::new(config.loss.lecam, DType::F32, device)?,
        })
    }

    /// The augmentation T.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The draws of D's step number `d_step`, for `n` fakes and `n` reals.
    pub fn d_draws(&self, n: usize, [height, width]: [usize; 2], seed: u64, d_step: u64) -> DDraws {
        const POLICY: Purpose = Purpose::new("d.augment");
        const CR: Purpose = Purpose::new("d.cr");
        let cr = self.cr.as_ref().filter(|cr| cr.pairing != Pairing::Raw);
        DDraws {
            policy: self.policy.draw(2 * n, height, width, &mut Stream::new(seed, POLICY, d_step)),
            cr: cr.map(|cr| cr.augment.draw(n, height, width, &mut Stream::new(seed, CR, d_step))),
        }
    }

    /// The draws of G's step number `itr`, for `n` fakes.
    pub fn g_draws(&self, n: usize, [height, width]: [usize; 2], seed: u64, itr: u64) -> Draws {
        const POLICY: Purpose = Purpose::new("g.augment");
        self.policy.draw(n, height, width, &mut Stream::new(seed, POLICY, itr))
    }

    /// Eq. 2 of DiffAugment (section 3.2), with T only where `on` says (table 1), and the regularisers added.
    ///
    /// D sees fakes, reals and the images paired with reals in one pass, as the paper's code does: spectral norm makes
    /// one power step a pass.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn discriminator(
        &mut self,
        d: &dyn Discriminator,
        batch: &DBatch,
        draws: &DDraws,
        itr: u64,
    ) -> Result<DLosses> {
        let n = batch.real.dims()[0];
        let fake = self.augment_if(self.on.d_fake, batch.fake, &draws.policy.narrow(0, n))?;
        let real = self.augment_if(self.on.d_real, batch.real, &draws.policy.narrow(n, n))?;
        let paired = self.paired(batch.real, &real, draws)?;
        let mut images = vec![&fake, &real];
        let mut labels = vec![batch.fake_labels, batch.real_labels];
        if let Some(paired) = &paired {
            images.push(paired);
            labels.push(batch.real_labels);
        }
        let logits = d.logits(&concat(&images, 0)?, &Ints::concat(&labels)?, Mode::Train)?;
        let (fake_logits, real_logits) = (logits.narrow(0, 0, n)?, logits.narrow(0, n, n)?);
        let parts = self.adversarial.discriminator(&real_logits, &fake_logits)?;
        let mut total = parts.total;
        let cr = match &self.cr {
            Some(cr) => Some(consistency(&real_logits, &logits.narrow(0, 2 * n, n)?)?.scale(cr.weight)?),
            None => None,
        };
        let lecam = self.lecam.step(&real_logits, &fake_logits, itr)?;
        for penalty in [&cr, &lecam].into_iter().flatten() {
            total = total.add(penalty)?;
        }
        Ok(DLosses { total, real: parts.real, fake: parts.fake, cr, lecam, real_logits, fake_logits })
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
        draws: &Draws,
    ) -> Result<Var> {
        let fake = self.augment_if(self.on.g_fake, fake, draws)?;
        let Some((real, real_labels)) = real.filter(|_| self.adversarial.generator_needs_real()) else {
            return Ok(self.adversarial.generator(&d.logits(&fake, labels, Mode::Train)?, None)?);
        };
        let n = fake.dims()[0];
        let real = self.augment_if(self.on.d_real, real, draws)?;
        let logits = d.logits(&concat(&[&fake, &real], 0)?, &Ints::concat(&[labels, real_labels])?, Mode::Train)?;
        Ok(self.adversarial.generator(&logits.narrow(0, 0, n)?, Some(&logits.narrow(0, n, n)?))?)
    }

    /// Whether [`Objective::generator`] wants reals.
    pub fn generator_needs_real(&self) -> bool {
        self.adversarial.generator_needs_real()
    }

    /// T on images as D's real step sees them, for the monitors: the paper's `D_acc` keeps T on.
    pub(crate) fn as_d_sees_reals(&self, images: &Var, draws: &Draws) -> Result<Var> {
        self.augment_if(self.on.d_real, images, draws)
    }

    fn augment_if(&self, on: bool, images: &Var, draws: &Draws) -> Result<Var> {
        if on && !self.policy.is_identity() { Ok(self.policy.apply(images, draws)?) } else { Ok(images.clone()) }
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
