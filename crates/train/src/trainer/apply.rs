//! From gradients to moved weights.

use frugan_autograd::Var;
use frugan_losses::add_orthogonal_gradients;
use frugan_nn::{clip_by_norm, clip_by_value};

use super::{Network, Trainer};
use crate::error::{Error, Result};
use crate::nonfinite::{self, Nonfinite};

impl Trainer {
    /// Regularises, clips and applies gradients, under the policy for values that are not finite.
    pub(super) fn apply(&mut self, network: Network, mut gradients: Vec<Var>, loss: f64) -> Result<()> {
        let ends_tick = self.ends_tick();
        let (params, adam) = match network {
            Network::G => (self.generator.params(), &mut self.adam_g),
            Network::D => (self.discriminator.params(), &mut self.adam_d),
        };
        add_orthogonal_gradients(&mut gradients, params.named_weights(), self.config.loss.ortho)?;
        let bad = nonfinite::find(params, &gradients)?;
        for (name, count) in &bad {
            self.sums.add(&format!("nonfinite/{}.{name}", network.letter()), *count as f64);
        }
        if !bad.is_empty() || !loss.is_finite() {
            match self.config.train.nonfinite {
                Nonfinite::Replace => {
                    gradients = gradients.iter().map(nonfinite::replace).collect::<frugan_autograd::Result<_>>()?;
                }
                Nonfinite::Skip(most) if self.skipped_in_a_row < most => {
                    self.skipped_in_a_row += 1;
                    self.sums.add("nonfinite/skipped", 1.0);
                    return Ok(());
                }
                Nonfinite::Stop | Nonfinite::Skip(_) => {
                    return Err(Error::NonFinite(nonfinite::sentence(network.letter(), self.itr, loss, &bad)));
                }
            }
        } else {
            self.skipped_in_a_row = 0;
        }
        if let Some(limit) = self.config.optim.clip_value {
            clip_by_value(&mut gradients, limit)?;
        }
        let norm = match self.config.optim.clip_norm {
            Some(most) => Some(clip_by_norm(&mut gradients, most)?),
            // Without a limit nothing is scaled, and only a tick's last step is worth the pass.
            None if ends_tick => Some(clip_by_norm(&mut gradients, f64::INFINITY)?),
            None => None,
        };
        if let Some(norm) = norm {
            self.sums.add(&format!("grad_norm/{}", network.letter()), norm);
        }
        adam.step(params, &gradients)?;
        Ok(())
    }
}
