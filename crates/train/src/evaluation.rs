//! Metrics of the averaged generator, under the protocol of `eval`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use frugan_augment::Policy;
use frugan_autograd::{Device, Tensor, Var};
use frugan_data::{DataConfig, Dataset, Splits, images_to_float};
use frugan_metrics::{
    EvalConfig, Evaluator, FeatureCache, GeneratorMode, Images, Leak, LeakDetector, Reference, Score,
    to_uint8_diffaugment,
};
use frugan_models::Generator;
use frugan_nn::{Mode, Purpose, Stream};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::library::Library;
use crate::snapshot::fakes;
use crate::stats::Record;
use crate::tick::kimg;
use crate::trainer::Trainer;

/// Real images that calibrate the leak measure.
const LEAK_REALS: usize = 1000;

/// How a run is measured. The reference's features are computed when they are first needed.
pub struct Evaluation {
    config: EvalConfig,
    policy: Policy,
    reference: Dataset,
    network: String,
    ready: Mutex<Option<Arc<Evaluator>>>,
}

impl Evaluation {
    /// Opens the feature network, to see that it is there and whole; reads no image yet.
    ///
    /// # Errors
    /// If the weights are missing or of another network.
    pub fn new(config: &Config, splits: &Splits, library: &mut Library) -> Result<Self> {
        let reference = match config.eval.reference {
            Reference::Test => splits.test.clone(),
            // All training images, also where the run trains on a subset: the published protocol.
            Reference::Train => {
                let whole = DataConfig { num_images: None, fraction: None, ..config.data.clone() };
                library.splits(&whole)?.train.clone()
            }
        };
        let policy = Policy::parse(&config.augment.policy).map_err(|e| Error::Config(e.to_string()))?;
        let network = library.network(&config.eval)?;
        Ok(Self { config: config.eval.clone(), policy, reference, network, ready: Mutex::new(None) })
    }

    /// One line on what the numbers are.
    pub fn describe(&self) -> String {
        let c = &self.config;
        format!(
            "{} fakes against {} ({} images) by {}",
            c.num_fakes,
            self.reference.name,
            self.reference.len(),
            self.network
        )
    }

    /// The feature network, in words.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Batch norm of the generator that makes the fakes.
    pub fn mode(&self) -> Mode {
        match self.config.generator_mode {
            GeneratorMode::Batch => Mode::Batch,
            GeneratorMode::Running => Mode::Running,
        }
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
        let (count, batch) = (self.config.num_fakes, self.config.batch);
        fakes(generator, (count, batch), (self.mode(), self.config.seed), device, |pixels| {
            let images = Images::new(pixels, shape)?;
            done += images.len();
            measurement.push(images)?;
            progress(done, count);
            Ok(())
        })?;
        Ok(measurement.finish()?.into_iter().collect())
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
        let mut evaluator = Evaluator::open(&self.config)?;
        let images = Images::new(&self.reference.images, self.reference.shape)?;
        evaluator.set_reference(images, FeatureCache::of_user().as_ref())?;
        if let Some(detector) = self.leak_detector()? {
            evaluator.set_leak(detector);
        }
        Ok(ready.insert(Arc::new(evaluator)).clone())
    }

    /// Knows T's traces from clean reals and from reals with one part of T each; `None` without T.
    fn leak_detector(&self) -> Result<Option<LeakDetector>> {
        let kinds = Leak::of_policy(&self.policy.to_string());
        if kinds.is_empty() {
            return Ok(None);
        }
        let clean = &self.reference.images[..self.reference.image_bytes() * LEAK_REALS.min(self.reference.len())];
        let shape = self.reference.shape;
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

/// Reals under one part of T, as bytes.
fn augment(clean: &[u8], [channels, height, width]: [usize; 3], kind: Leak) -> Result<Vec<u8>> {
    const CALIBRATION: Purpose = Purpose::new("leak.augment");
    let n = clean.len() / (channels * height * width);
    let policy = Policy::parse(kind.name()).map_err(|e| Error::Config(e.to_string()))?;
    let draws = policy.draw(n, height, width, &mut Stream::new(0, CALIBRATION, 0));
    let images = Tensor::from_vec(images_to_float(clean), (n, channels, height, width), &candle_core::Device::Cpu)?;
    Ok(to_uint8_diffaugment(&policy.apply(&Var::constant(images), &draws)?.to_vec::<f32>()?))
}
