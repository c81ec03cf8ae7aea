//! The snapshot under the brush: its draws, its images as bytes, and what it has no notion of.

use std::path::{Path, PathBuf};

use anyhow::Result;
use frugan_autograd::{Device, Ints, Result as TensorResult, Tensor, Var, concat, no_grad};
use frugan_models::{Generator, Noise, StyleGenerator, Truncation, standing_statistics};
use frugan_nn::{Mode, Purpose, Stream};
use frugan_train::Snapshot;

use crate::failure::{InputContext, input};
use crate::runs::tell_choice;
use crate::verbs::snapshot;

const LATENT: Purpose = Purpose::new("generate.latent");
const STANDING_LATENT: Purpose = Purpose::new("generate.standing.latent");
const STANDING_LABELS: Purpose = Purpose::new("generate.standing.labels");
/// Batches whose statistics are averaged, and their size.
const STANDING: (usize, usize) = (16, 50);
/// Images that pass through a generator together where none depends on the others.
const CHUNK: usize = 16;

/// A snapshot on its device.
pub(super) struct Subject {
    snapshot: Snapshot,
    path: PathBuf,
    device: Device,
    /// Whether batch norm holds [`standing_statistics`].
    stands: bool,
}

impl Subject {
    pub(super) fn load(path: &Path, device: &str) -> Result<Self> {
        tell_choice(device);
        let device: Device = device.parse().input(format!("--device {device}"))?;
        let snapshot = snapshot::load(path, &device)?;
        Ok(Self { snapshot, path: path.into(), device, stands: false })
    }

    pub(super) fn generator(&self) -> &dyn Generator {
        self.snapshot.generator.as_ref()
    }

    /// Model, file, step and data in words.
    pub(super) fn describe(&self) -> String {
        let (model, about) = (self.snapshot.config.model.name(), &self.snapshot.about);
        format!("{model} of {} at step {}, trained on {}", self.path.display(), about.step, about.data)
    }

    /// The classes that `wanted` names, all of at most 20 where it is empty.
    pub(super) fn classes(&self, wanted: &[usize]) -> Result<Vec<i32>> {
        let count = self.snapshot.about.num_classes;
        if let Some(class) = wanted.iter().find(|class| **class >= count) {
            return Err(input(format!("--classes {class}: the snapshot has the classes 0 to {}", count - 1)));
        }
        let all = || (0..count.min(20)).collect();
        let classes: Vec<usize> = if wanted.is_empty() { all() } else { wanted.to_vec() };
        Ok(classes.into_iter().map(|class| class as i32).collect())
    }

    /// The generator's two halves, or the sentence that it has none and what to do.
    pub(super) fn style(&self, option: &str, instead: &str) -> Result<&dyn StyleGenerator> {
        let none = || input(format!("{option}: {} has no styles w; {instead}", self.snapshot.config.model.name()));
        self.generator().as_style().ok_or_else(none)
    }

    /// Latents `[count, latent_dim]` as values; `set` tells one picture's sets apart.
    pub(super) fn latents(&self, seed: u64, set: u64, count: usize) -> Vec<f32> {
        Stream::new(seed, LATENT, set).normals(count * self.generator().latent_dim())
    }

    pub(super) fn to_z(&self, values: Vec<f32>) -> TensorResult<Var> {
        let dims = self.generator().latent_dim();
        let shape = (values.len() / dims, dims);
        Var::constant(Tensor::from_vec(values, shape, &candle_core::Device::Cpu)?).to_device(&self.device)
    }

    fn labels(&self, labels: &[i32]) -> TensorResult<Ints> {
        Ints::from(labels).to_device(&self.device)
    }

    /// Images of one batch, as the run's own samples are made: bytes `[n, C, H, W]`.
    pub(super) fn batch(&self, z: &Var, labels: &[i32]) -> Result<Vec<u8>> {
        let mode = self.snapshot.config.eval.generator_mode.layers();
        let images = no_grad(|| self.generator().generate(z, &self.labels(labels)?, mode))?;
        self.to_bytes(&images)
    }

    /// Images that depend on their own latent alone: where the run's samples use the statistics of their batch, those of
    /// many batches stand in for them.
    pub(super) fn one_by_one(&mut self, z: Vec<f32>, labels: &[i32]) -> Result<Vec<u8>> {
        if !self.stands && self.snapshot.config.eval.generator_mode.layers() == Mode::Batch {
            self.stand()?;
        }
        let (z, mut pixels) = (self.to_z(z)?, Vec::new());
        for (start, labels) in (0..).step_by(CHUNK).zip(labels.chunks(CHUNK)) {
            let z = z.narrow(0, start, labels.len())?;
            let images = no_grad(|| self.generator().generate(&z, &self.labels(labels)?, Mode::Running))?;
            pixels.extend(self.to_bytes(&images)?);
        }
        Ok(pixels)
    }

    fn stand(&mut self) -> Result<()> {
        let (passes, batch) = STANDING;
        let generator = self.generator();
        let classes = generator.num_classes().max(1) as u32;
        standing_statistics(generator, passes, |pass| {
            let z = Stream::new(0, STANDING_LATENT, pass as u64).normals(batch * generator.latent_dim());
            let z = Tensor::from_vec(z, (batch, generator.latent_dim()), &candle_core::Device::Cpu)?;
            let labels = Stream::new(0, STANDING_LABELS, pass as u64).integers(batch, classes);
            let labels: Ints = labels.into_iter().map(|label| label as i32).collect();
            Ok((Var::constant(z).to_device(&self.device)?, labels.to_device(&self.device)?))
        })?;
        self.stands = true;
        Ok(())
    }

    /// Styles `[n, layers, w_dim]` of latents.
    pub(super) fn map(&self, style: &dyn StyleGenerator, z: Vec<f32>, labels: &[i32]) -> TensorResult<Var> {
        no_grad(|| style.map(&self.to_z(z)?, &self.labels(labels)?, false))
    }

    /// Images of styles with the generator's constant noise, which is the same in every image.
    pub(super) fn synthesize(&self, style: &dyn StyleGenerator, ws: &Var) -> Result<Vec<u8>> {
        let (n, mut pixels) = (ws.dims()[0], Vec::new());
        for start in (0..n).step_by(CHUNK) {
            let ws = ws.narrow(0, start, CHUNK.min(n - start))?;
            pixels.extend(self.to_bytes(&no_grad(|| style.synthesize(&ws, Noise::Const))?)?);
        }
        Ok(pixels)
    }

    fn to_bytes(&self, images: &Var) -> Result<Vec<u8>> {
        Ok(self.snapshot.config.eval.uint8.to_bytes(&images.to_vec::<f32>()?))
    }
}

/// The truncation of one psi, checked.
pub(super) fn truncation(style: &dyn StyleGenerator, psi: f64, cutoff: Option<usize>) -> Result<Truncation> {
    if !psi.is_finite() {
        return Err(input(format!("--psi {psi}: expected finite numbers, as 1,0.7,0.5")));
    }
    let layers = style.num_ws();
    match cutoff {
        Some(cutoff) if cutoff == 0 || cutoff > layers => {
            Err(input(format!("--cutoff {cutoff}: the snapshot has {layers} layers; give 1 to {layers}")))
        }
        cutoff => Ok(Truncation { psi, cutoff }),
    }
}

/// Rows of several sets of styles as one set.
pub(super) fn stacked(parts: &[Var]) -> TensorResult<Var> {
    concat(&parts.iter().collect::<Vec<_>>(), 0)
}
