//! From gradients to moved weights.

use frugan_autograd::{Var, update};
use frugan_losses::add_orthogonal_gradients;
use frugan_nn::{Params, clip_by_norm, clip_by_value};

use super::news::Verdict;
use super::{Network, Trainer};
use crate::error::Result;
use crate::nonfinite::{MOST, Nonfinite};

impl Trainer {
    /// Regularises, clips and applies gradients, under the policy for values that are not finite.
    pub(super) fn apply(&mut self, network: Network, mut gradients: Vec<Var>) -> Result<()> {
        add_orthogonal_gradients(&mut gradients, self.params(network).named_weights(), self.config.loss.ortho)?;
        self.tell_gradients(&gradients)?;
        let mends = match self.hears_at_once() {
            true => match self.hear()? {
                Verdict::Skip => return Ok(()),
                verdict => verdict == Verdict::Mend,
            },
            // Finite values stay as they are.
            false => self.config.train.nonfinite == Nonfinite::Replace,
        };
        if mends {
            update::mend_all(&gradients.iter().collect::<Vec<_>>(), MOST)?;
        }
        if let Some(limit) = self.config.optim.clip_value {
            clip_by_value(&mut gradients, limit)?;
        }
        match self.config.optim.clip_norm {
            Some(most) => {
                let norm = clip_by_norm(&mut gradients, most)?;
                self.sums.add(&format!("grad_norm/{}", network.letter()), norm);
            }
            // Only a tick's last step is worth the pass.
            None if self.ends_tick() => self.tell_norm(network, &gradients)?,
            None => {}
        }
        let (params, adam) = match network {
            Network::G => (self.generator.params(), &mut self.adam_g),
            Network::D => (self.discriminator.params(), &mut self.adam_d),
        };
        adam.step(params, &gradients)?;
        Ok(())
    }

    pub(super) fn params(&self, network: Network) -> &Params {
        match network {
            Network::G => self.generator.params(),
            Network::D => self.discriminator.params(),
        }
    }
}
