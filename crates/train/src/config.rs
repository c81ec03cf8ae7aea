//! The resolved configuration of a run: every value that a result depends on.

use frugan_augment::AugmentConfig;
use frugan_data::DataConfig;
use frugan_losses::LossConfig;
use frugan_metrics::EvalConfig;
use frugan_models::ModelConfig;
use frugan_nn::{AdamConfig, Ema, HalflifeEma, Params, Precision};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::early_stop::EarlyStopConfig;
use crate::error::{Error, Result};
use crate::nonfinite::Nonfinite;
use crate::ranks::RanksConfig;
use crate::transfer::TransferConfig;

/// One training run. The defaults are the DiffAugment paper's BigGAN on CIFAR-10 (its code's launch flags).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seeds every draw of the run: weights, latents, labels, augmentation, data order. Example: `seed=1`.
    pub seed: u64,
    /// `auto`, `cpu` or `cuda[:n]`. Not part of the run's name.
    pub device: String,
    /// `f32`, or on a GPU `tf32` or `bf16`: how products and convolutions round their factors. Weights, statistics, losses and
    /// the average stay F32 in each. Default: f32.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// The generator and the discriminator.
    pub model: ModelConfig,
    /// The augmentation T and where it acts.
    pub augment: AugmentConfig,
    /// The adversarial loss and its regularisers.
    pub loss: LossConfig,
    /// The training images.
    pub data: DataConfig,
    /// Batch, optimisers and the average of weights.
    pub optim: OptimConfig,
    /// The metrics and their protocol.
    pub eval: EvalConfig,
    /// Length and bookkeeping.
    pub train: TrainConfig,
    /// Processes that share each batch. Default: one.
    #[serde(skip_serializing_if = "RanksConfig::is_default")]
    pub ranks: RanksConfig,
    /// First weights from a trained model. Default: none, they are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<TransferConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            device: "auto".into(),
            precision: Precision::default(),
            model: ModelConfig::default(),
            augment: AugmentConfig::default(),
            loss: LossConfig::default(),
            data: DataConfig::default(),
            optim: OptimConfig::default(),
            eval: EvalConfig::default(),
            train: TrainConfig::default(),
            ranks: RanksConfig::default(),
            transfer: None,
        }
    }
}

/// Batch, optimisers and the average of weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimConfig {
    /// Real images of one D step, and fakes of one D or G step.
    pub batch: usize,
    /// D steps before each G step, each on fresh reals and fakes.
    pub num_d_steps: usize,
    /// The generator's Adam.
    pub g: AdamConfig,
    /// The discriminator's Adam.
    pub d: AdamConfig,
    /// The average of the generator's weights, which samples and metrics use.
    pub ema: EmaConfig,
    /// Which network steps first in an iteration: `d` (default, DiffAugment's BigGAN) or `g` (StyleGAN2's code).
    #[serde(skip_serializing_if = "First::is_default")]
    pub first: First,
    /// Lazy regularisation: R1 and path length in steps of their own, and seldom. Default: none, both in every step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lazy: Option<Lazy>,
    /// Gradients of each network are scaled down to this norm, if given.
    pub clip_norm: Option<f64>,
    /// Gradients are cut to [-v, v], if given.
    pub clip_value: Option<f64>,
}

impl Default for OptimConfig {
    fn default() -> Self {
        Self {
            batch: 50,
            num_d_steps: 4,
            g: AdamConfig::default(),
            d: AdamConfig::default(),
            ema: EmaConfig::default(),
            first: First::D,
            lazy: None,
            clip_norm: None,
            clip_value: None,
        }
    }
}

impl OptimConfig {
    /// The settings of G's and D's Adam. With lazy regularisation every k iterations a network takes k + 1 steps in the
    /// time of k, so its learning rate and the logarithms of its betas shrink by k / (k + 1) (StyleGAN2, appendix B),
    /// whether or not a regulariser has a weight.
    pub fn lazily_scaled(&self) -> [AdamConfig; 2] {
        let scaled = |adam: &AdamConfig, interval: u64| {
            let ratio = interval as f64 / (interval as f64 + 1.0);
            let AdamConfig { lr, beta1, beta2, .. } = *adam;
            AdamConfig { lr: lr * ratio, beta1: beta1.powf(ratio), beta2: beta2.powf(ratio), ..*adam }
        };
        match self.lazy {
            None => [self.g, self.d],
            Some(Lazy { g_interval, d_interval }) => [scaled(&self.g, g_interval), scaled(&self.d, d_interval)],
        }
    }
}

/// The network that steps first in an iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum First {
    /// All of D's steps, then G's: DiffAugment's BigGAN.
    #[default]
    D,
    /// G's step, then D's: StyleGAN2's code.
    G,
}

