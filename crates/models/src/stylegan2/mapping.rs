//! The mapping network: from z and the class to a style vector w (Karras et al. 2019, section 2).

use frugan_autograd::{Activation, Ints, Result, Tensor, Var, concat, no_grad, update};
use frugan_nn::{Builder, Embedding, EqualizedLinear, EqualizedLinearOptions, Init, LayerOptions, Mode};

use super::config::LabelEmbedding;

/// Added to the mean square under the root of a normalisation.
const NORM_EPS: f64 = 1e-8;

/// How near to the average a style is drawn (Karras et al. 2019, appendix B): `w_avg + psi (w - w_avg)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truncation {
    /// 1: not at all; 0: the average itself.
    pub psi: f64,
    /// Only the first so many layers, if given.
    pub cutoff: Option<usize>,
}

impl Default for Truncation {
    fn default() -> Self {
        Self { psi: 1.0, cutoff: None }
    }
}

/// What a [`MappingNetwork`] is built for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MappingOptions {
    /// Length of z; 0: there is none, only a class.
    pub latent_dim: usize,
    /// Classes; 0: there are none.
    pub label_dim: usize,
    /// Length of w.
    pub w_dim: usize,
    /// Layers, all `w_dim` wide.
    pub num_layers: usize,
    /// Learning rate relative to the network's.
    pub lr_multiplier: f64,
    /// How the class joins z.
    pub label_embedding: LabelEmbedding,
    /// Share of the old value in each update of the average of w; `None`: no average is kept.
    pub w_avg_beta: Option<f64>,
}

enum Embed {
    /// With the rows of the unit matrix, which are the one-hot labels.
    Layer(EqualizedLinear, Var),
    Table(Embedding),
}

/// z and the class, each normalised to mean square 1, through fully connected layers to w.
pub struct MappingNetwork {
    embed: Option<Embed>,
    layers: Vec<EqualizedLinear>,
    average: Option<(Var, f64)>,
    options: MappingOptions,
}

impl MappingNetwork {
    /// Weights `embed` and `fc0`, `fc1`, .., and the buffer `w_avg`, which starts at 0.
    ///
    /// # Errors
    /// If the tensors cannot be made.
    pub fn new(builder: &Builder, options: MappingOptions) -> Result<Self> {
        let MappingOptions { latent_dim, label_dim, w_dim, num_layers, lr_multiplier, .. } = options;
        let embed = (label_dim > 0).then(|| Embed::new(&builder.at("embed"), &options)).transpose()?;
        let inputs = latent_dim + if label_dim > 0 { w_dim } else { 0 };
        let hidden = EqualizedLinearOptions { activation: Activation::Lrelu, lr_multiplier, ..Default::default() };
        let layer = |i: usize| {
            EqualizedLinear::new(&builder.at(format!("fc{i}")), if i == 0 { inputs } else { w_dim }, w_dim, &hidden)
        };
        let layers = (0..num_layers).map(layer).collect::<Result<_>>()?;
        let average = match options.w_avg_beta {
            Some(beta) => Some((builder.buffer("w_avg", &[w_dim], Init::ZEROS)?, beta)),
            None => None,
        };
        Ok(Self { embed, layers, average, options })
    }

    /// w `[n, w_dim]` of z `[n, latent_dim]` and labels `[n]`; what the network has no use for is not read.
    ///
    /// # Errors
    /// If z or the labels are missing or do not fit.
    pub fn forward(&self, z: Option<&Var>, labels: Option<&Ints>) -> Result<Var> {
        let joint = self.options.label_embedding == LabelEmbedding::Joint;
        let normalised = |x: &Var| if joint { Ok(x.clone()) } else { x.normalize_second_moment(NORM_EPS) };
        let mut parts = Vec::with_capacity(2);
        if self.options.latent_dim > 0 {
            let Some(z) = z else {
                candle_core::bail!("mapping: z is missing, expected [n, {}]", self.options.latent_dim)
            };
            parts.push(normalised(z)?);
        }
        if let Some(embed) = &self.embed {
            let Some(labels) = labels else { candle_core::bail!("mapping: labels are missing, expected one a sample") };
            parts.push(normalised(&embed.forward(labels)?)?);
        }
        let mut x = match parts.as_slice() {
            [one] => one.clone(),
            parts => concat(&parts.iter().collect::<Vec<_>>(), 1)?,
        };
        if joint {
            x = x.normalize_second_moment(NORM_EPS)?;
        }
        self.layers.iter().try_fold(x, |x, layer| layer.forward(&x))
    }

    /// Moves the average of w by a batch's mean: what every mapping of a training pass does, but for the second one of
    /// style mixing.
    ///
    /// # Errors
    /// If the shape does not fit.
    pub fn update_average(&self, w: &Var) -> Result<()> {
        let Some((average, beta)) = &self.average else { return Ok(()) };
        no_grad(|| {
            let mean = w.detach().mean_keep(&[0])?.reshape(average.dims())?;
            update::lerp(average, &mean, 1.0 - beta)
        })
    }

    /// `[n, num_ws, w_dim]` drawn towards the average.
    ///
    /// # Errors
    /// If the network keeps no average, or the shape does not fit.
    pub fn truncate(&self, ws: &Var, truncation: Truncation) -> Result<Var> {
        let Truncation { psi, cutoff } = truncation;
        let Some((average, _)) = &self.average else { candle_core::bail!("truncation: this mapping keeps no average") };
        let [_, num_ws, _] = *ws.dims() else {
            candle_core::bail!("truncation: styles {:?}, expected [n, num_ws, {}]", ws.dims(), self.options.w_dim)
        };
        let cutoff = cutoff.unwrap_or(num_ws).min(num_ws);
        if psi == 1.0 || cutoff == 0 {
            return Ok(ws.clone());
        }
        let head = average.scale(1.0 - psi)?.add(&ws.narrow(1, 0, cutoff)?.scale(psi)?)?;
        if cutoff == num_ws { Ok(head) } else { concat(&[&head, &ws.narrow(1, cutoff, num_ws - cutoff)?], 1) }
    }
}

impl Embed {
    fn new(builder: &Builder, options: &MappingOptions) -> Result<Self> {
        let MappingOptions { label_dim, w_dim, label_embedding, .. } = *options;
        Ok(match label_embedding {
            LabelEmbedding::Separate => {
                let layer = EqualizedLinear::new(builder, label_dim, w_dim, &EqualizedLinearOptions::default())?;
                let unit = Tensor::eye(label_dim, builder.dtype(), &candle_core::Device::Cpu)?;
                Self::Layer(layer, Var::constant(unit).to_device(builder.device())?)
            }
            LabelEmbedding::Joint => {
                let options = LayerOptions { init: Init::Normal(1.0), ..Default::default() };
                Self::Table(Embedding::new(builder, label_dim, w_dim, &options)?)
            }
        })
    }

    fn forward(&self, labels: &Ints) -> Result<Var> {
        match self {
            Self::Layer(layer, unit) => layer.forward(&unit.gather(labels)?),
            Self::Table(table) => table.forward(labels, Mode::Running),
        }
    }
}
