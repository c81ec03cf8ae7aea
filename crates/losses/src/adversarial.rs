//! What the discriminator and the generator minimise.

use frugan_autograd::{Error, Result, Term, Var};

/// An adversarial loss on logits: D's output without a sigmoid, of any shape (`[N, 1]` from our discriminators).
///
/// Means are taken over all elements, so reals and fakes may come in batches of different size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Adversarial {
    /// `relu(1 - real)`, `relu(1 + fake)`; G: `-fake`. Lim and Ye 2017, Miyato et al. 2018; BigGAN and DiffAugment.
    Hinge,
    /// `softplus(-real)`, `softplus(fake)`; G: `softplus(-fake)`. Goodfellow et al. 2014, section 3; StyleGAN2.
    NonSaturating,
    /// Binary cross-entropy with one-sided label smoothing (Salimans et al. 2016, section 3.4): the target of reals
    /// is `1 - label_smoothing` in D's loss; that of fakes stays 0, and that of fakes in G's loss stays 1.
    /// Without smoothing it equals [`Adversarial::NonSaturating`].
    Bce {
        /// What the target of reals lacks to 1; in [0, 0.5).
        label_smoothing: f64,
    },
    /// `(real - 1)^2 / 2`, `fake^2 / 2`; G: `(fake - 1)^2 / 2`. Mao et al. 2017, the 0-1 coding.
    LeastSquares,
    /// `(real + 1)^2`, `(fake - 1)^2`; G: `fake^2`: the form in LeCam's code, with reals to -1, fakes to +1, G to 0,
    /// and without the half. D's sign is the opposite of every other loss here.
    LeastSquaresLecam,
    /// `-real`, `fake`; G: `-fake`. Arjovsky et al. 2017, eq. 2. The total adds [`wasserstein_drift`].
    Wasserstein {
        /// Weight of the squared real logits (Karras et al. 2018, appendix A.1: 0.001); 0 for none.
        drift: f64,
    },
    /// Relativistic average hinge, halved: with `r = real - mean(fake)` and `f = fake - mean(real)`,
    /// `relu(1 - r) / 2`, `relu(1 + f) / 2`; G with the signs turned: the sum of `relu(1 + r) / 2` and
    /// `relu(1 - f) / 2`. Jolicoeur-Martineau 2018; the half is that of LeCam's code.
    RelativisticAverageHinge,
}

/// D's loss. `real` and `fake` are its parts, as monitors want them; minimise `total`.
#[derive(Clone, Debug)]
pub struct DLoss {
    /// `real + fake`, and for Wasserstein the drift term; of rank 0.
    pub total: Var,
    /// The mean over reals; of rank 0.
    pub real: Var,
    /// The mean over fakes; of rank 0.
    pub fake: Var,
}

impl Adversarial {
    /// D's loss on the logits of reals and of fakes; both receive gradient.
    pub fn discriminator(&self, real: &Var, fake: &Var) -> Result<DLoss> {
        let (real_mean, fake_mean) = match self.discriminator_terms() {
            Some([on_real, on_fake]) => (real.mean_term(on_real)?, fake.mean_term(on_fake)?),
            None => {
                let (real_terms, fake_terms) = self.discriminator_per_sample(real, fake)?;
                (real_terms.mean()?, fake_terms.mean()?)
            }
        };
        let mut total = real_mean.add(&fake_mean)?;
        if let Self::Wasserstein { drift } = *self
            && drift != 0.0
        {
            total = total.add(&wasserstein_drift(real, drift)?)?;
        }
        Ok(DLoss { total, real: real_mean, fake: fake_mean })
    }

    /// G's loss on the logits of fakes, of rank 0. `real` (logits of reals) is read by the relativistic loss only.
    ///
    /// # Errors
    /// Where [`Adversarial::generator_needs_real`] and `real` is not given.
    pub fn generator(&self, fake: &Var, real: Option<&Var>) -> Result<Var> {
        match (self, real) {
            (Self::RelativisticAverageHinge, Some(real)) => {
                let on_real = relative(real, fake)?.affine(1.0, 1.0)?.relu()?.mean()?;
                let on_fake = relative(fake, real)?.affine(-1.0, 1.0)?.relu()?.mean()?;
                on_real.add(&on_fake)?.scale(0.5)
            }
            (Self::RelativisticAverageHinge, None) => {
                let message = "relativistic_average_hinge: G's loss compares fakes with reals, so give it real logits";
                Err(Error::Msg(message.into()))
            }
            _ => match self.generator_term() {
                Some(on_fake) => fake.mean_term(on_fake),
                None => self.generator_per_sample(fake)?.mean(),
            },
        }
    }

