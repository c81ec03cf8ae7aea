//! Kind `biggan`, case `step`: whole training iterations on given latents, labels, reals and draws.
//!
//! In f64: Adam's first steps divide each gradient by its own size, so that f32's rounding of a small gradient moves a
//! weight by as much as the files' tolerance. The gradients themselves are checked in f32 by the other cases.

use anyhow::{Context, Result};
use frugan_augment::{AugmentConfig, CrDraws, Draws, On, Policy};
use frugan_autograd::{DType, Device, GraphMode, Ints, Var, grad_of_scalar, no_grad};
use frugan_losses::{CrConfig, LossConfig};
use frugan_models::Models;
use frugan_nn::{Adam, AdamConfig, Ema, EpsPlacement, Mode, Params};
use frugan_train::{AugmentDraws, Config as RunConfig, DBatch, DDraws, DLosses, GBatch, Objective};
use serde::Deserialize;

use super::biggan::networks;
use super::check::Check;
use super::diffaug::policy_draws;
use super::file::{Array, GoldenFile};

const DTYPE: DType = DType::F64;

#[derive(Deserialize)]
struct Config {
    batch: usize,
    #[serde(rename = "num_D_steps")]
    num_d_steps: usize,
    iters: u64,
    itr0: u64,
    lr: f64,
    betas: [f64; 2],
    adam_eps: f64,
    policy: String,
    #[serde(rename = "CR")]
    cr: f64,
    #[serde(rename = "CR_augment")]
    cr_augment: String,
    ema_decay: f64,
    ema_start: u64,
}

pub(super) fn check(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let config: Config = file.config()?;
    let mut replay = Replay::new(file, &config)?;
    for i in 0..config.iters {
        replay.iteration(check, i)?;
    }
    let Models { generator, discriminator } = &replay.models;
    for (letter, params) in
        [("G", generator.params()), ("D", discriminator.params()), ("Gema", replay.average.generator.params())]
    {
        for (name, _, var) in params.iter() {
            check.var(&format!("out.{letter}.{name}"), var)?;
        }
    }
    Ok(())
}

/// The training step on a file's inputs in place of the run's own streams and loader.
struct Replay<'a> {
    file: &'a GoldenFile,
    config: &'a Config,
    models: Models,
    average: Models,
    objective: Objective,
    policy: Policy,
    cr_augment: Option<CrReplay>,
    adam_g: Adam,
    adam_d: Adam,
    draws: std::vec::IntoIter<&'a Array>,
    /// Batches of latents and of reals taken so far.
    num_latents: usize,
    num_reals: usize,
}

impl<'a> Replay<'a> {
    fn new(file: &'a GoldenFile, config: &'a Config) -> Result<Self> {
        let (models, average) = (networks(file, DTYPE)?, networks(file, DTYPE)?);
        models.generator.params().load(&file.state("param.G.", DTYPE)?)?;
        models.discriminator.params().load(&file.state("param.D.", DTYPE)?)?;
        average.generator.params().copy_from(models.generator.params())?;
        let [beta1, beta2] = config.betas;
        let adam = AdamConfig { lr: config.lr, beta1, beta2, eps: config.adam_eps, eps_placement: EpsPlacement::Torch };
        let run = RunConfig {
            augment: AugmentConfig {
                policy: config.policy.clone(),
                on: On { d_real: true, d_fake: true, g_fake: true },
                ada: None,
            },
            loss: LossConfig {
                cr: CrConfig { weight: config.cr, augment: config.cr_augment.clone() },
                ..LossConfig::default()
            },
            ..RunConfig::default()
        };
        // The pairing (T(x), x) draws nothing of its own.
        let augments_pairs = config.cr > 0.0 && !config.cr_augment.is_empty();
        Ok(Self {
            adam_g: Adam::new(adam, models.generator.params())?,
            adam_d: Adam::new(adam, models.discriminator.params())?,
            objective: Objective::new(&run, &Device::Cpu)?,
            policy: Policy::parse(&config.policy)?,
            cr_augment: augments_pairs.then(|| CrReplay::parse(&config.cr_augment)).transpose()?,
            draws: file.draws().map(|(_, array)| array).collect::<Vec<_>>().into_iter(),
            models,
            average,
            file,
            config,
            num_latents: 0,
            num_reals: 0,
        })
    }

