//! Metrics of the averaged generator, under the protocol of `eval`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use frugan_augment::Policy;
use frugan_autograd::{Device, Tensor, Var};
use frugan_data::{DataConfig, Dataset, Splits, images_to_float};
use frugan_metrics::{
    EvalConfig, Evaluator, FeatureCache, Images, Leak, LeakDetector, Reference, Score, to_uint8_diffaugment,
};
use frugan_models::Generator;
use frugan_nn::{Mode, Purpose, Stream};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::library::Library;
use crate::path_length::path_lengths;
use crate::snapshot::{Draw, fakes};
use crate::stats::Record;
use crate::tick::kimg;
use crate::trainer::Trainer;

/// Real images that calibrate the leak measure.
const LEAK_REALS: usize = 1000;

/// How a run is measured. The reference's features are computed when they are first needed.
pub struct Evaluation {
    config: EvalConfig,
    policy: Policy,
    /// The protocol's own first; a second where `eval.also` names another split.
    references: Vec<(Reference, Dataset)>,
    /// Labels that the fakes' are drawn from, where the data's config says so.
    labels: Option<Vec<i32>>,
    network: String,
    /// Where the feature network computes.
    device: Device,
    ready: Mutex<Option<Arc<Evaluator>>>,
}

impl Evaluation {
    /// Opens the feature network, to see that it is there and whole; reads no image yet.
    ///
    /// # Errors
    /// If the weights are missing or of another network, or a split has too few images for what is measured against it.
    pub fn new(config: &Config, splits: &Splits, library: &mut Library) -> Result<Self> {
        let mut references = Vec::new();
        for reference in config.eval.references()? {
            let images = match reference {
                Reference::Test => splits.test.clone(),
                // All training images, also where the run trains on a subset: the published protocol.
                Reference::Train | Reference::Full => {
                    let whole = DataConfig { num_images: None, fraction: None, ..config.data.clone() };
                    library.splits(&whole)?.train.clone()
                }
            };
            references.push((reference, images));
        }
        check_reals(config, &references)?;
        let policy = Policy::parse(&config.augment.policy).map_err(|e| Error::Config(e.to_string()))?;
        let network = library.network(&config.eval)?;
        let whole = references.iter().find(|(reference, _)| reference.is_train()).map(|(_, images)| images);
        let labels = config.data.fake_labels.of(whole.unwrap_or(&splits.train));
        let device = config.device.parse::<Device>().map_err(|e| Error::Config(e.to_string()))?;
        let config = config.eval.clone();
        Ok(Self { config, policy, references, labels, network, device, ready: Mutex::new(None) })
    }

    /// One line on what the numbers are.
    pub fn describe(&self) -> String {
        let (config, reference) = (&self.config, self.reference());
        let also = if config.also.is_empty() { String::new() } else { format!(", and {}", config.also.join(", ")) };
        format!(
            "{} fakes against {} ({} images) by {}{also}",
            config.num_fakes,
            reference.name,
            reference.len(),
            self.network
        )
    }

    /// The reals of the protocol: the test split, or all training images whatever the run trains on.
    pub fn reference(&self) -> &Dataset {
        &self.references[0].1
    }

    /// The feature network, in words.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Batch norm of the generator that makes the fakes.
    pub fn mode(&self) -> Mode {
        self.config.generator_mode.layers()
    }

    /// Measures a generator. `progress` hears of fakes made.
    ///
    /// # Errors
    /// If the reference cannot be computed or memory runs out.
    pub fn scores(
        &self,
        generator: &dyn Generator,
        device: &Device,
        progress: &dyn Fn(usize, usize),
    ) -> Result<BTreeMap<String, Score>> {
        let evaluator = self.evaluator()?;
        let mut measurement = evaluator.begin();
        let shape = generator.image_shape();
        let mut done = 0;
        let count = self.config.most_fakes()?;
        let labels = self.labels.as_deref();
        let draw = Draw {
            count,
            batch: self.config.batch,
            mode: self.mode(),
            seed: self.config.seed,
            rule: self.config.uint8,
            labels,
        };
        fakes(generator, draw, device, |pixels| {
            let images = Images::new(pixels, shape)?;
            done += images.len();
            measurement.push(images)?;
            progress(done, count);
            Ok(())
        })?;
        let mut scores: BTreeMap<String, Score> = measurement.finish()?.into_iter().collect();
        scores.extend(path_lengths(generator, &self.config, labels, device)?);
        Ok(scores)
    }

