//! Kind `sg2`, case `phase`: the gradients of each of ADA's four training phases, on given draws.

use anyhow::{Context, Result, bail};
use frugan_augment::Policy;
use frugan_autograd::{DType, Device, GraphMode, Ints, Tensor, Var, grad_of_scalar, no_grad};
use frugan_losses::{Adversarial, PathLength, r1_penalty};
use frugan_models::{Models, Noise, StyleGenerator, StyleMix};
use frugan_nn::{Mode, Params};
use serde::Deserialize;

use super::check::Check;
use super::diffaug::policy_draws;
use super::file::{Array, GoldenFile};
use super::sg2_models::{classes, networks};

const LOSS: Adversarial = Adversarial::NonSaturating;

#[derive(Deserialize)]
struct Config {
    phase: String,
    policy: String,
    style_mixing_prob: f64,
    r1_gamma: f64,
    /// Of the phase's loss: the interval of a lazy regulariser.
    gain: f64,
    pl_weight: f64,
    pl_decay: f64,
    pl_batch_shrink: usize,
    pl_mean0: f64,
}

pub(super) fn check(file: &GoldenFile, check: &mut Check) -> Result<()> {
    let mut replay = Replay::new(file)?;
    let phase = replay.config.phase.clone();
    let loss = match phase.as_str() {
        "Gmain" => replay.g_main()?,
        "Greg" => replay.g_reg(check)?,
        "Dmain" => replay.d_main()?,
        "Dreg" => replay.d_reg()?,
        other => bail!("phase {other} is not known"),
    };
    let Models { generator, discriminator } = &replay.models;
    let letter = &phase[..1];
    let params = if letter == "G" { generator.params() } else { discriminator.params() };
    gradients(check, letter, params, &loss)?;
    check.var("out.w_avg", generator.params().get("mapping.w_avg").context("the generator has no w_avg")?)
}

fn gradients(check: &mut Check, letter: &str, params: &Params, loss: &Var) -> Result<()> {
    let gradients = grad_of_scalar(loss, &params.weights(), GraphMode::Free)?;
    for ((name, _), gradient) in params.named_weights().zip(&gradients) {
        check.var(&format!("grad.{letter}.{name}"), gradient)?;
    }
    Ok(())
}

/// A file's networks and inputs, and its draws in the order in which the reference made them.
struct Replay<'a> {
    file: &'a GoldenFile,
    config: Config,
    dtype: DType,
    models: Models,
    policy: Policy,
    draws: std::vec::IntoIter<&'a Array>,
}

impl<'a> Replay<'a> {
    fn new(file: &'a GoldenFile) -> Result<Self> {
        let config: Config = file.config()?;
        // The path length differentiates the generator twice, which magnifies the rounding of Winograd's convolution in
        // f32 beyond the file's tolerance.
        let dtype = if config.phase == "Greg" { DType::F64 } else { DType::F32 };
        let models = networks(file, dtype)?;
        models.generator.params().load(&file.state("param.G.", dtype)?)?;
        // The file of a phase that does not call D has none of its weights.
        if file.below("param.D.").next().is_some() {
            models.discriminator.params().load(&file.state("param.D.", dtype)?)?;
        }
        let draws = file.draws().map(|(_, array)| array).collect::<Vec<_>>().into_iter();
        Ok(Self { policy: Policy::parse(&config.policy)?, file, config, dtype, models, draws })
    }

    /// G's loss: logistic, not saturating.
    fn g_main(&mut self) -> Result<Var> {
        let n = self.file.array("in.z")?.shape[0];
        let (images, _, labels) = self.fakes(n)?;
        Ok(LOSS.generator(&self.logits(&images, &labels)?, None)?.scale(self.config.gain)?)
    }

