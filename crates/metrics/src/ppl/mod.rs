//! The perceptual path length (Karras et al. 2019, section 4.1; StyleGAN2-ADA's code).

mod config;
mod interpolate;

use candle_core::{DType, Tensor};
use frugan_autograd::{Var, concat, no_grad};
use frugan_nn::{Purpose, Stream};

pub use config::{PathSampling, PathSpace, PplConfig};
pub use interpolate::{lerp, slerp};

use crate::{Error, Lpips, LpipsNet, Result};

const PATHS: Purpose = Purpose::new("metrics.ppl");
/// Larger images are averaged down to about this side.
const SIDE: usize = 256;

/// A generator in two halves, as closures: the metric knows no models.
///
/// Both get rows in pairs: row i and row n + i of 2n are the two ends of one step along a path. They also get the
/// number of the batch, to draw from it what both ends must share: labels in `mapping`, noise in `synthesis`.
///
/// ```
/// use frugan_metrics::PathGenerator;
/// let mut same = |z: &frugan_autograd::Var, _batch: usize| Ok(z.clone());
/// let mut images = |w: &frugan_autograd::Var, _batch: usize| w.reshape(&[w.dims()[0], 1, 16, 16]);
/// let generator = PathGenerator { latent_dim: 256, mapping: &mut same, synthesis: &mut images };
/// ```
pub struct PathGenerator<'a> {
    /// Length of z.
    pub latent_dim: usize,
    /// w of z `[2n, latent_dim]`: any shape with 2n rows.
    pub mapping: &'a mut Half<'a>,
    /// Images `[2n, C, H, W]` in [-1, 1] of w.
    pub synthesis: &'a mut Half<'a>,
}

type Half<'a> = dyn FnMut(&Var, usize) -> frugan_autograd::Result<Var> + 'a;

/// A path length and the bounds that outliers lie beyond.
///
/// ```
/// use frugan_metrics::PathLength;
/// let distances: Vec<f64> = (0..201).map(f64::from).collect();
/// let length = PathLength::of(&distances)?;
/// assert_eq!((length.low, length.high, length.mean), (2.0, 198.0, 100.0));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathLength {
    /// The 1st percentile, the lower neighbour where it lies between two distances.
    pub low: f64,
    /// The 99th percentile, the higher neighbour.
    pub high: f64,
    /// The path length: the mean of the distances from `low` to `high`.
    pub mean: f64,
}

impl PathLength {
    /// Of distances that are divided by epsilon^2 already.
    ///
    /// # Errors
    /// If there is none, or one is not finite.
    ///
    /// ```
    /// # use frugan_metrics::PathLength;
    /// assert!(PathLength::of(&[1.0, f64::NAN]).is_err());
    /// ```
    pub fn of(distances: &[f64]) -> Result<Self> {
        if distances.is_empty() || !distances.iter().all(|distance| distance.is_finite()) {
            let n = distances.len();
            return Err(Error::input("ppl", format!("{n} distances; expected at least one, all of them finite")));
        }
        let mut sorted = distances.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        let (low, high) = (sorted[last / 100], sorted[(99 * last).div_ceil(100)]);
        let kept: Vec<f64> = distances.iter().copied().filter(|d| (low..=high).contains(d)).collect();
        Ok(Self { low, high, mean: kept.iter().sum::<f64>() / kept.len() as f64 })
    }
}

/// The perceptual path length of a generator under the protocol of `config`: LPIPS between the images of two points
/// that lie epsilon apart on a path, over epsilon^2, averaged over paths.
///
/// A path's draws (its place t, then its two latents) depend on the seed and its number only.
///
/// # Errors
/// If the config is out of range, `lpips` is not on VGG16, or a closure or a layer fails.
///
/// ```
/// use frugan_autograd::Var;
/// use frugan_metrics::{Lpips, LpipsNet, PathGenerator, PplConfig, ppl};
/// # fn images(w: &Var) -> frugan_autograd::Result<Var> { w.reshape(&[w.dims()[0], 1, 16, 16])?.tanh() }
/// # let tensors = LpipsNet::Vgg16.tensors().into_iter().map(|(name, shape)| {
/// #     let size = shape.iter().skip(1).product::<usize>().max(1) as f32;
/// #     Ok((name, candle_core::Tensor::full(1.0 / size, shape, &candle_core::Device::Cpu)?))
/// # }).collect::<Result<_, candle_core::Error>>()?;
/// # let lpips = Lpips::from_tensors(LpipsNet::Vgg16, &tensors)?;
/// let config = PplConfig { num_samples: 2, ..PplConfig::default() };
/// let (mut mapping, mut synthesis) = (|z: &Var, _| Ok(z.clone()), |w: &Var, _| images(w));
/// let mut generator = PathGenerator { latent_dim: 256, mapping: &mut mapping, synthesis: &mut synthesis };
/// assert!(ppl(&config, &mut generator, &lpips)?.mean.is_finite());
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn ppl(config: &PplConfig, generator: &mut PathGenerator<'_>, lpips: &Lpips) -> Result<PathLength> {
    config.validate()?;
    if lpips.net() != LpipsNet::Vgg16 {
        let got = lpips.net().name();
        return Err(Error::input("ppl", format!("LPIPS on {got}; the path length is defined on vgg16")));
    }
    let mut distances = Vec::with_capacity(config.num_samples);
    for (batch, start) in (0..config.num_samples).step_by(config.batch).enumerate() {
        let paths = start..(start + config.batch).min(config.num_samples);
        let images = no_grad(|| ends(config, generator, batch, paths.clone()))?;
        let (first, second) = (images.narrow(0, 0, paths.len())?, images.narrow(0, paths.len(), paths.len())?);
        let lengths = no_grad(|| lpips.distance(&first, &second))?.to_vec::<f32>()?;
        distances.extend(lengths.into_iter().map(|length| f64::from(length) / config.epsilon.powi(2)));
    }
    PathLength::of(&distances)
}