impl First {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How seldom the regularisers act (Karras et al. 2020, appendix B); the defaults are the published ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lazy {
    /// Iterations from one path length step to the next. Default 4.
    pub g_interval: u64,
    /// Iterations from one R1 step to the next. Default 16.
    pub d_interval: u64,
}

impl Default for Lazy {
    fn default() -> Self {
        Self { g_interval: 4, d_interval: 16 }
    }
}

/// The average of the generator's weights: BigGAN's by a decay a step, or StyleGAN2's by a half-life in images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmaConfig {
    /// Share of the old average, in [0, 1). Default 0.9999. Not read where there is a half-life.
    pub decay: f64,
    /// The first G step that averages; before it the average is a copy. Default 1000. Not read where there is a half-life.
    pub start_itr: u64,
    /// Half-life in thousands of real images: weights are averaged, buffers copied (StyleGAN2). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halflife_kimg: Option<f64>,
    /// Caps the half-life at this share of the images seen so far (ADA's CIFAR configuration: 0.05). Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rampup: Option<f64>,
    /// With a half-life: the average is a copy until so many thousands of images were seen (DiffAugment's StyleGAN2: the
    /// half-life). Default: none, it averages from the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_kimg: Option<f64>,
}

impl Default for EmaConfig {
    fn default() -> Self {
        let Ema { decay, start_itr } = Ema::default();
        Self { decay, start_itr, halflife_kimg: None, rampup: None, start_kimg: None }
    }
}

impl EmaConfig {
    /// Moves the average towards the weights after G step `itr`, ahead of which `nimg` real images were seen.
    pub(crate) fn update(&self, ema: &Params, source: &Params, batch: usize, itr: u64, nimg: u64) -> Result<()> {
        let Some(ema_kimg) = self.halflife_kimg else {
            return Ok(Ema { decay: self.decay, start_itr: self.start_itr }.update(ema, source, itr)?);
        };
        let copies = self.start_kimg.is_some_and(|start| (nimg as f64) < start * 1000.0);
        let average = HalflifeEma { ema_kimg: if copies { 0.0 } else { ema_kimg }, rampup: self.rampup };
        Ok(average.update(ema, source, batch, nimg)?)
    }

    fn check(&self) -> Result<()> {
        below_one("optim.ema.decay", self.decay)?;
        for (name, value) in [
            ("optim.ema.halflife_kimg", self.halflife_kimg),
            ("optim.ema.rampup", self.rampup),
            ("optim.ema.start_kimg", self.start_kimg),
        ] {
            value.map_or(Ok(()), |v| positive(name, v))?;
        }
        if self.halflife_kimg.is_none() && (self.rampup.is_some() || self.start_kimg.is_some()) {
            return Err(Error::Config(
                "optim.ema.rampup and start_kimg belong to a half-life: set optim.ema.halflife_kimg, or leave them out"
                    .into(),
            ));
        }
        Ok(())
    }
}

/// Length and bookkeeping of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// G steps of the whole run. A run in the same folder goes on where this alone was raised.
    pub steps: u64,
    /// G steps of a tick: one line of `stats.jsonl`.
    pub tick_steps: u64,
    /// G steps between states from which a run resumes.
    pub save_every_steps: u64,
    /// G steps between sample grids; 0 for one at the end only.
    pub sample_every_steps: u64,
    /// G steps between histograms of weights and gradients in TensorBoard; 0 for none.
    pub histogram_every_steps: u64,
    /// `stop`, `skip:N` (up to N steps in a row) or `replace` (NaN by 0, infinities by 1e5, as StyleGAN2's code does).
    pub nonfinite: Nonfinite,
    /// On a GPU: an iteration runs as one CUDA graph, and its losses are read when a tick ends. The results are the same bits
    /// without, step by step. Default: true.
    #[serde(skip_serializing_if = "is_on")]
    pub graph: bool,
    /// Every snapshot, or only the best one and the last.
    pub keep_snapshots: KeepSnapshots,
    /// Training and held-out images that D is asked about each tick (the overfitting monitor).
    pub monitor_images: usize,
    /// Ends the run when a metric has not improved for some evaluations. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStopConfig>,
}

/// What is left out of a run's name, as every value that is its default since it came.
fn is_on(on: &bool) -> bool {
    *on
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 250_000,
            tick_steps: 100,
            save_every_steps: 2000,
            sample_every_steps: 2000,
            histogram_every_steps: 0,
            nonfinite: Nonfinite::Stop,
            graph: true,
            keep_snapshots: KeepSnapshots::BestAndLast,
            monitor_images: 200,
            early_stop: None,
        }
    }
}

