//! What steps tell the host: put aside in the order in which it happens, heard when it is needed.
//!
//! A step that waited for its losses would leave a GPU idle while the host prepares the next. So they stay on the device until a
//! tick ends, a state is saved, or p is to move; on the CPU, where nothing is gained, they are heard at once.

use frugan_augment::ada::Source;
use frugan_autograd::{Readings, Var, cuda, nonfinite_counts};
use frugan_nn::{grad_norm, grad_squares};

use super::{Network, Trainer};
use crate::error::{Error, Result};
use crate::nonfinite::{self, Nonfinite};
use crate::tick::due;

/// One piece of news; its numbers lie in the readings.
enum News {
    /// A step's loss, its named parts, and D's outputs in it.
    Step { network: Network, itr: u64, names: Vec<String>, logits: Vec<(Source, usize)> },
    /// How many elements of that step's gradients are not finite, a number a weight.
    Gradients,
    /// The sum of squares of each gradient.
    Norm(Network),
    /// D's outputs on held-out images.
    HeldOut(usize),
}

/// News that nobody has heard yet.
#[derive(Default)]
pub(super) struct Pending {
    readings: Readings,
    news: Vec<News>,
}

/// What a step of G or D is about.
pub(super) struct Told<'a> {
    pub(super) network: Network,
    /// What it minimises.
    pub(super) loss: &'a Var,
    /// Parts of it, by name.
    pub(super) parts: &'a [(String, &'a Var)],
    /// D's outputs on the whole batch.
    pub(super) logits: &'a [(Source, &'a Var)],
}

/// What came of the gradients that were heard of last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Finite,
    /// They have been counted, and are to be mended.
    Mend,
    /// The optimiser's step is to be left out.
    Skip,
}

impl Trainer {
    /// Puts a step's numbers aside. Where ranks share the batch, gradients and numbers become their means.
    pub(super) fn tell(&mut self, told: &Told, gradients: &mut [Var]) -> Result<()> {
        let own = std::iter::once(told.loss).chain(told.parts.iter().map(|(_, part)| *part));
        let mut numbers: Vec<Var> = own.map(Var::detach).collect();
        if !self.ranks.is_alone() {
            let mut all = [&*gradients, &numbers].concat();
            self.ranks.mean_all(&mut all)?;
            numbers = all.split_off(gradients.len());
            gradients.clone_from_slice(&all);
        }
        let logits = told.logits.iter().map(|(_, logits)| *logits);
        self.pending.readings.put(&numbers.iter().chain(logits).collect::<Vec<_>>())?;
        let names = told.parts.iter().map(|(name, _)| name.clone()).collect();
        let logits = told.logits.iter().map(|(source, logits)| (*source, logits.elem_count())).collect();
        self.pending.news.push(News::Step { network: told.network, itr: self.itr, names, logits });
        Ok(())
    }

    /// Puts aside what the policy for values that are not finite asks of the gradients of the step told last.
    pub(super) fn tell_gradients(&mut self, gradients: &[Var]) -> Result<()> {
        self.pending.readings.put(&[&nonfinite_counts(&gradients.iter().collect::<Vec<_>>())?])?;
        self.pending.news.push(News::Gradients);
        Ok(())
    }

    pub(super) fn tell_norm(&mut self, network: Network, gradients: &[Var]) -> Result<()> {
        self.pending.readings.put(&[&grad_squares(gradients)?])?;
        self.pending.news.push(News::Norm(network));
        Ok(())
    }

    pub(super) fn tell_held_out(&mut self, logits: &Var) -> Result<()> {
        self.pending.readings.put(&[logits])?;
        self.pending.news.push(News::HeldOut(logits.elem_count()));
        Ok(())
    }

    /// Whether each step's news is heard in it: on the CPU, where ranks exchange through the host, and where the policy may leave
    /// a step out.
    pub(crate) fn hears_at_once(&self) -> bool {
        let train = &self.config.train;
        let skips = matches!(train.nonfinite, Nonfinite::Skip(_));
        let stays = self.ranks.is_alone() || cuda::is_joined(self.device).unwrap_or(false);
        !(self.device.runs_graphs() && train.graph && stays) || skips
    }

