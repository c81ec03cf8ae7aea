//! Inception-v3 as trained by Google in 2015 (`inception-2015-12-05`): the network that FID, KID and the Inception score
//! are defined by. torchvision's weights of the same architecture are others and give other scores.

mod block;
mod conv;
mod legacy;
mod prepare;
mod rounding;
mod weights;

use candle_core::{DType, Device as Host, Tensor};
use frugan_autograd::{Device, Var, cuda};
use frugan_nn::Precision;

pub use block::{Block, BlockKind};
pub use prepare::{prepare, prepare_on};
pub use weights::Weights;

use crate::{Features, Images, Logits, Result, Tap};
use conv::Conv;

/// Side that images are resized to.
const SIDE: usize = 299;
const CLASSES: usize = 1008;

/// The mixed blocks in order: name, kind, input channels.
const MIXED: [(&str, BlockKind, usize); 11] = [
    ("Mixed_5b", BlockKind::A { pool: 32 }, 192),
    ("Mixed_5c", BlockKind::A { pool: 64 }, 256),
    ("Mixed_5d", BlockKind::A { pool: 64 }, 288),
    ("Mixed_6a", BlockKind::B, 288),
    ("Mixed_6b", BlockKind::C { width: 128 }, 768),
    ("Mixed_6c", BlockKind::C { width: 160 }, 768),
    ("Mixed_6d", BlockKind::C { width: 160 }, 768),
    ("Mixed_6e", BlockKind::C { width: 192 }, 768),
    ("Mixed_7a", BlockKind::D, 768),
    ("Mixed_7b", BlockKind::E1, 1280),
    ("Mixed_7c", BlockKind::E2, 2048),
];
/// How many of [`MIXED`] lie before the tap of 768.
const MIXED_BEFORE_768: usize = 8;

/// The network, or the part of it that a file holds, with batch norm folded into the convolutions.
///
/// ```no_run
/// use frugan_metrics::inception::{Inception, Weights};
/// use frugan_metrics::Images;
/// let network = Inception::new(&Weights::read("pt_inception-2015-12-05-6726825d.pth".as_ref())?)?;
/// let features = network.extract(Images::new(&[128; 3 * 32 * 32], [3, 32, 32])?)?;
/// assert_eq!(features.dims, 2048);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Debug)]
pub struct Inception {
    stem: [Option<Conv>; 5],
    mixed: Vec<Block>,
    tap: Tap,
    /// Weight `[2048, 1008]` and bias of the last layer.
    fc: Option<(Var, Vec<f32>)>,
    precision: Precision,
}

/// Every output of one pass. Spatial means are `[N, C]`; a tap behind the end of a partial file is `None`.
///
/// ```
/// use frugan_metrics::inception::Taps;
/// assert!(Taps::default().mean64.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Taps {
    /// Behind the first max pooling.
    pub mean64: Option<Var>,
    /// Behind the second max pooling.
    pub mean192: Option<Var>,
    /// Behind `Mixed_6e`.
    pub mean768: Option<Var>,
    /// Global average behind `Mixed_7c`.
    pub pool2048: Option<Var>,
    /// Class scores without the last layer's bias, `[N, 1008]`.
    pub logits_unbiased: Option<Var>,
    /// Class scores with it.
    pub logits: Option<Var>,
}

