//! Band-limited affine resampling: the geometric transforms of ADA (Karras et al. 2020, appendix B) in one op.

use std::sync::Arc;

use candle_core::{Result, bail};

use crate::check_shapes::rank4;
use crate::kernels::warp;
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// An affine map an image, and how to resample under it.
///
/// An image is continued by reflection (without repeating the edge) by `margin` pixels and by zeros beyond, doubled in
/// size with the low-pass filter of an orthogonal wavelet, sampled bilinearly on the doubled grid of the output, and
/// halved again with the same filter reversed. Whole-pixel shifts give the image back but for rounding; flips and
/// quarter turns do not, for such a filter is not symmetric.
///
/// ```
/// use frugan_autograd::{Tensor, Var, Warp};
/// # fn main() -> frugan_autograd::Result<()> {
/// let image = Var::from(Tensor::new(&[[[[1f64, 2., 3.], [4., 5., 6.], [7., 8., 9.]]]], &candle_core::Device::Cpu)?);
/// // Output pixels to input pixels, origin at the centre, x to the right: a mirror image.
/// let mirror = [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];
/// let warp = Warp::new(vec![mirror], [2, 2, 2, 2], [0.0; 12]).nearest(vec![true]);
/// assert_eq!(image.warp2d(&warp)?.to_vec::<f64>()?, [3., 2., 1., 6., 5., 4., 9., 8., 7.]);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Warp {
    maps: Arc<[[[f64; 3]; 2]]>,
    margin: [usize; 4],
    taps: [f64; 12],
    nearest: Arc<[bool]>,
}

impl Warp {
    /// One map an image: `[[a, b, tx], [c, d, ty]]` takes the output's pixel (x, y) to the input's
    /// (a x + b y + tx, c x + d y + ty), in pixels from the centre of the image, x to the right and y down.
    /// `margin` is the reflected border `[left, right, top, bottom]`; `taps` are the wavelet's low-pass filter with
    /// sum 1, of 12 taps as sym6 has.
    pub fn new(maps: Vec<[[f64; 3]; 2]>, margin: [usize; 4], taps: [f64; 12]) -> Self {
        let nearest = vec![false; maps.len()].into();
        Self { maps: maps.into(), margin, taps, nearest }
    }

    /// The images whose pixels are copied from the nearest input pixel instead: exact for flips, quarter turns and
    /// whole-pixel shifts.
    #[must_use]
    pub fn nearest(self, images: Vec<bool>) -> Self {
        Self { nearest: images.into(), ..self }
    }

    pub(crate) fn maps(&self) -> &[[[f64; 3]; 2]] {
        &self.maps
    }

    pub(crate) fn margin(&self) -> [usize; 4] {
        self.margin
    }

    pub(crate) fn taps(&self) -> &[f64; 12] {
        &self.taps
    }

    pub(crate) fn is_nearest(&self, image: usize) -> bool {
        self.nearest[image]
    }

    fn check(&self, batch: usize, height: usize, width: usize) -> Result<()> {
        if self.maps.len() != batch || self.nearest.len() != batch {
            let (maps, choices) = (self.maps.len(), self.nearest.len());
            bail!("warp2d: {maps} maps and {choices} choices of the nearest pixel, expected {batch} each, one an image")
        }
        let [left, right, top, bottom] = self.margin;
        if left.max(right) >= width || top.max(bottom) >= height {
            let margin = self.margin;
            bail!(
                "warp2d: margin {margin:?} for {height} x {width} pixels, expected less than the side: it is reflected"
            )
        }
        if let Some(i) = self.maps.iter().position(|map| !map.as_flattened().iter().all(|v| v.is_finite())) {
            bail!("warp2d: the map of image {i} is {:?}, expected finite numbers", self.maps[i])
        }
        Ok(())
    }
}

/// Linear in the image, so forward and adjoint are each other's.
struct Resample {
    warp: Warp,
    adjoint: bool,
}

impl Op for Resample {
    fn name(&self) -> &'static str {
        "warp2d"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        warp::warp(inputs[0], &self.warp, self.adjoint)
    }

    fn vjp(&self, _: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let other = Self { warp: self.warp.clone(), adjoint: !self.adjoint };
        Ok(vec![Some(apply(other, &[&g])?)])
    }
}

impl Var {
    /// Resamples each image of `[N, C, H, W]` under its own affine map; see [`Warp`].
    ///
    /// # Errors
    /// If there is not one finite map an image, or the margin is not smaller than the image.
    pub fn warp2d(&self, warp: &Warp) -> Result<Var> {
        let [batch, _, height, width] = rank4("warp2d", "the input", "[N, C, H, W]", self)?;
        warp.check(batch, height, width)?;
        apply(Resample { warp: warp.clone(), adjoint: false }, &[self])
    }
}
