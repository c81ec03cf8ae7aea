//! D's passes over the batches of a step.

use frugan_autograd::{Ints, Ranks, Result as TensorResult, Var, concat};
use frugan_models::{Discriminator, Judgement};
use frugan_nn::Mode;

use crate::error::Result;

/// What D said of several batches: in one pass, as DiffAugment's BigGAN code does (spectral norm makes one power step a
/// pass), or in one each where a logit depends on the rest of its batch, as StyleGAN2's code does.
pub(super) struct Judged {
    passes: Vec<Judgement>,
    /// Of each batch in the only pass: its first row and its length. Empty where each batch has a pass of its own.
    rows: Vec<(usize, usize)>,
    ranks: Ranks,
}

impl Judged {
    /// The batches are this rank's images with their labels.
    pub(super) fn of(d: &dyn Discriminator, batches: &[(Var, &Ints)], ranks: &Ranks) -> Result<Self> {
        let ranks = ranks.clone();
        if d.mixes_batch() || batches.len() == 1 {
            let pass = |(images, labels): &(Var, &Ints)| Ok(d.judge(images, labels, Mode::Train)?);
            return Ok(Self { passes: batches.iter().map(pass).collect::<Result<_>>()?, rows: Vec::new(), ranks });
        }
        let images: Vec<&Var> = batches.iter().map(|(images, _)| images).collect();
        let labels: Vec<&Ints> = batches.iter().map(|(_, labels)| *labels).collect();
        let mut start = 0;
        let rows = images.iter().map(|images| {
            let len = images.dims()[0];
            start += len;
            (start - len, len)
        });
        let rows = rows.collect();
        let pass = d.judge(&concat(&images, 0)?, &Ints::concat(&labels)?, Mode::Train)?;
        Ok(Self { passes: vec![pass], rows, ranks })
    }

    /// One logit an image of a batch, of all ranks.
    pub(super) fn logits(&self, batch: usize) -> TensorResult<Var> {
        self.ranks.gather(&self.own_logits(batch)?)
    }

    /// One logit an image of a batch, of this rank alone.
    pub(super) fn own_logits(&self, batch: usize) -> TensorResult<Var> {
        self.part(batch, |pass| &pass.logits)
    }

    /// D's last layer before its output on a batch, of all ranks.
    pub(super) fn features(&self, batch: usize) -> TensorResult<Var> {
        self.ranks.gather(&self.part(batch, |pass| &pass.features)?)
    }

    /// The logits of the classes on a batch, of a D that names them; of this rank alone.
    pub(super) fn class_logits(&self, batch: usize) -> TensorResult<Option<Var>> {
        let (pass, rows) = self.place(batch);
        match (&pass.class_logits, rows) {
            (Some(logits), Some((start, len))) => logits.narrow(0, start, len).map(Some),
            (logits, _) => Ok(logits.clone()),
        }
    }

    fn part(&self, batch: usize, of: impl Fn(&Judgement) -> &Var) -> TensorResult<Var> {
        match self.place(batch) {
            (pass, Some((start, len))) => of(pass).narrow(0, start, len),
            (pass, None) => Ok(of(pass).clone()),
        }
    }

    /// The pass of a batch, and its rows in it where it is not alone there.
    fn place(&self, batch: usize) -> (&Judgement, Option<(usize, usize)>) {
        match self.rows.get(batch) {
            Some(rows) => (&self.passes[0], Some(*rows)),
            None => (&self.passes[batch], None),
        }
    }
}
