//! The LeCam regulariser (Tseng et al. 2021, "Regularizing Generative Adversarial Networks under Limited Data").

use std::collections::BTreeMap;

use frugan_autograd::{DType, Device, Error, Result, Tensor, Var, no_grad, update};

use crate::LecamConfig;

/// R_LC of the paper, one-sided as in its code: `mean(relu(real - mean_fake)^2) + mean(relu(mean_real - fake)^2)`.
/// `mean_real` and `mean_fake` (of rank 0) are the running means of D's logits; they receive no gradient.
pub fn lecam_penalty(real: &Var, fake: &Var, mean_real: &Var, mean_fake: &Var) -> Result<Var> {
    let on_real = real.sub(&mean_fake.detach())?.relu()?.square()?.mean()?;
    let on_fake = mean_real.detach().sub(fake)?.relu()?.square()?.mean()?;
    on_real.add(&on_fake)
}

/// LeCam's running means of D's logits, and the penalty that they anchor.
///
/// A mean is an exponential average of batch means with [`LecamConfig::decay`]; before iteration
/// [`LecamConfig::start_itr`] it is the mean of the current batch. The penalty acts after that iteration, and reads the
/// means after the current batch has entered them. This is the order of the published code: every D step counts, so with
/// four D steps the means move four times an iteration.
#[derive(Debug)]
pub struct Lecam {
    config: LecamConfig,
    /// Always the same memory, as the other.
    mean_real: Var,
    mean_fake: Var,
}

impl Lecam {
    /// Means for logits of this type on this device. Their first value is 0 and never read: the first batch replaces it.
    pub fn new(config: LecamConfig, dtype: DType, device: &Device) -> Result<Self> {
        let mean = || Var::zeros(&[], dtype, device);
        Ok(Self { config, mean_real: mean()?, mean_fake: mean()? })
    }

    /// One D step at G's iteration `itr` (counted from 0): moves the means, and gives the weighted penalty
    /// where it acts: weight above 0 and `itr > start_itr`.
    pub fn step(&mut self, real: &Var, fake: &Var, itr: u64) -> Result<Option<Var>> {
        if self.config.weight == 0.0 {
            return Ok(None);
        }
        self.observe(&real.detach().mean()?, &fake.detach().mean()?, itr)?;
        if itr <= self.config.start_itr {
            return Ok(None);
        }
        lecam_penalty(real, fake, &self.mean_real, &self.mean_fake)?.scale(self.config.weight).map(Some)
    }

    /// Moves the means by one batch's mean logits, both of rank 0.
    pub fn observe(&mut self, batch_real: &Var, batch_fake: &Var, itr: u64) -> Result<()> {
        // A decay of 0 is an assignment: dst + 1 * (src - dst) would round.
        let decay = if itr < self.config.start_itr { 0.0 } else { self.config.decay };
        for (mean, batch) in [(&self.mean_real, batch_real), (&self.mean_fake, batch_fake)] {
            let batch = batch.detach();
            let moved = || no_grad(|| mean.scale(decay)?.add(&batch.scale(1.0 - decay)?));
            update::assign(mean, &if decay == 0.0 { batch.clone() } else { moved()? })?;
        }
        Ok(())
    }

    /// The running mean of real logits, of rank 0: the array that the next step changes.
    pub fn mean_real(&self) -> &Var {
        &self.mean_real
    }

    /// The running mean of fake logits, of rank 0: the array that the next step changes.
    pub fn mean_fake(&self) -> &Var {
        &self.mean_fake
    }

    /// The state by name, for a checkpoint: `mean_real` and `mean_fake`, each of rank 0.
    pub fn state_tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let named = [("mean_real", &self.mean_real), ("mean_fake", &self.mean_fake)];
        named.into_iter().map(|(name, mean)| Ok((name.to_string(), mean.to_tensor()?))).collect()
    }

    /// Takes back what [`Lecam::state_tensors`] gave.
    ///
    /// # Errors
    /// Names the first tensor that is missing, unexpected, or of another shape or type; nothing is changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        if let Some(name) = state.keys().find(|name| !matches!(name.as_str(), "mean_real" | "mean_fake")) {
            return Err(Error::Msg(format!("LeCam's state: unexpected {name}; want mean_real and mean_fake")));
        }
        let read = |name: &str, now: &Var| match state.get(name) {
            None => Err(Error::Msg(format!("LeCam's state: {name} is missing"))),
            Some(tensor) if tensor.dims() != now.dims() || tensor.dtype() != now.dtype() => {
                let (dims, dtype) = (tensor.dims(), tensor.dtype());
                Err(Error::Msg(format!("LeCam's state: {name} is {dtype:?} {dims:?}, want one {:?}", now.dtype())))
            }
            Some(tensor) => Ok(Var::from(tensor.clone())),
        };
        let (mean_real, mean_fake) = (read("mean_real", &self.mean_real)?, read("mean_fake", &self.mean_fake)?);
        update::assign(&self.mean_real, &mean_real)?;
        update::assign(&self.mean_fake, &mean_fake)
    }
}
