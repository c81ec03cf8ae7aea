//! What a tick records: means since the last one, and questions to D about training and held-out images.

use std::collections::BTreeMap;

use frugan_autograd::no_grad;
use frugan_data::{Dataset, Splits, images_to_float};
use frugan_metrics::to_uint8_diffaugment;
use frugan_nn::{Mode, Purpose, Stream};

use crate::config::Config;
use crate::error::Result;
use crate::grid::Grid;
use crate::snapshot::class_rows;
use crate::stats::{Record, Sums};
use crate::trainer::Trainer;

/// Whether what comes every so many steps comes behind this one; 0 never does.
pub(crate) fn due(every: u64, step: u64) -> bool {
    every > 0 && step.is_multiple_of(every)
}

/// Thousands of real images shown to D after so many G steps.
pub(crate) fn kimg(config: &Config, steps: u64) -> f64 {
    steps as f64 * (config.optim.batch * config.optim.num_d_steps) as f64 / 1000.0
}

/// The record of the tick that ends now; the sums start anew.
pub(crate) fn record(trainer: &mut Trainer, splits: &Splits) -> Result<Record> {
    trainer.catch_up()?;
    let sums = std::mem::take(&mut trainer.sums);
    let mut values: BTreeMap<String, Option<f64>> = BTreeMap::new();
    for name in sums.names() {
        let value = if name.starts_with("nonfinite/") { Some(sums.total(name)) } else { sums.mean(name) };
        values.insert(name.to_string(), value);
    }
    values.insert("loss/d_variance".into(), sums.variance("loss/d"));
    values.insert("d/r_t".into(), sums.mean("d/sign_real"));
    values.insert("g/distance".into(), trainer.relative_distance()?);
    let [train, held_out] = [answers(trainer, &splits.train)?, answers(trainer, &splits.test)?];
    values.insert("d/acc_train".into(), train.mean("accuracy"));
    values.insert("d/acc_heldout".into(), held_out.mean("accuracy"));
    let (a, b) = (train.mean("accuracy"), held_out.mean("accuracy"));
    values.insert("d/gap".into(), a.zip(b).map(|(a, b)| a - b));
    let (train, held_out, fake) = (train.mean("logit"), held_out.mean("logit"), sums.mean("d/logit_fake"));
    // r_v of ADA, section 3.1, eq. 1: how much of the way from fakes to training reals held-out reals are short of.
    let r_v =
        train.zip(held_out).zip(fake).map(|((train, held_out), fake)| (train - held_out) / (train - fake).max(1e-8));
    values.insert("d/r_v".into(), r_v);
    if let Some(p) = trainer.augmentation().p() {
        values.insert("augment/p".into(), Some(p));
    }
    if let Some(apa) = &trainer.objective.apa {
        values.insert("apa/p".into(), Some(apa.p()));
    }
    if let Some(noise) = &trainer.config.loss.instance_noise {
        values.insert("instance_noise/std".into(), Some(noise.std_at(kimg(&trainer.config, trainer.itr))));
    }
    Ok(Record { step: trainer.itr, kimg: kimg(&trainer.config, trainer.itr), values })
}

/// D's outputs and its accuracy (share above 0) on the first images of a split, seen through T as in D's real step.
fn answers(trainer: &Trainer, dataset: &Dataset) -> Result<Sums> {
    const AUGMENT: Purpose = Purpose::new("monitor.augment");
    let count = trainer.config.train.monitor_images.min(dataset.len());
    let mut sums = Sums::default();
    let mut stream = Stream::new(trainer.config.seed, AUGMENT, trainer.itr);
    for start in (0..count).step_by(trainer.config.optim.batch) {
        let n = trainer.config.optim.batch.min(count - start);
        let bytes = dataset.image_bytes();
        let images = images_to_float(&dataset.images[start * bytes..(start + n) * bytes]);
        let labels = dataset.labels[start..start + n].iter().map(|label| *label as i32).collect();
        let (images, labels) = trainer.images(images, labels)?;
        let draws = trainer.augmentation().draw(n, trainer.image_shape(), &mut stream);
        let logits = no_grad(|| {
            let seen = trainer.objective.as_d_sees_reals(&images, &draws)?;
            Ok::<_, crate::Error>(trainer.discriminator.logits(&seen, &labels, Mode::Running)?.to_vec::<f32>()?)
        })?;
        for logit in logits {
            sums.add("logit", f64::from(logit));
            sums.add("accuracy", f64::from(u8::from(logit > 0.0)));
        }
    }
    Ok(sums)
}

/// Fakes of the averaged generator with fixed z: ten columns, a row a class (or eight rows without classes).
pub(crate) fn samples(trainer: &Trainer, mode: Mode) -> Result<Grid> {
    let generator = trainer.ema.as_ref();
    let (z, labels, rows, columns) = class_rows(generator, trainer.config.seed, &trainer.device)?;
    let images = no_grad(|| generator.generate(&z, &labels, mode))?;
    let pixels = to_uint8_diffaugment(&images.to_vec::<f32>()?);
    Ok(Grid::new(&pixels, generator.image_shape(), rows, columns))
}
