//! The networks, their optimisers and one training step, straight from the paper's algorithm.

use frugan_augment::Policy;
use frugan_autograd::{Device, GraphMode, Ints, Tensor, Var, grad_of_scalar, no_grad};
use frugan_data::{Batch, Dataset, Loader};
use frugan_losses::add_orthogonal_gradients;
use frugan_models::{Discriminator, Generator, ModelError, Placement};
use frugan_nn::{Adam, Mode, Params, Purpose, Stream, clip_by_norm, clip_by_value};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::monitor::pairwise_distance;
use crate::nonfinite::{self, Nonfinite};
use crate::objective::{DBatch, Objective};
use crate::stats::Sums;

const D_LATENT: Purpose = Purpose::new("d.latent");
const D_LABELS: Purpose = Purpose::new("d.labels");
const G_LATENT: Purpose = Purpose::new("g.latent");
const G_LABELS: Purpose = Purpose::new("g.labels");

/// Everything that a step changes.
pub struct Trainer {
    pub(crate) config: Config,
    pub(crate) device: Device,
    /// G, with its training weights.
    pub generator: Box<dyn Generator>,
    /// D.
    pub discriminator: Box<dyn Discriminator>,
    /// The average of G's weights and buffers.
    pub ema: Box<dyn Generator>,
    pub(crate) adam_g: Adam,
    pub(crate) adam_d: Adam,
    pub(crate) objective: Objective,
    loader: Loader,
    /// G steps done.
    pub itr: u64,
    pub(crate) sums: Sums,
    pub(crate) skipped_in_a_row: u32,
    /// Fakes of the last G step and reals of the last D step, for the monitors of a tick.
    last: Option<(Var, Var)>,
}

impl Trainer {
    /// Networks with fresh weights, before the first step.
    ///
    /// # Errors
    /// If a value of the configuration does not fit the data.
    pub fn new(config: &Config, train: &Dataset, device: &Device) -> Result<Self> {
        let [channels, height, width] = train.shape;
        if channels != 3 || height != width {
            return Err(Error::Config(format!(
                "data.name = \"{}\" has images of {channels}x{height}x{width}: the models want square RGB images",
                train.name
            )));
        }
        let placement = Placement { device: *device, ..Placement::default() };
        let input = |e: ModelError| Error::Config(e.to_string());
        let models = config.model.build_at(train.num_classes, height, config.seed, placement).map_err(input)?;
        // The same seed gives the same weights: the average starts as a copy.
        let ema = config.model.build_generator(train.num_classes, height, config.seed, placement).map_err(input)?;
        Ok(Self {
            adam_g: Adam::new(config.optim.g, models.generator.params())?,
            adam_d: Adam::new(config.optim.d, models.discriminator.params())?,
            objective: Objective::new(config, device)?,
            loader: Loader::new(train, config.optim.batch, config.seed, config.data.sampling())?,
            generator: models.generator,
            discriminator: models.discriminator,
            ema,
            config: config.clone(),
            device: *device,
            itr: 0,
            sums: Sums::default(),
            skipped_in_a_row: 0,
            last: None,
        })
    }

    /// One iteration: `num_d_steps` steps of D on fresh images, one of G, one of the average.
    ///
    /// # Errors
    /// Under the policy for values that are not finite, or if memory runs out.
    pub fn step(&mut self) -> Result<()> {
        for k in 0..self.config.optim.num_d_steps as u64 {
            self.discriminator_step(self.itr * self.config.optim.num_d_steps as u64 + k)?;
        }
        self.generator_step()?;
        self.config.optim.ema.update(self.ema.params(), self.generator.params(), self.itr)?;
        self.itr += 1;
        Ok(())
    }

    fn discriminator_step(&mut self, d_step: u64) -> Result<()> {
        let n = self.config.optim.batch;
        let (real, real_labels) = self.reals(d_step)?;
        let (z, fake_labels) = self.latents(n, D_LATENT, D_LABELS, d_step)?;
        let fake = no_grad(|| self.generator.generate(&z, &fake_labels, Mode::Train))?;
        let draws = self.objective.d_draws(n, self.image_size(), self.config.seed, d_step);
        let batch = DBatch { fake: &fake, fake_labels: &fake_labels, real: &real, real_labels: &real_labels };
        let losses = self.objective.discriminator(self.discriminator.as_ref(), &batch, &draws, self.itr)?;

        let weights = self.discriminator.params().weights();
        let gradients = grad_of_scalar(&losses.total, &weights, GraphMode::Free)?;
        for (name, loss) in [
            ("loss/d", Some(&losses.total)),
            ("loss/d_real", Some(&losses.real)),
            ("loss/d_fake", Some(&losses.fake)),
            ("loss/cr", losses.cr.as_ref()),
            ("loss/lecam", losses.lecam.as_ref()),
        ] {
            if let Some(loss) = loss {
                self.sums.add(name, loss.item()?);
            }
        }
        self.observe_logits("real", &losses.real_logits)?;
        self.observe_logits("fake", &losses.fake_logits)?;
        self.last = Some((fake, real));
        self.apply(Network::D, gradients, losses.total.item()?)
    }