    /// What the reals have against themselves under this protocol ([`Evaluator::floor`]).
    ///
    /// # Errors
    /// If the reference cannot be computed.
    pub fn floor(&self) -> Result<BTreeMap<String, f64>> {
        let scores = self.evaluator()?.floor()?;
        Ok(scores.into_iter().filter_map(|(name, score)| Some((name, score.value()?))).collect())
    }

    /// Loads the feature network and its numbers of the reals, which the first evaluation would do otherwise.
    pub(crate) fn prepare(&self) -> Result<()> {
        self.evaluator().map(drop)
    }

    pub(crate) fn run(&self, trainer: &Trainer, progress: &dyn Fn(usize, usize)) -> Result<Record> {
        let scores = self.scores(trainer.ema.as_ref(), &trainer.device, progress)?;
        let values = scores.into_iter().map(|(name, score)| (name, score.value())).collect();
        Ok(Record { step: trainer.itr, kimg: kimg(&trainer.config, trainer.itr), values })
    }

    fn evaluator(&self) -> Result<Arc<Evaluator>> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(evaluator) = ready.as_ref() {
            return Ok(evaluator.clone());
        }
        let mut evaluator = Evaluator::open(&self.config)?.to_device(&self.device)?;
        for (reference, reals) in &self.references {
            let images = Images::new(&reals.images, reals.shape)?;
            evaluator.set_reference_of(*reference, images, FeatureCache::of_user().as_ref())?;
        }
        if let Some(detector) = self.leak_detector()? {
            evaluator.set_leak(detector);
        }
        Ok(ready.insert(Arc::new(evaluator)).clone())
    }

    /// Knows T's traces from clean reals and from reals with one part of T each; `None` without T, and where there are too few reals to
    /// know them from.
    fn leak_detector(&self) -> Result<Option<LeakDetector>> {
        let kinds = Leak::of_policy(&self.policy.to_string());
        if kinds.is_empty() {
            return Ok(None);
        }
        let reals = self.reference();
        if reals.len() < LeakDetector::FEWEST {
            return Ok(None);
        }
        let (clean, shape) = (&reals.images[..reals.image_bytes() * LEAK_REALS.min(reals.len())], reals.shape);
        let mut augmented = Vec::new();
        for kind in kinds {
            augmented.push((kind, augment(clean, shape, kind)?));
        }
        let sets = augmented
            .iter()
            .map(|(kind, bytes)| Ok((*kind, Images::new(bytes, shape)?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(Some(LeakDetector::calibrate(Images::new(clean, shape)?, &sets)?))
    }
}

/// Whether each metric has the reals that it needs.
fn check_reals(config: &Config, references: &[(Reference, Dataset)]) -> Result<()> {
    let eval = &config.eval;
    for metric in eval.named_metrics()? {
        let (of, least) = (metric.reference, metric.least_reals());
        let images = references.iter().find(|(known, _)| known.is_train() == of.is_train()).map(|(_, images)| images);
        let Some(images) = images.filter(|images| images.len() < least) else { continue };
        let key = match eval.also.contains(&metric.name()) {
            true => format!("eval.also = {}", metric.name()),
            false => format!("eval.reference = \"{}\"", of.name()),
        };
        let fix = match of.is_train() {
            true => "leave it out, or add images",
            false => "take the training images (eval.reference=train), or hold out more (data.test_fraction)",
        };
        return Err(Error::Config(format!(
            "{key}: {} wants {least} real images or more, and {} has {}; {fix}",
            metric.name(),
            images.name,
            images.len()
        )));
    }
    Ok(())
}

/// Reals under one part of T, as bytes.
fn augment(clean: &[u8], [channels, height, width]: [usize; 3], kind: Leak) -> Result<Vec<u8>> {
    const CALIBRATION: Purpose = Purpose::new("leak.augment");
    let n = clean.len() / (channels * height * width);
    let policy = Policy::parse(kind.name()).map_err(|e| Error::Config(e.to_string()))?;
    let draws = policy.draw(n, height, width, &mut Stream::new(0, CALIBRATION, 0));
    let images = Tensor::from_vec(images_to_float(clean), (n, channels, height, width), &candle_core::Device::Cpu)?;
    Ok(to_uint8_diffaugment(&policy.apply(&Var::constant(images), &draws)?.to_vec::<f32>()?))
}
