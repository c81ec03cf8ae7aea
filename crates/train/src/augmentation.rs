//! The augmentation T of a run: ADA's pipe, DiffAugment's policy on its output, and where both act.

use frugan_augment::ada::{self, Controller, Pipe};
use frugan_augment::{AugmentConfig, Draws, On, Policy};
use frugan_autograd::Var;
use frugan_nn::Stream;

use crate::error::{Error, Result};

/// T with its strength p, which a controller may move.
pub struct Augmentation {
    pipe: Option<Pipe>,
    policy: Policy,
    on: On,
    controller: Option<Controller>,
}

/// What chance decided about a batch, a sample at a time.
#[derive(Clone, Debug, Default)]
pub struct AugmentDraws {
    /// Of DiffAugment's policy.
    pub policy: Draws,
    /// Of ADA's pipe, if there is one.
    pub ada: Option<ada::Draws>,
}

impl AugmentDraws {
    /// Those of `len` samples from `start` on.
    pub fn narrow(&self, start: usize, len: usize) -> Self {
        Self { policy: self.policy.narrow(start, len), ada: self.ada.as_ref().map(|draws| draws.narrow(start, len)) }
    }
}

impl Augmentation {
    /// From a checked configuration.
    ///
    /// # Errors
    /// If the policy or the pipe names no transform.
    pub fn new(config: &AugmentConfig) -> Result<Self> {
        let input = |e: String| Error::Config(e);
        let policy = Policy::parse(&config.policy).map_err(|e| input(e.to_string()))?;
        let pipe = config.ada.as_ref().map(|ada| ada.pipe()).transpose().map_err(|e| input(e.to_string()))?;
        let controller = config.ada.as_ref().map(|ada| ada.controller()).transpose().map_err(|e| input(e.to_string()))?;
        Ok(Self { pipe, policy, on: config.on, controller })
    }

    /// DiffAugment's part.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Where T acts.
    pub fn on(&self) -> On {
        self.on
    }

    /// ADA's p, if there is a pipe.
    pub fn p(&self) -> Option<f64> {
        self.controller.as_ref().map(Controller::p)
    }

    /// What moves p, if there is a pipe.
    pub fn controller(&mut self) -> Option<&mut Controller> {
        self.controller.as_mut()
    }

    /// The controller, to look at.
    pub fn controller_state(&self) -> Option<&Controller> {
        self.controller.as_ref()
    }

    /// Whether T leaves every image as it is, whatever is drawn.
    pub fn is_identity(&self) -> bool {
        self.pipe.is_none() && self.policy.is_identity()
    }

    /// The draws of `n` images of `[channels, height, width]`. They do not depend on p.
    pub fn draw(&self, n: usize, shape: [usize; 3], stream: &mut Stream) -> AugmentDraws {
        let policy = self.policy.draw(n, shape[1], shape[2], stream);
        AugmentDraws { policy, ada: self.pipe.as_ref().map(|pipe| pipe.draw(n, shape, stream)) }
    }

    /// T(x) of images `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the draws are of another batch.
    pub fn apply(&self, images: &Var, draws: &AugmentDraws) -> Result<Var> {
        let images = match (&self.pipe, &draws.ada, self.p()) {
            (Some(pipe), Some(draws), Some(p)) => pipe.apply(images, draws, p)?,
            _ => images.clone(),
        };
        if self.policy.is_identity() { Ok(images) } else { Ok(self.policy.apply(&images, &draws.policy)?) }
    }
}