    fn generator_step(&mut self) -> Result<()> {
        let n = self.config.optim.batch;
        let (z, labels) = self.latents(n, G_LATENT, G_LABELS, self.itr)?;
        let fake = self.generator.generate(&z, &labels, Mode::Train)?;
        let draws = self.objective.g_draws(n, self.image_size(), self.config.seed, self.itr);
        // The reals of this iteration's last D step: relativistic losses compare with them.
        let reals = match self.objective.generator_needs_real() {
            true => Some(self.reals((self.itr + 1) * self.config.optim.num_d_steps as u64 - 1)?),
            false => None,
        };
        let reals = reals.as_ref().map(|(images, labels)| (images, labels));
        let loss = self.objective.generator(self.discriminator.as_ref(), (&fake, &labels), reals, &draws)?;

        let gradients = grad_of_scalar(&loss, &self.generator.params().weights(), GraphMode::Free)?;
        self.sums.add("loss/g", loss.item()?);
        self.apply(Network::G, gradients, loss.item()?)
    }

    /// Regularises, clips and applies gradients, under the policy for values that are not finite.
    fn apply(&mut self, network: Network, mut gradients: Vec<Var>, loss: f64) -> Result<()> {
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

    fn ends_tick(&self) -> bool {
        (self.itr + 1).is_multiple_of(self.config.train.tick_steps)
    }

    fn observe_logits(&mut self, which: &str, logits: &Var) -> Result<()> {
        for logit in logits.to_vec::<f32>()? {
            self.sums.add(&format!("d/logit_{which}"), f64::from(logit));
            // The sign of exactly 0 is 0, as in ADA's statistic.
            let sign = if logit == 0.0 { 0.0 } else { f64::from(logit.signum()) };
            self.sums.add(&format!("d/sign_{which}"), sign);
        }
        Ok(())
    }

    fn reals(&self, d_step: u64) -> Result<(Var, Ints)> {
        let Batch { images, labels } = self.loader.batch(d_step);
        self.images(images, labels)
    }

    /// Host images as `[N, C, H, W]` on the device.
    pub(crate) fn images(&self, images: Vec<f32>, labels: Vec<i32>) -> Result<(Var, Ints)> {
        let [channels, height, width] = self.generator.image_shape();
        let tensor = Tensor::from_vec(images, (labels.len(), channels, height, width), &candle_core::Device::Cpu)?;
        Ok((Var::constant(tensor).to_device(&self.device)?, Ints::from(labels).to_device(&self.device)?))
    }

    fn latents(&self, n: usize, latent: Purpose, labels: Purpose, step: u64) -> Result<(Var, Ints)> {
        latents(self.generator.as_ref(), n, [latent, labels], self.config.seed, step, &self.device)
    }

    pub(crate) fn image_size(&self) -> [usize; 2] {
        let [_, height, width] = self.generator.image_shape();
        [height, width]
    }

    /// The augmentation T.
    pub fn policy(&self) -> &Policy {
        self.objective.policy()
    }

    /// The distance between fakes in units of that between reals, of the last D step.
    pub(crate) fn relative_distance(&self) -> Result<Option<f64>> {
        let Some((fake, real)) = &self.last else { return Ok(None) };
        Ok(Some(pairwise_distance(fake)? / pairwise_distance(real)?))
    }

    /// The networks by the letter that names them in files.
    pub(crate) fn networks(&self) -> [(&'static str, &Params); 3] {
        [("g", self.generator.params()), ("d", self.discriminator.params()), ("ema", self.ema.params())]
    }
}

#[derive(Clone, Copy)]
enum Network {
    G,
    D,
}

impl Network {
    fn letter(self) -> &'static str {
        match self {
            Self::G => "g",
            Self::D => "d",
        }
    }
}

/// `n` latents z ~ N(0, 1) and labels, uniform over the classes (not the subset's histogram: the paper's code).
pub(crate) fn latents(
    generator: &dyn Generator,
    n: usize,
    [latent, labels]: [Purpose; 2],
    seed: u64,
    step: u64,
    device: &Device,
) -> Result<(Var, Ints)> {
    let z = Stream::new(seed, latent, step).normals(n * generator.latent_dim());
    let z = Tensor::from_vec(z, (n, generator.latent_dim()), &candle_core::Device::Cpu)?;
    let classes = generator.num_classes().max(1) as u32;
    let labels = Stream::new(seed, labels, step).integers(n, classes).into_iter().map(|y| y as i32).collect::<Vec<_>>();
    Ok((Var::constant(z).to_device(device)?, Ints::from(labels).to_device(device)?))
}