/// Images of the first ends of some paths, then of their second ends, as LPIPS compares them.
fn ends(
    config: &PplConfig,
    generator: &mut PathGenerator<'_>,
    batch: usize,
    paths: std::ops::Range<usize>,
) -> Result<Var> {
    let (n, dims) = (paths.len(), generator.latent_dim);
    let (mut places, mut latents) = (Vec::new(), [Vec::new(), Vec::new()]);
    for path in paths {
        let mut stream = Stream::new(config.seed, PATHS, path as u64);
        let place = f64::from(stream.uniforms(1)[0]);
        places.push(if config.sampling == PathSampling::Full { place } else { 0.0 });
        latents.iter_mut().for_each(|side| side.extend(stream.normals(dims)));
    }
    let stepped: Vec<f64> = places.iter().map(|place| place + config.epsilon).collect();
    let w = match config.space {
        PathSpace::Z => {
            let along = |places: &[f64]| -> Vec<f32> {
                let rows = latents[0].chunks(dims).zip(latents[1].chunks(dims)).zip(places);
                rows.flat_map(|((a, b), place)| slerp(a, b, *place)).collect()
            };
            let z = [along(&places), along(&stepped)].concat();
            (generator.mapping)(&rows_of(z, dims)?, batch)?
        }
        PathSpace::W => {
            let w = (generator.mapping)(&rows_of(latents.concat(), dims)?, batch)?;
            check_rows("mapping", &w, 2 * n)?;
            let (a, b) = (w.narrow(0, 0, n)?, w.narrow(0, n, n)?);
            let along = |places: &[f64]| -> Result<Var> { Ok(lerp(&a, &b, &column(places, &w)?)?) };
            concat(&[&along(&places)?, &along(&stepped)?], 0)?
        }
    };
    let images = (generator.synthesis)(&w, batch)?;
    check_rows("synthesis", &images, 2 * n)?;
    prepared(&images, config.crop)
}

fn rows_of(values: Vec<f32>, dims: usize) -> Result<Var> {
    let rows = values.len() / dims;
    Ok(Var::constant(Tensor::from_vec(values, (rows, dims), &candle_core::Device::Cpu)?))
}

/// Places as `[n, 1, ..]` of w's rank, dtype and device.
fn column(places: &[f64], w: &Var) -> Result<Var> {
    let mut shape = vec![1; w.dims().len()];
    shape[0] = places.len();
    let places = Tensor::from_slice(places, shape, &candle_core::Device::Cpu)?.to_dtype(w.dtype())?;
    Ok(Var::constant(places).to_device(&w.device())?)
}

fn check_rows(half: &'static str, var: &Var, rows: usize) -> Result<()> {
    if var.dims().first() != Some(&rows) {
        let got = var.dims();
        return Err(Error::input("ppl", format!("the closure {half} gave {got:?}; expected {rows} rows")));
    }
    Ok(())
}

/// The legacy crop to a face's box, then block means down to a side of 256.
fn prepared(images: &Var, crop: bool) -> Result<Var> {
    let (_, _, height, width) = images.dims4()?;
    let factor = height / SIDE;
    let mut images = images.clone();
    if crop {
        if height != width || height < 8 {
            let reason = format!("{height}x{width} images; the crop takes squares of at least 8 pixels");
            return Err(Error::input("ppl", reason));
        }
        let eighth = height / 8;
        images = images.narrow(2, 3 * eighth, 4 * eighth)?.narrow(3, 2 * eighth, 4 * eighth)?;
    }
    if factor > 1 {
        images = images.avg_pool2d(factor, factor, 0)?;
    }
    Ok(images.to_dtype(DType::F32)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_crop_and_the_means_take_the_published_pixels() {
        let (side, value) = (512, |y: usize, x: usize| (y / 2 * 256 + x / 2) as f32);
        let pixels: Vec<f32> = (0..side * side).map(|i| value(i / side, i % side)).collect();
        let images = Var::constant(Tensor::from_vec(pixels, (1, 1, side, side), &candle_core::Device::Cpu).unwrap());
        let whole = prepared(&images, false).unwrap();
        assert_eq!(whole.dims(), [1, 1, 256, 256]);
        assert_eq!(whole.to_vec::<f32>().unwrap()[257], 257.0);
        let cropped = prepared(&images, true).unwrap();
        assert_eq!(cropped.dims(), [1, 1, 128, 128]);
        assert_eq!(cropped.to_vec::<f32>().unwrap()[0], (96 * 256 + 64) as f32);
    }

    #[test]
    fn the_percentiles_are_existing_distances() {
        let length = PathLength::of(&[5.0, 1.0, 3.0]).unwrap();
        assert_eq!((length.low, length.high, length.mean), (1.0, 5.0, 3.0));
        assert!(PathLength::of(&[]).is_err());
    }
}
