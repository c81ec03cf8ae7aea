//! The augmentation T of a run: ADA's pipe, DiffAugment's policy on its output, and where both act.

use frugan_augment::ada::{self, Controller, ControllerKind, ControllerState, Pipe, Source};
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
    asks_held_out: bool,
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

    /// Those of these samples, in this order.
    #[must_use]
    pub fn select(&self, samples: &[usize]) -> Self {
        Self { policy: self.policy.select(samples), ada: self.ada.as_ref().map(|draws| draws.select(samples)) }
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
        let controller = config.ada.as_ref().map(Controller::new).transpose().map_err(|e| input(e.to_string()))?;
        let asks_held_out = config.ada.as_ref().is_some_and(|ada| ada.controller == ControllerKind::Rv);
        Ok(Self { pipe, policy, on: config.on, controller, asks_held_out })
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

    /// Whether p follows D's outputs on held-out images too (r_v).
    pub fn asks_held_out(&self) -> bool {
        self.asks_held_out
    }

    /// The controller of p hears D's outputs.
    pub fn observe(&mut self, source: Source, logits: &[f32]) {
        if let Some(controller) = &mut self.controller {
            controller.observe(source, logits);
        }
    }

    /// Whether the end of this iteration moves p, by what D said until then.
    pub fn moves_p_next(&self) -> bool {
        self.controller.as_ref().is_some_and(Controller::moves_next)
    }

    /// Counts an iteration of so many training images; p moves where it is time.
    pub fn end_iteration(&mut self, images: usize) {
        if let Some(controller) = &mut self.controller {
            controller.end_iteration(images);
        }
    }

    /// The controller's state, for a checkpoint.
    pub fn state(&self) -> Option<ControllerState> {
        self.controller.as_ref().map(Controller::state)
    }

    /// Takes back what [`Augmentation::state`] gave.
    pub fn load_state(&mut self, state: ControllerState) {
        if let Some(controller) = &mut self.controller {
            controller.load_state(state);
        }
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