    /// Hears all news since the last time: for the tick, for the controllers, and under the policy for values that are not finite.
    ///
    /// # Errors
    /// If a step's loss or gradients were not finite and the policy says to stop, or the device fails.
    pub fn catch_up(&mut self) -> Result<()> {
        self.hear().map(|_| ())
    }

    /// [`Trainer::catch_up`] where something is to be written behind this step. Ranks that write nothing hear then too: numbers that
    /// are heard when there is no more room for them cut a step's work in two.
    pub(crate) fn hear_if_due(&mut self) -> Result<()> {
        let (t, itr) = (&self.config.train, self.itr);
        let all = [t.tick_steps, t.sample_every_steps, t.save_every_steps, self.config.eval.every_steps];
        if itr == t.steps || all.into_iter().any(|every| due(every, itr)) { self.catch_up() } else { Ok(()) }
    }

    /// Whether a step that went wrong can be taken again, op by op.
    pub(crate) fn names_ops(&self) -> bool {
        self.hears_at_once() && !(self.config.train.graph && cuda::is_joined(self.device).unwrap_or(false))
    }

    pub(super) fn hear(&mut self) -> Result<Verdict> {
        let news = std::mem::take(&mut self.pending.news);
        let numbers = self.pending.readings.take()?;
        let mut rest = numbers.as_slice();
        let mut next = |count: usize| {
            let (taken, left) = rest.split_at(count);
            rest = left;
            taken
        };
        let (mut verdict, mut step) = (Verdict::Finite, None);
        for news in news {
            match news {
                News::Step { network, itr, names, logits } => {
                    step = Some((network, itr, next(1)[0]));
                    for name in &names {
                        self.sums.add(name, next(1)[0]);
                    }
                    for (source, count) in logits {
                        self.observe(source, next(count));
                    }
                }
                News::Gradients => {
                    let about = step.expect("a step is told ahead of its gradients");
                    verdict = self.judge(about, next(self.params(about.0).weights().len()))?;
                }
                News::Norm(network) => {
                    let squares = next(self.params(network).weights().len());
                    self.sums.add(&format!("grad_norm/{}", network.letter()), grad_norm(squares));
                }
                News::HeldOut(count) => {
                    self.objective.augmentation.observe(Source::HeldOut, &single(next(count)));
                }
            }
        }
        Ok(verdict)
    }

    /// The policy for values that are not finite, on the counts of a step.
    fn judge(&mut self, (network, itr, loss): (Network, u64, f64), counts: &[f64]) -> Result<Verdict> {
        let bad = nonfinite::named(self.params(network), counts);
        for (name, count) in &bad {
            self.sums.add(&format!("nonfinite/{}.{name}", network.letter()), *count as f64);
        }
        if bad.is_empty() && loss.is_finite() {
            self.skipped_in_a_row = 0;
            return Ok(Verdict::Finite);
        }
        match self.config.train.nonfinite {
            Nonfinite::Replace => Ok(Verdict::Mend),
            Nonfinite::Skip(most) if self.skipped_in_a_row < most => {
                self.skipped_in_a_row += 1;
                self.sums.add("nonfinite/skipped", 1.0);
                Ok(Verdict::Skip)
            }
            Nonfinite::Stop | Nonfinite::Skip(_) => {
                Err(Error::NonFinite(nonfinite::sentence(network.letter(), itr, loss, &bad)))
            }
        }
    }

    /// D's outputs on training reals or fakes: for the monitors, and for ADA's controller.
    fn observe(&mut self, source: Source, logits: &[f64]) {
        let which = if source == Source::Fake { "fake" } else { "real" };
        self.objective.augmentation.observe(source, &single(logits));
        for logit in logits {
            self.sums.add(&format!("d/logit_{which}"), *logit);
            // The sign of exactly 0 is 0, as in ADA's statistic.
            let sign = if *logit == 0.0 { 0.0 } else { logit.signum() };
            self.sums.add(&format!("d/sign_{which}"), sign);
        }
    }
}

/// As the controllers take them.
fn single(logits: &[f64]) -> Vec<f32> {
    logits.iter().map(|logit| *logit as f32).collect()
}