impl Inception {
    /// The network of a file's tensors, whole or up to one of the taps 64, 192, 768, 2048; with or without `fc`.
    ///
    /// # Errors
    /// Names the first tensor that is missing, of another shape, or no part of this network.
    ///
    /// ```
    /// use frugan_metrics::inception::{Inception, Weights};
    /// let error = Inception::new(&Weights::from_tensors(Default::default())).unwrap_err();
    /// assert!(error.to_string().contains("Conv2d_1a_3x3.conv.weight"));
    /// ```
    pub fn new(weights: &Weights) -> Result<Self> {
        weights.refuse_other_networks()?;
        let stem = |name: &str, shape, stride, padding: usize| Conv::load(weights, name, shape, stride, [padding; 2]);
        let mut network = Self {
            stem: [None, None, None, None, None],
            mixed: Vec::new(),
            tap: Tap::Mean64,
            fc: None,
            precision: Precision::F32,
        };
        network.stem[0] = Some(stem("Conv2d_1a_3x3", [32, 3, 3, 3], 2, 0)?);
        network.stem[1] = Some(stem("Conv2d_2a_3x3", [32, 32, 3, 3], 1, 0)?);
        network.stem[2] = Some(stem("Conv2d_2b_3x3", [64, 32, 3, 3], 1, 1)?);
        if weights.has_any("Conv2d_3b_1x1") || weights.has_any("Conv2d_4a_3x3") || weights.has_any("Mixed_") {
            network.stem[3] = Some(stem("Conv2d_3b_1x1", [80, 64, 1, 1], 1, 0)?);
            network.stem[4] = Some(stem("Conv2d_4a_3x3", [192, 80, 3, 3], 1, 0)?);
            network.tap = Tap::Mean192;
        }
        if weights.has_any("Mixed_") {
            network.load_mixed(weights)?;
        }
        if weights.has_any("fc.") {
            network.load_fc(weights)?;
        }
        Ok(network)
    }

    fn load_mixed(&mut self, weights: &Weights) -> Result<()> {
        let whole = weights.has_any("Mixed_7") || weights.has_any("fc.");
        let count = if whole { MIXED.len() } else { MIXED_BEFORE_768 };
        for (name, kind, inputs) in &MIXED[..count] {
            self.mixed.push(Block::load(weights, &format!("{name}."), *kind, *inputs)?);
        }
        self.tap = if whole { Tap::Pool2048 } else { Tap::Mean768 };
        Ok(())
    }

    fn load_fc(&mut self, weights: &Weights) -> Result<()> {
        let weight = weights.get("fc.weight", &[CLASSES, 2048])?;
        let bias = weights.get("fc.bias", &[CLASSES])?.to_vec1::<f32>()?;
        self.fc = Some((Var::constant(weight.t()?.contiguous()?), bias));
        Ok(())
    }

