//! The random-feature network: what serves where no trained network is at hand.

use candle_core::{Device as Host, Tensor};
use frugan_autograd::{Conv2dConfig, Device, Var};
use frugan_nn::{Purpose, Stream};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{Features, Images, Result};

/// Features of an image: 64 channels at 2x2 places.
pub(crate) const DIMS: usize = 256;
const WEIGHTS: Purpose = Purpose::new("metrics.random_network");
/// Part of the network's identity: never to be changed.
const SEED: u64 = 2020;
const SIDE: usize = 32;
const WIDTHS: [usize; 5] = [3, 32, 64, 128, 64];
const EDGE_GAIN: f32 = 4.0;
/// Brings distances between sets of photographs into the tens, where FID has them.
const SCALE: f64 = 10.0;

/// Four 3x3 convolutions with fixed random filters, ReLU and 2x2 averages between them, on images brought to 32x32;
/// the last 4x4 map is averaged to 2x2.
///
/// Filters are normal with He's variance. In the first layer every other one sums to zero in each channel and is four
/// times as strong: it sees edges, which are faint beside the colours. Behind it all sum to zero, so that features tell
/// images apart rather than share one large mean. Its Fréchet distance, `frd`, orders samples by colours, textures and
/// their places. It is no FID, and the two do not convert.
///
/// ```
/// use frugan_metrics::{Images, RandomNetwork};
/// let network = RandomNetwork::new()?;
/// let features = network.extract(Images::new(&[90; 2 * 3 * 32 * 32], [3, 32, 32])?)?;
/// assert_eq!((features.len(), features.dims), (2, 256));
/// assert_eq!(features.row(0), features.row(1));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RandomNetwork {
    filters: Vec<Var>,
    sha256: String,
}

impl RandomNetwork {
    /// The one random network: it has no settings.
    ///
    /// # Errors
    /// If tensors cannot be made, which does not happen on a host.
    ///
    /// ```
    /// # use frugan_metrics::RandomNetwork;
    /// assert_eq!(RandomNetwork::new()?.sha256(), RandomNetwork::new()?.sha256());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn new() -> Result<Self> {
        let mut hash = Sha256::new();
        let mut filters = Vec::new();
        for (layer, widths) in WIDTHS.windows(2).enumerate() {
            let values = filter(layer, widths[0], widths[1]);
            values.iter().for_each(|value| hash.update(value.to_le_bytes()));
            filters.push(Var::constant(Tensor::from_vec(values, (widths[1], widths[0], 3, 3), &Host::Cpu)?));
        }
        Ok(Self { filters, sha256: format!("{:x}", hash.finalize()) })
    }

    /// The same network with its filters on a device, where it then computes.
    ///
    /// # Errors
    /// If the device cannot be opened.
    ///
    /// ```
    /// # use frugan_metrics::RandomNetwork;
    /// let network = RandomNetwork::new()?.to_device(&"cpu".parse()?)?;
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        let filters = self.filters.iter().map(|filter| Ok(filter.to_device(device)?)).collect::<Result<_>>()?;
        Ok(Self { filters, sha256: self.sha256.clone() })
    }

    /// sha256 of the filters, in hex.
    ///
    /// ```
    /// # use frugan_metrics::RandomNetwork;
    /// assert_eq!(RandomNetwork::new()?.sha256().len(), 64);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The features of all images in one pass.
    ///
    /// # Errors
    /// If a convolution fails.
    ///
    /// ```
    /// # use frugan_metrics::{Images, RandomNetwork};
    /// let grey = RandomNetwork::new()?.extract(Images::new(&[90; 64 * 64], [1, 64, 64])?)?;
    /// assert_eq!(grey.len(), 1);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn extract(&self, images: Images<'_>) -> Result<Features> {
        let size = 3 * SIDE * SIDE;
        let mut pixels = vec![0.0; images.len() * size];
        let pairs: Vec<_> = pixels.chunks_mut(size).zip(images.iter()).collect();
        pairs.into_par_iter().for_each(|(out, image)| shrink(image, images.shape(), out));
        let x = Var::constant(Tensor::from_vec(pixels, (images.len(), 3, SIDE, SIDE), &Host::Cpu)?);
        let mut x = x.to_device(&self.filters[0].device())?;
        for (layer, filter) in self.filters.iter().enumerate() {
            x = if layer == 0 { x } else { x.avg_pool2()? };
            x = x.conv2d_relu(filter, None, Conv2dConfig { stride: 1, padding: [1, 1] })?;
        }
        let pool = x.avg_pool2()?.scale(SCALE)?.to_vec::<f32>()?;
        Features::new(DIMS, pool)
    }
}

/// `[out, in, 3, 3]`, variance 2 / fan-in before the centring.
fn filter(layer: usize, inputs: usize, outputs: usize) -> Vec<f32> {
    let fan_in = inputs * 9;
    let mut values = Stream::new(SEED, WEIGHTS, layer as u64).normals(outputs * fan_in);
    for (i, filter) in values.chunks_mut(fan_in).enumerate() {
        let (span, gain) = match (layer, i % 2) {
            (0, 0) => (1, 1.0),
            (0, _) => (9, EDGE_GAIN),
            _ => (fan_in, 1.0),
        };
        for part in filter.chunks_mut(span) {
            let mean = if span > 1 { part.iter().sum::<f32>() / span as f32 } else { 0.0 };
            part.iter_mut().for_each(|value| *value = (*value - mean) * gain * (2.0 / fan_in as f32).sqrt());
        }
    }
    values
}

/// One image to `[3, 32, 32]` in [-1, 1]: each cell is the mean of the pixels it touches; grey goes to all channels.
fn shrink(image: &[u8], [channels, height, width]: [usize; 3], out: &mut [f32]) {
    let span = |i: usize, extent: usize| i * extent / SIDE..((i + 1) * extent).div_ceil(SIDE);
    for (channel, plane) in out.chunks_mut(SIDE * SIDE).enumerate() {
        let source = &image[(channel % channels) * height * width..][..height * width];
        for (cell, value) in plane.iter_mut().enumerate() {
            let (rows, columns) = (span(cell / SIDE, height), span(cell % SIDE, width));
            let count = rows.len() * columns.len();
            let sum: u32 = rows.flat_map(|y| &source[y * width..][columns.clone()]).map(|v| u32::from(*v)).sum();
            *value = sum as f32 / count as f32 / 127.5 - 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The filters name the network: a change of them is another metric.
    #[test]
    fn filters_never_change() {
        let first: Vec<f32> = (0..4).map(|layer| filter(layer, WIDTHS[layer], WIDTHS[layer + 1])[0]).collect();
        let known = [-0.18284811, -0.022528652, -0.14940436, 0.01165295];
        assert!(first.iter().zip(known).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{first:?}");
        assert!(filter(1, 32, 64).chunks(288).all(|filter| filter.iter().sum::<f32>().abs() < 1e-4));
    }

    #[test]
    fn cells_are_means_of_what_they_touch() {
        let mut out = vec![0.0; 3 * SIDE * SIDE];
        let image: Vec<u8> = (0..64 * 64).map(|i| if i / 64 % 2 == 0 { 0 } else { 255 }).collect();
        shrink(&image, [1, 64, 64], &mut out);
        assert!(out.iter().all(|value| value.abs() < 1e-6));
        let rows: Vec<u8> = (0..16 * 16).map(|i| (i / 16 * 17) as u8).collect();
        shrink(&rows, [1, 16, 16], &mut out);
        assert_eq!((out[0], out[SIDE], out[31 * SIDE]), (-1.0, -1.0, 1.0));
    }
}