/// Which snapshots stay on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepSnapshots {
    /// The one with the best first metric, and the last one.
    BestAndLast,
    /// One at each evaluation.
    All,
}

impl Config {
    /// Checks what does not need the data: ranges, and values that contradict each other.
    ///
    /// # Errors
    /// One sentence that names the value, the rule and the fix.
    pub fn check(&self) -> Result<()> {
        let config = |e: String| Error::Config(e);
        self.augment.check().map_err(|e| config(e.to_string()))?;
        self.loss.check().map_err(|e| config(e.to_string()))?;
        self.eval.validate()?;
        let o = &self.optim;
        at_least("optim.batch", o.batch as u64, 1)?;
        at_least("optim.num_d_steps", o.num_d_steps as u64, 1)?;
        for (name, adam) in [("optim.g", &o.g), ("optim.d", &o.d)] {
            positive(&format!("{name}.lr"), adam.lr)?;
            positive(&format!("{name}.eps"), adam.eps)?;
            below_one(&format!("{name}.beta1"), adam.beta1)?;
            below_one(&format!("{name}.beta2"), adam.beta2)?;
        }
        o.ema.check()?;
        if let Some(lazy) = &o.lazy {
            at_least("optim.lazy.g_interval", lazy.g_interval, 1)?;
            at_least("optim.lazy.d_interval", lazy.d_interval, 1)?;
        }
        for (name, value) in [("optim.clip_norm", o.clip_norm), ("optim.clip_value", o.clip_value)] {
            value.map_or(Ok(()), |v| positive(name, v))?;
        }
        let t = &self.train;
        at_least("train.steps", t.steps, 1)?;
        at_least("train.tick_steps", t.tick_steps, 1)?;
        at_least("train.save_every_steps", t.save_every_steps, 1)?;
        at_least("train.monitor_images", t.monitor_images as u64, 1)?;
        self.ranks.check(self)?;
        t.early_stop.as_ref().map_or(Ok(()), |stop| stop.check(self))?;
        self.transfer.as_ref().map_or(Ok(()), TransferConfig::check)
    }

    /// Twelve hex digits that name the run: all values but where files lie and which device computes.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.without_places().to_toml().as_bytes());
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a run's results depend on: not where files lie, nor which device computes.
    pub(crate) fn without_places(&self) -> Self {
        let mut same = self.clone();
        same.device = String::new();
        same.ranks.timeout_s = RanksConfig::default().timeout_s;
        same.data.root = None;
        same.eval.weights = None;
        same
    }

    /// The configuration as a TOML document, as `config.toml` of a run holds it.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a config is plain numbers, texts and tables")
    }

    /// Reads what [`Config::to_toml`] wrote.
    ///
    /// # Errors
    /// If the text is not a configuration of this version.
    pub fn from_toml(text: &str) -> Result<Self> {
        toml::from_str(text).map_err(|e| Error::Config(format!("not a run's configuration: {}", e.message())))
    }
}

fn at_least(name: &str, value: u64, least: u64) -> Result<()> {
    if value < least {
        return Err(Error::Config(format!("{name} = {value}: want {least} or more")));
    }
    Ok(())
}

fn positive(name: &str, value: f64) -> Result<()> {
    if !(value.is_finite() && value > 0.0) {
        return Err(Error::Config(format!("{name} = {value}: want a finite number above 0")));
    }
    Ok(())
}

fn below_one(name: &str, value: f64) -> Result<()> {
    if !(0.0..1.0).contains(&value) {
        return Err(Error::Config(format!("{name} = {value}: want a number in [0, 1)")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_config_survives_its_file() {
        let mut config = Config::default();
        config.optim.clip_norm = Some(1.5);
        config.train.nonfinite = Nonfinite::Skip(3);
        assert_eq!(Config::from_toml(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn the_hash_names_results_not_places() {
        let base = Config::default();
        let mut moved = base.clone();
        moved.device = "cpu".into();
        moved.data.root = Some("/elsewhere".into());
        assert_eq!(base.hash(), moved.hash());
        let mut other = base.clone();
        other.seed = 1;
        assert_ne!(base.hash(), other.hash());
    }

    #[test]
    fn values_out_of_range_are_named() {
        let mut config = Config::default();
        config.optim.g.lr = f64::NAN;
        assert_eq!(config.check().unwrap_err().to_string(), "optim.g.lr = NaN: want a finite number above 0");
        let mut config = Config::default();
        config.optim.batch = 0;
        assert_eq!(config.check().unwrap_err().to_string(), "optim.batch = 0: want 1 or more");
    }
}