    /// The path length penalty, on a part of the batch.
    fn g_reg(&mut self, check: &mut Check) -> Result<Var> {
        let n = self.file.array("in.z")?.shape[0] / self.config.pl_batch_shrink;
        let (images, ws, _) = self.fakes(n)?;
        let noise = Var::constant(self.draw()?.to_tensor(self.dtype)?);
        let mut path_length = PathLength::new(self.config.pl_decay, self.dtype, &Device::Cpu)?;
        let before = Tensor::new(self.config.pl_mean0, &candle_core::Device::Cpu)?.to_dtype(self.dtype)?;
        path_length.load_state(&[("mean".to_owned(), before)].into())?;
        let penalty = path_length.penalty(&images, &ws, &noise)?;
        check.var("out.pl_mean", path_length.mean())?;
        Ok(penalty.mean()?.scale(self.config.pl_weight * self.config.gain)?)
    }

    /// D's loss; reals and fakes go through D in calls of their own.
    fn d_main(&mut self) -> Result<Var> {
        let n = self.file.array("in.z")?.shape[0];
        let (images, _, labels) = no_grad(|| self.fakes(n))?;
        let fake = self.logits(&images, &labels)?;
        let (reals, labels) = self.reals()?;
        let real = self.logits(&reals, &labels)?;
        Ok(LOSS.discriminator(&real, &fake)?.total.scale(self.config.gain)?)
    }

    /// R1 by the reals ahead of T.
    fn d_reg(&mut self) -> Result<Var> {
        let (reals, labels) = self.reals()?;
        let penalty = r1_penalty(&self.logits(&reals, &labels)?, &reals)?;
        Ok(penalty.mean()?.scale(self.config.r1_gamma / 2.0 * self.config.gain)?)
    }

    /// D's logits of T(images).
    fn logits(&mut self, images: &Var, labels: &Ints) -> Result<Var> {
        let draws = policy_draws(&self.policy, &mut self.draws)?;
        let images = self.policy.apply(images, &draws)?;
        Ok(self.models.discriminator.logits(&images, labels, Mode::Train)?)
    }

    /// Images of the first `n` latents, with their styles and labels.
    fn fakes(&mut self, n: usize) -> Result<(Var, Var, Ints)> {
        let z = Var::constant(self.file.array("in.z")?.rows(0, n).to_tensor(self.dtype)?);
        let labels = classes(&self.file.array("in.gen_c")?.rows(0, n));
        let mix = self.mixing()?;
        let ws = style(&self.models)?.map_mixed(&z, &labels, mix.as_ref(), true)?;
        // Each style ends in a 3x3 layer but the last, which only the step to the image takes.
        let noise = (1..ws.dims()[1]).map(|_| Ok(Var::constant(self.draw()?.to_tensor(self.dtype)?)));
        let noise = noise.collect::<Result<Vec<_>>>()?;
        Ok((style(&self.models)?.synthesize(&ws, Noise::Given(&noise))?, ws, labels))
    }

    fn reals(&self) -> Result<(Var, Ints)> {
        let reals = Var::leaf(self.file.array("in.real")?.to_tensor(self.dtype)?);
        Ok((reals, classes(self.file.array("in.real_c")?)))
    }

    /// Draws of style mixing: cutoff, coin, z; none where its probability is 0.
    fn mixing(&mut self) -> Result<Option<StyleMix>> {
        if self.config.style_mixing_prob == 0.0 {
            return Ok(None);
        }
        let (cutoff, coin, z) = (self.draw()?.values[0], self.draw()?.values[0], self.draw()?);
        let num_ws = style(&self.models)?.num_ws();
        let cutoff = if coin < self.config.style_mixing_prob { cutoff as usize } else { num_ws };
        Ok(Some(StyleMix { z: Var::constant(z.to_tensor(self.dtype)?), cutoffs: vec![cutoff] }))
    }

    fn draw(&mut self) -> Result<&'a Array> {
        self.draws.next().context("the file has fewer draws than its phase takes")
    }
}

fn style(models: &Models) -> Result<&dyn StyleGenerator> {
    models.generator.as_style().context("the generator has no styles")
}
