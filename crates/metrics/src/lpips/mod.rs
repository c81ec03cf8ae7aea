//! LPIPS v0.1 (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

mod net;
mod weights;

use std::path::Path;

use frugan_autograd::{Conv2dConfig, DType, Device, Var, concat};

pub use net::LpipsNet;

use crate::{Error, Result, locate};

/// Added to a feature vector's length.
const EPSILON: f64 = 1e-10;
/// Added under its root: at a place where all features are 0 the root has no derivative, and the gradient would be NaN.
const EPSILON_IN_ROOT: f64 = 1e-20;

/// The learned perceptual distance of two images: features of a trained network, scaled to unit length at each place,
/// squared differences weighted by channel, averaged over places and summed over five layers.
///
/// Everything is ops of the tape, so the distance can be differentiated by the images, and twice.
///
/// ```no_run
/// use frugan_autograd::{GraphMode, Tensor, Var, grad_of_scalar};
/// use frugan_metrics::{Lpips, LpipsNet};
/// let lpips = Lpips::open(LpipsNet::Vgg16, None)?;
/// let images = |value: f32| Tensor::full(value, (2, 3, 64, 64), &candle_core::Device::Cpu);
/// let (a, b) = (Var::leaf(images(0.1)?), Var::constant(images(0.2)?));
/// let distance = lpips.distance(&a, &b)?; // [2]
/// let gradient = grad_of_scalar(&distance.sum()?, &[&a], GraphMode::Free)?;
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lpips {
    net: LpipsNet,
    /// Weight and bias.
    convs: Vec<(Var, Var)>,
    /// Non-negative weights of the channels, `[1, C, 1, 1]` each.
    heads: Vec<Var>,
    shift: Var,
    scale: Var,
    sha256: String,
    source: String,
}

impl Lpips {
    /// The network of the weights that [`locate::lpips`] finds; `given` is a file or a folder.
    ///
    /// # Errors
    /// If there are no weights, or they are of another network.
    ///
    /// ```
    /// use frugan_metrics::{Lpips, LpipsNet};
    /// let error = Lpips::open(LpipsNet::AlexNet, Some("no/such/folder".as_ref())).unwrap_err();
    /// assert!(error.to_string().contains("cargo xtask assets lpips"));
    /// ```
    pub fn open(net: LpipsNet, given: Option<&Path>) -> Result<Self> {
        Self::read(net, &locate::lpips(net, given)?)
    }