    /// The functions of a real's and of a fake's logit whose means D's loss is made of; `None` where a term reads other logits too.
    fn discriminator_terms(&self) -> Option<[Term; 2]> {
        Some(match *self {
            Self::Hinge => [Term::Hinge { sign: -1.0 }, Term::Hinge { sign: 1.0 }],
            Self::NonSaturating => {
                [Term::Softplus { sign: -1.0, slope: 0.0 }, Term::Softplus { sign: 1.0, slope: 0.0 }]
            }
            // -t log s(x) - (1 - t) log(1 - s(x)) = softplus(-x) + (1 - t) x
            Self::Bce { label_smoothing } => {
                [Term::Softplus { sign: -1.0, slope: label_smoothing }, Term::Softplus { sign: 1.0, slope: 0.0 }]
            }
            Self::LeastSquares => [Term::Square { shift: -1.0, factor: 0.5 }, Term::Square { shift: 0.0, factor: 0.5 }],
            Self::LeastSquaresLecam => {
                [Term::Square { shift: 1.0, factor: 1.0 }, Term::Square { shift: -1.0, factor: 1.0 }]
            }
            Self::Wasserstein { .. } => [Term::Linear { factor: -1.0 }, Term::Linear { factor: 1.0 }],
            Self::RelativisticAverageHinge => return None,
        })
    }

    /// The same of G's loss.
    fn generator_term(&self) -> Option<Term> {
        Some(match self {
            Self::Hinge | Self::Wasserstein { .. } => Term::Linear { factor: -1.0 },
            Self::NonSaturating | Self::Bce { .. } => Term::Softplus { sign: -1.0, slope: 0.0 },
            Self::LeastSquares => Term::Square { shift: -1.0, factor: 0.5 },
            Self::LeastSquaresLecam => Term::Square { shift: 0.0, factor: 1.0 },
            Self::RelativisticAverageHinge => return None,
        })
    }

    /// Whether G's loss reads real logits, so that G's step must run D on reals too.
    pub fn generator_needs_real(&self) -> bool {
        matches!(self, Self::RelativisticAverageHinge)
    }

    /// The terms of D's loss before their means: (of the shape of `real`, of the shape of `fake`).
    /// The drift term of Wasserstein is not in them.
    pub fn discriminator_per_sample(&self, real: &Var, fake: &Var) -> Result<(Var, Var)> {
        match self.discriminator_terms() {
            Some([on_real, on_fake]) => Ok((on_real.of(real)?, on_fake.of(fake)?)),
            None => Ok((
                relative(real, fake)?.affine(-1.0, 1.0)?.relu()?.scale(0.5)?,
                relative(fake, real)?.affine(1.0, 1.0)?.relu()?.scale(0.5)?,
            )),
        }
    }

    /// The terms of G's loss before their mean, of the shape of `fake`.
    ///
    /// # Errors
    /// For the relativistic loss, whose terms are not of fakes alone.
    pub fn generator_per_sample(&self, fake: &Var) -> Result<Var> {
        match self.generator_term() {
            Some(on_fake) => on_fake.of(fake),
            None => Err(Error::Msg("relativistic_average_hinge: G's loss has no terms of single fakes".into())),
        }
    }
}

/// `drift * mean(real^2)`: keeps the critic's real logits near 0, where nothing else anchors them.
/// Karras et al. 2018 (progressive growing), appendix A.1.
pub fn wasserstein_drift(real: &Var, drift: f64) -> Result<Var> {
    real.square()?.mean()?.scale(drift)
}

/// `logits - mean(others)`
fn relative(logits: &Var, others: &Var) -> Result<Var> {
    logits.sub(&others.mean()?)
}