    /// The same network with its weights on a device, where it then computes.
    ///
    /// # Errors
    /// If the device cannot be opened.
    ///
    /// ```no_run
    /// # use frugan_metrics::inception::{Inception, Weights};
    /// let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// let network = network.to_device(&"auto".parse()?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let fc = match &self.fc {
            Some((weight, bias)) => Some((weight.to_device(device)?, bias.clone())),
            None => None,
        };
        Ok(Self { fc, ..self.map(&|conv| conv.to_device(device))? })
    }

    /// The same network with its filters rounded, and what they are multiplied by; in BF16 all that lies between layers too. Sums, biases,
    /// means and the last layer stay F32. The CPU rounds as a GPU does, and is slower for it.
    ///
    /// # Errors
    /// If the device has no such numbers.
    ///
    /// ```no_run
    /// # use frugan_metrics::inception::{Inception, Weights};
    /// let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// let rounded = network.in_precision(frugan_nn::Precision::Bf16)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn in_precision(&self, precision: Precision) -> Result<Self> {
        Ok(Self { precision, ..self.map(&|conv| conv.in_precision(precision))? })
    }

    /// The same network with each of its convolutions changed.
    fn map(&self, change: &dyn Fn(&Conv) -> Result<Conv>) -> Result<Self> {
        let mut stem = [None, None, None, None, None];
        for (changed, conv) in stem.iter_mut().zip(&self.stem) {
            *changed = conv.as_ref().map(change).transpose()?;
        }
        let mixed = self.mixed.iter().map(|block| block.map(change)).collect::<Result<_>>()?;
        Ok(Self { stem, mixed, fc: self.fc.clone(), ..*self })
    }

    fn device(&self) -> Device {
        self.stem.iter().flatten().next().map_or(Device::Cpu, Conv::device)
    }

    /// The tap that the file reaches.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Tap, inception::{Inception, Weights}};
    /// let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// assert_eq!(network.tap(), Tap::Pool2048);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn tap(&self) -> Tap {
        self.tap
    }

    /// Whether the file has `fc`.
    ///
    /// ```no_run
    /// # use frugan_metrics::inception::{Inception, Weights};
    /// let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// assert!(!network.has_logits());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn has_logits(&self) -> bool {
        self.fc.is_some()
    }

    /// Features at the last tap and, with `fc`, logits without bias, of all images in one pass.
    ///
    /// # Errors
    /// If a layer fails.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Images, inception::{Inception, Weights}};
    /// # let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// let features = network.extract(Images::new(&[0; 64 * 64], [1, 64, 64])?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn extract(&self, images: Images<'_>) -> Result<Features> {
        let taps = self.taps(&prepare_on(images, &self.device())?)?;
        let last = match self.tap {
            Tap::Mean64 => taps.mean64,
            Tap::Mean192 => taps.mean192,
            Tap::Mean768 => taps.mean768,
            Tap::Pool2048 | Tap::Random => taps.pool2048,
        };
        let pool = last.map(|pool| pool.to_vec::<f32>()).transpose()?.unwrap_or_default();
        let mut features = Features::new(self.tap.dims(), pool)?;
        let logits = taps.logits_unbiased.map(|logits| logits.to_vec::<f32>()).transpose()?;
        features.logits = logits.map(|values| Logits { values, classes: CLASSES });
        Ok(features)
    }

    /// One pass over `[N, 3, 299, 299]` of [`prepare`].
    ///
    /// # Errors
    /// If a layer fails.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Images, inception::{Inception, Weights, prepare}};
    /// # let network = Inception::new(&Weights::read("inception-2015-12-05.safetensors".as_ref())?)?;
    /// let taps = network.taps(&prepare(Images::new(&[0; 64 * 64], [1, 64, 64])?)?)?;
    /// assert_eq!(taps.mean64.unwrap().dims(), [1, 64]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn taps(&self, images: &Var) -> Result<Taps> {
        let mut taps = Taps::default();
        let mut x = images.clone();
        for conv in self.stem[..3].iter().flatten() {
            x = conv.forward(&x)?;
        }
        x = x.max_pool2d(3, 2, 0)?;
        taps.mean64 = Some(self.spatial_mean(&x)?);
        if self.tap == Tap::Mean64 {
            return Ok(taps);
        }
        for conv in self.stem[3..].iter().flatten() {
            x = conv.forward(&x)?;
        }
        x = x.max_pool2d(3, 2, 0)?;
        taps.mean192 = Some(self.spatial_mean(&x)?);
        for (i, block) in self.mixed.iter().enumerate() {
            x = block.forward(&x)?;
            if i + 1 == MIXED_BEFORE_768 {
                taps.mean768 = Some(self.spatial_mean(&x)?);
            }
        }
        if self.tap == Tap::Pool2048 {
            let pool = self.spatial_mean(&x)?;
            if let Some((weight, bias)) = &self.fc {
                let logits = cuda::with_tf32(pool.device(), false, || pool.matmul(weight))??;
                let bias = Var::constant(Tensor::from_slice(bias, (1, CLASSES), &Host::Cpu)?);
                let bias = bias.to_device(&logits.device())?;
                taps.logits = Some(logits.add(&bias)?);
                taps.logits_unbiased = Some(logits);
            }
            taps.pool2048 = Some(pool);
        }
        Ok(taps)
    }

    /// `[N, C, H, W]` to `[N, C]`, in F32.
    fn spatial_mean(&self, x: &Var) -> Result<Var> {
        let (n, c) = (x.dims()[0], x.dims()[1]);
        Ok(rounding::stored(x, self.precision)?.to_dtype(DType::F32)?.mean_keep(&[2, 3])?.reshape(&[n, c])?)
    }
}