    /// The distance of each pair, `[N]`, of images `[N, C, H, W]` in [-1, 1]; one channel stands for three.
    ///
    /// # Errors
    /// If the shapes differ, a side is below [`LpipsNet::smallest_side`], or dtype or device is not the weights'.
    ///
    /// ```
    /// # use frugan_autograd::{DType, Device, Var};
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// # let tensors = LpipsNet::AlexNet.tensors().into_iter().map(|(name, shape)| {
    /// #     Ok((name, candle_core::Tensor::full(0.01_f32, shape, &candle_core::Device::Cpu)?))
    /// # }).collect::<Result<_, candle_core::Error>>()?;
    /// let lpips = Lpips::from_tensors(LpipsNet::AlexNet, &tensors)?;
    /// let grey = Var::zeros(&[2, 3, 32, 32], DType::F32, &Device::Cpu)?;
    /// assert_eq!(lpips.distance(&grey, &grey)?.to_vec::<f32>()?, [0.0, 0.0]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn distance(&self, a: &Var, b: &Var) -> Result<Var> {
        let mut taps = self.tap_distances(a, b)?.into_iter();
        let first = taps.next().map_or_else(|| a.zeros_like(), Ok)?;
        taps.try_fold(first, |sum, tap| Ok(sum.add(&tap)?))
    }

    /// The five layers' shares of [`Lpips::distance`], `[N]` each.
    ///
    /// # Errors
    /// As [`Lpips::distance`].
    ///
    /// ```no_run
    /// # use frugan_autograd::{DType, Device, Var};
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let grey = Var::zeros(&[2, 3, 32, 32], DType::F32, &Device::Cpu)?;
    /// assert_eq!(Lpips::open(LpipsNet::AlexNet, None)?.tap_distances(&grey, &grey)?.len(), 5);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn tap_distances(&self, a: &Var, b: &Var) -> Result<Vec<Var>> {
        if a.dims() != b.dims() {
            return Err(Error::input("lpips", format!("images {:?} against {:?}", a.dims(), b.dims())));
        }
        let (a, b) = (self.unit_features(a)?, self.unit_features(b)?);
        let share = |((a, b), head): ((&Var, &Var), &Var)| -> Result<Var> {
            let (n, _, h, w) = a.dims4()?;
            let weighted = a.sub(b)?.square()?.mul(head)?.sum_keep(&[1, 2, 3])?;
            Ok(weighted.scale(1.0 / (h * w) as f64)?.reshape(&[n])?)
        };
        a.iter().zip(&b).zip(&self.heads).map(share).collect()
    }

    /// Images as points, `[N, D]`, whose squared Euclidean distances are the LPIPS distances: for searches, where each
    /// image passes through the network once. D depends on the images' size.
    ///
    /// # Errors
    /// As [`Lpips::distance`].
    ///
    /// ```no_run
    /// # use frugan_autograd::{DType, Device, Var};
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let images = Var::zeros(&[2, 3, 32, 32], DType::F32, &Device::Cpu)?;
    /// assert_eq!(Lpips::open(LpipsNet::AlexNet, None)?.embed(&images)?.dims(), [2, 5760]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn embed(&self, images: &Var) -> Result<Var> {
        let mut parts = Vec::new();
        for (features, head) in self.unit_features(images)?.iter().zip(&self.heads) {
            let (n, c, h, w) = features.dims4()?;
            let root = head.scale(1.0 / (h * w) as f64)?.sqrt()?;
            parts.push(features.mul(&root)?.reshape(&[n, c * h * w])?);
        }
        Ok(concat(&parts.iter().collect::<Vec<_>>(), 1)?)
    }

    /// Features of unit length at each place, tap by tap.
    fn unit_features(&self, images: &Var) -> Result<Vec<Var>> {
        let mut x = self.normalised(images)?;
        let mut taps = Vec::new();
        let (kernel, stride) = self.net.pooling();
        for (layer, (weight, bias)) in self.net.layers().iter().zip(&self.convs) {
            if layer.pooled {
                x = x.max_pool2d(kernel, stride, 0)?;
            }
            let config = Conv2dConfig { stride: layer.stride, padding: [layer.padding(); 2] };
            x = x.conv2d_relu(weight, Some(bias), config)?;
            if layer.tapped {
                let length = x.square()?.sum_keep(&[1])?.affine(1.0, EPSILON_IN_ROOT)?.sqrt()?;
                taps.push(x.div(&length.affine(1.0, EPSILON)?)?);
            }
        }
        Ok(taps)
    }

    /// Images as the trunk was trained on them.
    fn normalised(&self, images: &Var) -> Result<Var> {
        let (n, c, h, w) = images.dims4()?;
        let (name, side) = (self.net.name(), self.net.smallest_side());
        if !matches!(c, 1 | 3) || h < side || w < side {
            let reason = format!("{c}x{h}x{w} images; {name} takes 1 or 3 channels and sides of at least {side}");
            return Err(Error::input("lpips", reason));
        }
        if (images.dtype(), images.device()) != (self.shift.dtype(), self.shift.device()) {
            let (have, want) = ((images.dtype(), images.device()), (self.shift.dtype(), self.shift.device()));
            let reason = format!("images are {have:?}, the weights {want:?}; use Lpips::to_dtype or Lpips::to_device");
            return Err(Error::input("lpips", reason));
        }
        Ok(images.broadcast_to(&[n, 3, h, w])?.sub(&self.shift)?.div(&self.scale)?)
    }

    /// The same network in another precision; F64 is for checks of gradients.
    ///
    /// # Errors
    /// If `dtype` is neither F32 nor F64.
    ///
    /// ```no_run
    /// # use frugan_autograd::DType;
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let exact = Lpips::open(LpipsNet::AlexNet, None)?.to_dtype(DType::F64)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        self.with(|var| var.to_dtype(dtype))
    }

    /// The same network on another device.
    ///
    /// # Errors
    /// If the device cannot be opened.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// let lpips = Lpips::open(LpipsNet::AlexNet, None)?.to_device(&"auto".parse()?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        self.with(|var| var.to_device(device))
    }

    fn with(&self, f: impl Fn(&Var) -> frugan_autograd::Result<Var>) -> Result<Self> {
        let mut other = self.clone();
        let convs = other.convs.iter_mut().flat_map(|(weight, bias)| [weight, bias]);
        for var in convs.chain(&mut other.heads).chain([&mut other.shift, &mut other.scale]) {
            *var = f(var)?;
        }
        Ok(other)
    }

    /// The trunk.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// assert_eq!(Lpips::open(LpipsNet::Vgg16, None)?.net(), LpipsNet::Vgg16);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn net(&self) -> LpipsNet {
        self.net
    }

    /// sha256 of the weights, in hex.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// assert_eq!(Lpips::open(LpipsNet::Vgg16, None)?.sha256().len(), 64);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Where the weights come from, for logs.
    ///
    /// ```no_run
    /// # use frugan_metrics::{Lpips, LpipsNet};
    /// println!("{}", Lpips::open(LpipsNet::Vgg16, None)?.source());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn source(&self) -> &str {
        &self.source
    }
}
