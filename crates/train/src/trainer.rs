//! The networks, their optimisers and one training iteration, straight from the papers' algorithms.

mod apply;
mod discriminator;
mod generator;
mod latents;
mod news;

use frugan_autograd::{DType, Device, Ints, Ranks, Rows, Tensor, Var, cuda, update};
use frugan_data::{Batch, Dataset, Loader, Splits};
use frugan_models::{Discriminator, Generator, ModelConfig, ModelError, Placement};
use frugan_nn::{Adam, Kind, Params};

use crate::augmentation::Augmentation;
use crate::config::{Config, First};
use crate::error::{Error, Result};
use crate::monitor::pairwise_distance;
use crate::objective::Objective;
use crate::setup::Setup;
use crate::stats::Sums;
use crate::transfer;

use news::Pending;

pub(crate) use latents::{labels_of_data, latents};

/// Everything that a step changes.
pub struct Trainer {
    pub(crate) config: Config,
    pub(crate) device: Device,
    dtype: DType,
    /// Who shares the batch.
    ranks: Ranks,
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
    /// Images that are never trained on, where a controller asks D about them.
    held_out: Option<Dataset>,
    /// Labels that fakes are drawn from; `None`: uniform over the classes.
    fake_labels: Option<Vec<i32>>,
    /// G steps done.
    pub itr: u64,
    pub(crate) sums: Sums,
    pub(crate) skipped_in_a_row: u32,
    /// Fakes and reals of the last D step, for the monitors of a tick.
    last: Option<(Var, Var)>,
    pending: Pending,
}

impl Trainer {
    /// Networks with fresh weights, before the first step.
    ///
    /// # Errors
    /// If a value of the configuration does not fit the data.
    pub fn new(config: &Config, splits: &Splits, device: &Device) -> Result<Self> {
        Self::in_setup(config, splits, &Setup::on(*device))
    }

    /// Which rows of a batch a rank of several trains on.
    pub fn rows(config: &Config) -> Rows {
        match &config.model {
            // The groups of its minibatch standard deviation take every so manyth image.
            ModelConfig::StyleGan2(_) => Rows::Interleaved,
            _ => Rows::Blocks,
        }
    }

