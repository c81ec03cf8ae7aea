//! `snapshot-<step>.safetensors`: the averaged generator, which says by itself what it is.

use std::path::Path;

use frugan_autograd::{Device, Ints, Var, no_grad};
use frugan_metrics::Uint8Rule;
use frugan_models::{Generator, Placement};
use frugan_nn::{Mode, Purpose, TensorMap};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::tensor_file;
use crate::trainer::{labels_of_data, latents};

const FORMAT: u32 = 1;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Of the file.
    pub format: u32,
    /// G steps done.
    pub step: u64,
    /// Thousands of real images shown to D.
    pub kimg: f64,
    /// Classes of the data.
    pub num_classes: usize,
    /// Height and width of the images.
    pub resolution: usize,
    /// The data set's name.
    pub data: String,
    /// The data set's fingerprint.
    pub fingerprint: String,
    /// The run's configuration, as TOML.
    pub config: String,
}

/// An averaged generator and what it is of.
pub struct Snapshot {
    /// What it is of.
    pub about: About,
    /// The run's configuration.
    pub config: Config,
    /// The averaged generator.
    pub generator: Box<dyn Generator>,
}

impl Snapshot {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// If the file is absent, damaged, or of another network than its configuration says.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let (tensors, about): (TensorMap, About) = tensor_file::read(path, "snapshot")?;
        if about.format != FORMAT {
            return Err(Error::state(
                path,
                format!("a snapshot of format {}, this version reads {FORMAT}", about.format),
            ));
        }
        let config = Config::from_toml(&about.config)?;
        let placement = Placement { device: *device, ..Placement::default() };
        let generator = config
            .model
            .build_generator(about.num_classes, about.resolution, config.seed, placement)
            .map_err(|e| Error::state(path, e.to_string()))?;
        generator.params().load(&tensors).map_err(|e| Error::state(path, e.to_string()))?;
        Ok(Self { about, config, generator })
    }
}

/// Writes a generator as a snapshot.
pub(crate) fn save(path: &Path, generator: &dyn Generator, about: &About) -> Result<()> {
    tensor_file::write(path, &generator.params().to_tensors()?, about)
}

impl About {
    pub(crate) const FORMAT: u32 = FORMAT;
}

/// Latents of samples and evaluations.
const LATENT: Purpose = Purpose::new("eval.latent");
const LABELS: Purpose = Purpose::new("eval.labels");

/// How the fakes of an evaluation are made.
#[derive(Clone, Copy, Debug)]
pub struct Draw<'a> {
    /// Fakes.
    pub count: usize,
    /// Fakes that pass through the generator together: batch norm in [`Mode::Batch`] sees each batch, as in the protocol
    /// of DiffAugment's code.
    pub batch: usize,
    /// Batch norm of the generator.
    pub mode: Mode,
    /// Of latents and labels.
    pub seed: u64,
    /// How floats become bytes.
    pub rule: Uint8Rule,
    /// Labels of images that the fakes' labels are drawn from (StyleGAN2-ADA's code); uniform over the classes without.
    pub labels: Option<&'a [i32]>,
}

/// Fakes as u8 `[batch, C, H, W]`; `each` gets them batch by batch.
///
/// # Errors
/// If memory runs out, or `each` fails.
pub fn fakes(
    generator: &dyn Generator,
    draw: Draw<'_>,
    device: &Device,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let image = generator.image_shape().iter().product::<usize>();
    let Draw { count, batch, seed, .. } = draw;
    for (step, start) in (0_u64..).zip((0..count).step_by(batch)) {
        let (z, uniform) = latents(generator, batch, [LATENT, LABELS], seed, step, device)?;
        let labels = match draw.labels {
            Some(of_data) => labels_of_data(of_data, batch, [seed, step], LABELS).to_device(device)?,
            None => uniform,
        };
        let images = no_grad(|| generator.generate(&z, &labels, draw.mode))?;
        let pixels = draw.rule.to_bytes(&images.to_vec::<f32>()?);
        each(&pixels[..image * batch.min(count - start)])?;
    }
    Ok(())
}

/// Fixed latents and labels of a picture of ten columns: a row a class for up to ten classes, else eight rows.
/// Gives z, labels, rows and columns.
///
/// # Errors
/// If the device fails.
pub fn class_rows(generator: &dyn Generator, seed: u64, device: &Device) -> Result<(Var, Ints, usize, usize)> {
    const SAMPLES: Purpose = Purpose::new("samples.latent");
    const COLUMNS: usize = 10;
    let rows = match generator.num_classes() {
        0 | 1 => 8,
        classes => classes.min(10),
    };
    let (z, _) = latents(generator, rows * COLUMNS, [SAMPLES, LABELS], seed, 0, device)?;
    let class = |i: usize| (i / COLUMNS % generator.num_classes().max(1)) as i32;
    let labels: Ints = (0..rows * COLUMNS).map(class).collect();
    Ok((z, labels.to_device(device)?, rows, COLUMNS))
}