    /// Section 3.3 of DiffAugment: D's steps, G's step, the average; the logged losses are those of the last D step.
    fn iteration(&mut self, check: &mut Check, i: u64) -> Result<()> {
        let itr = self.config.itr0 + i;
        let mut last = None;
        for _ in 0..self.config.num_d_steps {
            last = Some(self.d_step(itr)?);
        }
        let losses = last.context("num_D_steps is 0")?;
        check.value(&format!("out.it{i}.D_loss_real"), losses.real.item()?)?;
        check.value(&format!("out.it{i}.D_loss_fake"), losses.fake.item()?)?;
        if let Some(cr) = losses.penalty("cr") {
            check.value(&format!("out.it{i}.D_loss_CR"), cr.item()?)?;
        }
        let loss = self.g_step()?;
        check.value(&format!("out.it{i}.G_loss"), loss.item()?)?;
        let ema = Ema { decay: self.config.ema_decay, start_itr: self.config.ema_start };
        ema.update(self.average.generator.params(), self.models.generator.params(), itr)?;
        Ok(())
    }

    fn d_step(&mut self, itr: u64) -> Result<DLosses> {
        let (z, fake_labels) = self.latents()?;
        let fake = no_grad(|| self.models.generator.generate(&z, &fake_labels, Mode::Train))?;
        let (real, real_labels) = self.reals()?;
        let policy = policy_draws(&self.policy, &mut self.draws)?;
        let cr = match &self.cr_augment {
            Some(augment) => Some(augment.draws(&mut self.draws)?),
            None => None,
        };
        let batch =
            DBatch { fake: &fake, fake_labels: &fake_labels, moved_fake: None, real: &real, real_labels: &real_labels };
        let d = self.models.discriminator.as_ref();
        let draws = DDraws { augment: of_policy(policy), cr, ..DDraws::default() };
        let losses = self.objective.discriminator(d, &batch, &draws, itr, false)?;
        step(&mut self.adam_d, d.params(), &losses.total)?;
        Ok(losses)
    }

    fn g_step(&mut self) -> Result<Var> {
        let (z, labels) = self.latents()?;
        let fake = self.models.generator.generate(&z, &labels, Mode::Train)?;
        let draws = policy_draws(&self.policy, &mut self.draws)?;
        let batch = GBatch { fake: &fake, fake_labels: &labels, moved_fake: None, real: None };
        let draws = of_policy(draws).into();
        let loss = self.objective.generator(self.models.discriminator.as_ref(), batch, &draws)?.total;
        step(&mut self.adam_g, self.models.generator.params(), &loss)?;
        Ok(loss)
    }

    fn latents(&mut self) -> Result<(Var, Ints)> {
        let i = self.num_latents;
        self.num_latents += 1;
        let (z, labels) = (self.file.array("in.z")?.rows(i, 1), self.file.array("in.gy")?.rows(i, 1));
        Ok((Var::constant(z.to_tensor(DTYPE)?.squeeze(0)?), Ints::from(labels.to_i32())))
    }

    fn reals(&mut self) -> Result<(Var, Ints)> {
        let (i, n) = (self.num_reals * self.config.batch, self.config.batch);
        self.num_reals += 1;
        let (x, labels) = (self.file.array("in.x")?.rows(i, n), self.file.array("in.y")?.rows(i, n));
        Ok((Var::constant(x.to_tensor(DTYPE)?), Ints::from(labels.to_i32())))
    }
}

/// The files' method has no pipe of ADA.
fn of_policy(policy: Draws) -> AugmentDraws {
    AugmentDraws { policy, ada: None }
}

fn step(adam: &mut Adam, params: &Params, loss: &Var) -> Result<()> {
    let gradients = grad_of_scalar(loss, &params.weights(), GraphMode::Free)?;
    Ok(adam.step(params, &gradients)?)
}

/// Which draws CR's augmentation takes: a coin an image where it starts with a flip, then those of its policy.
struct CrReplay {
    flips: bool,
    policy: Policy,
}

impl CrReplay {
    fn parse(augment: &str) -> Result<Self> {
        let rest = augment.strip_prefix("flip,");
        Ok(Self { flips: rest.is_some(), policy: Policy::parse(rest.unwrap_or(augment))? })
    }

    fn draws(&self, arrays: &mut dyn Iterator<Item = &Array>) -> Result<CrDraws> {
        let flip = match self.flips {
            true => arrays.next().context("the file has no coins")?.values.iter().map(|&coin| coin > 0.0).collect(),
            false => Vec::new(),
        };
        Ok(CrDraws { flip, draws: policy_draws(&self.policy, arrays)? })
    }
}