    /// [`Trainer::new`] in other numbers, or as one of the ranks that share each batch: all of them take the same steps, and
    /// hold the same weights after each.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn in_setup(config: &Config, splits: &Splits, setup: &Setup) -> Result<Self> {
        let Setup { device, dtype, ranks } = setup;
        let train = &splits.train;
        let [channels, height, width] = train.shape;
        if channels != 3 || height != width {
            return Err(Error::Config(format!(
                "data.name = \"{}\" has images of {channels}x{height}x{width}: the models want square RGB images",
                train.name
            )));
        }
        let placement = Placement { device: *device, dtype: *dtype, ..Placement::default() };
        let input = |e: ModelError| Error::Config(e.to_string());
        let batch_norm = if config.ranks.sync_bn { ranks.clone() } else { Ranks::alone() };
        let compute = config.precision.compute();
        if compute == DType::BF16 && !config.model.computes_in_bf16() {
            return Err(Error::Config(format!(
                "precision = \"bf16\" with model.name = \"{}\": only biggan and stylegan2 compute in it; set precision = \"tf32\"",
                config.model.name()
            )));
        }
        // The average is judged in F32.
        let shared = Placement { batch_norm, compute, ..placement.clone() };
        let models = config.model.build_at(train.num_classes, height, config.seed, shared).map_err(input)?;
        // The same seed gives the same weights: the average starts as a copy.
        let ema = config.model.build_generator(train.num_classes, height, config.seed, placement).map_err(input)?;
        if let Some(transfer) = &config.transfer {
            transfer.freeze(&models)?;
        }
        let [adam_g, adam_d] = config.optim.lazily_scaled();
        let objective = Objective::in_setup(config, setup)?;
        if config.loss.path_length.is_some() && models.generator.as_style().is_none() {
            return Err(Error::Config(format!(
                "loss.path_length with model.name = \"{}\": only stylegan2 has styles; leave it out",
                config.model.name()
            )));
        }
        check_classifier(config, models.discriminator.as_ref(), train.num_classes)?;
        let held_out = objective.augmentation.asks_held_out().then(|| splits.test.clone());
        if held_out.as_ref().is_some_and(|images| images.is_empty()) {
            return Err(Error::Config(
                "augment.ada.controller = \"rv\" asks D about held-out images, and the data has none; set data.test_fraction \
                 above 0, or the controller to \"rt\""
                    .into(),
            ));
        }
        Ok(Self {
            adam_g: Adam::new(adam_g, models.generator.params())?,
            adam_d: Adam::new(adam_d, models.discriminator.params())?,
            objective,
            loader: Loader::new(train, config.optim.batch, config.seed, config.data.sampling())?,
            held_out,
            fake_labels: config.data.fake_labels.of(train),
            generator: models.generator,
            discriminator: models.discriminator,
            ema,
            config: config.clone(),
            device: *device,
            dtype: *dtype,
            ranks: ranks.clone(),
            itr: 0,
            sums: Sums::default(),
            skipped_in_a_row: 0,
            last: None,
            pending: Pending::default(),
        })
    }

    /// [`Trainer::new`], with first weights from the file of `[transfer]`.
    ///
    /// # Errors
    /// If the file cannot be read, or its tensors do not fit.
    pub fn transferred(config: &Config, splits: &Splits, device: &Device) -> Result<Self> {
        let trainer = Self::new(config, splits, device)?;
        if let Some(transfer) = &config.transfer {
            transfer::apply(transfer, &trainer)?;
        }
        Ok(trainer)
    }

    /// One iteration: D's steps on fresh images and G's step in the method's order, the lazy regularisers that are due,
    /// the average of G's weights, and the controller of p. On a GPU all of it is one graph, unless `train.graph` is off, and
    /// what it has to tell may wait until [`Trainer::catch_up`].
    ///
    /// # Errors
    /// Under the policy for values that are not finite, or if memory runs out.
    pub fn step(&mut self) -> Result<()> {
        // So that a step finds the memory as the last one did.
        self.last = None;
        if self.config.train.graph {
            cuda::as_graphs(self.device, || self.iteration())??;
        } else {
            self.iteration()?;
        }
        Ok(self.ranks.end_step(self.device)?)
    }

    fn iteration(&mut self) -> Result<()> {
        match self.config.optim.first {
            First::D => {
                self.discriminator_phases()?;
                self.generator_phases()?;
            }
            First::G => {
                self.generator_phases()?;
                self.discriminator_phases()?;
            }
        }
        self.share_buffers()?;
        let nimg = self.reals_seen();
        let (ema, source) = (self.ema.params(), self.generator.params());
        self.config.optim.ema.update(ema, source, self.config.optim.batch, self.itr, nimg)?;
        if self.objective.augmentation.moves_p_next() {
            self.catch_up()?;
        }
        self.itr += 1;
        self.objective.augmentation.end_iteration(self.config.optim.batch * self.config.optim.num_d_steps);
        Ok(())
    }

    /// The average of w moved by each rank's own styles: its mean over ranks is the whole batch's, for it is linear. Batch norm
    /// keeps each rank's own statistics, of which the first rank's are saved, as in published data-parallel runs.
    fn share_buffers(&self) -> Result<()> {
        if self.ranks.is_alone() || self.generator.as_style().is_none() {
            return Ok(());
        }
        let all = self.generator.params().iter();
        let buffers: Vec<&Var> =
            all.filter(|(_, kind, _)| *kind == Kind::Buffer).map(|(_, _, buffer)| buffer).collect();
        let mut means: Vec<Var> = buffers.iter().map(|buffer| buffer.detach()).collect();
        self.ranks.mean_all(&mut means)?;
        buffers.into_iter().zip(&means).try_for_each(|(buffer, mean)| Ok(update::assign(buffer, mean)?))
    }

    /// Real images shown to D ahead of this iteration.
    fn reals_seen(&self) -> u64 {
        self.itr * (self.config.optim.batch * self.config.optim.num_d_steps) as u64
    }

    /// As [`Trainer::reals_seen`], in thousands.
    fn kimg_seen(&self) -> f64 {
        self.reals_seen() as f64 / 1000.0
    }

    /// Whether a lazy regulariser with this interval acts in this iteration (StyleGAN2, appendix B).
    fn is_due(&self, interval: u64) -> bool {
        self.itr.is_multiple_of(interval)
    }

    fn ends_tick(&self) -> bool {
        (self.itr + 1).is_multiple_of(self.config.train.tick_steps)
    }

    fn reals(&self, d_step: u64) -> Result<(Var, Ints)> {
        let Batch { images, labels } = self.loader.rows(d_step, &self.ranks.rows(self.config.optim.batch));
        self.images(images, labels)
    }

    /// Host images as `[N, C, H, W]` on the device.
    pub(crate) fn images(&self, images: Vec<f32>, labels: Vec<i32>) -> Result<(Var, Ints)> {
        let [channels, height, width] = self.image_shape();
        let tensor = Tensor::from_vec(images, (labels.len(), channels, height, width), &candle_core::Device::Cpu)?;
        let tensor = tensor.to_dtype(self.dtype)?;
        Ok((Var::constant(tensor).to_device(&self.device)?, Ints::from(labels).to_device(&self.device)?))
    }

    /// `[channels, height, width]`.
    pub(crate) fn image_shape(&self) -> [usize; 3] {
        self.generator.image_shape()
    }

    /// What the networks minimise, with the state of its controllers.
    pub fn objective(&self) -> &Objective {
        &self.objective
    }

    /// The augmentation T.
    pub fn augmentation(&self) -> &Augmentation {
        &self.objective.augmentation
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

/// AC-GAN's loss and a D that names classes belong together, and want classes.
fn check_classifier(config: &Config, d: &dyn Discriminator, num_classes: usize) -> Result<()> {
    let error = |text: String| Err(Error::Config(text));
    match (config.loss.acgan.is_some(), d.names_classes()) {
        (true, false) => error(format!(
            "loss.acgan with model.name = \"{}\": its D names no class; set model.d_labels = \"classifier\" (biggan, and dcgan \
             with model.conditional), or leave loss.acgan out",
            config.model.name()
        )),
        (false, true) => error(
            "model.d_labels = \"classifier\" without loss.acgan: D would learn no class; set loss.acgan.d_weight = 1.0, or \
             another model.d_labels"
                .into(),
        ),
        (true, true) if num_classes < 2 => {
            error(format!("loss.acgan with {num_classes} class: there is nothing to tell apart; leave it out"))
        }
        _ => Ok(()),
    }
}

/// Whose weights a step moves.
#[derive(Clone, Copy, Debug)]
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
