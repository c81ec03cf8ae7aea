//! Bytes as the network's graph takes them.

use candle_core::{Device as Host, Tensor};
use frugan_autograd::{Device, Var, concat, cuda};

use super::SIDE;
use crate::resize::{tf1_bilinear, tf1_matrix};
use crate::{Images, Result};

/// TensorFlow 1's bilinear resize to 299x299, then `(u - 128) / 128`; grey images on all three channels. `[N, 3, 299, 299]`.
///
/// # Errors
/// If the tensor cannot be made.
///
/// ```
/// use frugan_metrics::{Images, inception::prepare};
/// let x = prepare(Images::new(&[192; 3 * 2 * 2], [3, 2, 2])?)?;
/// assert_eq!((x.dims(), x.to_vec::<f32>()?[7]), (&[1, 3, 299, 299][..], 0.5));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn prepare(images: Images<'_>) -> Result<Var> {
    let [channels, height, width] = images.shape();
    let pixels: Vec<f32> = images.bytes().iter().map(|byte| f32::from(*byte)).collect();
    let mut resized = tf1_bilinear(&pixels, (height, width), (SIDE, SIDE));
    if channels == 1 {
        resized = resized.chunks(SIDE * SIDE).flat_map(|plane| plane.repeat(3)).collect();
    }
    resized.iter_mut().for_each(|value| *value = (*value - 128.0) / 128.0);
    Ok(Var::constant(Tensor::from_vec(resized, (images.len(), 3, SIDE, SIDE), &Host::Cpu)?))
}

/// [`prepare`] on a device, where it lies then. A GPU is sent the images as they are and resizes them by two products, unless they are
/// larger than what they become; the numbers differ from the CPU's in the last places.
///
/// # Errors
/// If the device cannot be opened, or fails.
///
/// ```
/// use frugan_metrics::{Images, inception::prepare_on};
/// let x = prepare_on(Images::new(&[192; 2 * 2], [1, 2, 2])?, &"cpu".parse()?)?;
/// assert_eq!(x.dims(), [1, 3, 299, 299]);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn prepare_on(images: Images<'_>, device: &Device) -> Result<Var> {
    let [_, height, width] = images.shape();
    if *device == Device::Cpu || height * width > SIDE * SIDE {
        return Ok(prepare(images)?.to_device(device)?);
    }
    cuda::with_tf32(*device, false, || resized_there(images, device))?
}

/// Rows of pixels by the matrix of the resize along x; what comes, turned, by that along y.
fn resized_there(images: Images<'_>, device: &Device) -> Result<Var> {
    let [channels, height, width] = images.shape();
    let planes = images.len() * channels;
    let pixels: Vec<f32> = images.bytes().iter().map(|byte| (f32::from(*byte) - 128.0) / 128.0).collect();
    let there = |values: Vec<f32>, shape: (usize, usize)| -> Result<Var> {
        Ok(Var::constant(Tensor::from_vec(values, shape, &Host::Cpu)?).to_device(device)?)
    };
    let (along_x, along_y) = (tf1_matrix(width, SIDE), tf1_matrix(height, SIDE));
    let wide = there(pixels, (planes * height, width))?.matmul(&there(along_x, (width, SIDE))?)?;
    let turned = wide.reshape(&[planes, height, SIDE])?.permute(&[0, 2, 1])?.reshape(&[planes * SIDE, height])?;
    let resized = turned.matmul(&there(along_y, (height, SIDE))?)?;
    let upright = resized.reshape(&[planes, SIDE, SIDE])?.permute(&[0, 2, 1])?;
    let x = upright.reshape(&[images.len(), channels, SIDE, SIDE])?;
    Ok(if channels == 1 { concat(&[&x, &x, &x], 1)? } else { x })
}
