//! ADA's affine resampling: samples of the doubled image, halved by upfirdn; and the way back, without atomics.

use candle_core::Result;

use super::upfirdn;
use crate::cuda::gpu::Buffer;
use crate::cuda::tensor::{CudaTensor, bytes_of};
use crate::cuda::texts::WARP;
use crate::cuda::words::{Address, words};
use crate::kernels::upfirdn::{Axis, Filter};
use crate::ops::warp::Warp;

/// Samples of the doubled output grid beyond the image, on each side, and the filter's taps: as in `warp.cu`.
const BORDER: usize = 6;
const TAPS: usize = 12;

/// The maps and the filter on the device.
struct Tables {
    maps: Buffer,
    taps: Address,
}

impl Tables {
    fn new(x: &CudaTensor, warp: &Warp) -> Result<Self> {
        let rows = warp.maps().iter().enumerate().flat_map(|(i, map)| {
            let nearest = if warp.is_nearest(i) { 1.0 } else { 0.0 };
            map.as_flattened().iter().copied().chain([nearest]).collect::<Vec<f64>>()
        });
        let rows: Vec<f64> = rows.collect();
        let maps = x.gpu().allocate(size_of_val(rows.as_slice()))?;
        x.gpu().upload(maps.address(), bytes_of(&rows))?;
        Ok(Self { maps, taps: x.gpu().constant(&words![*warp.taps()])? })
    }

    /// The struct of the kernels: `n` threads from `x` to `y`, with the `image` that whole-pixel maps copy from.
    fn words(
        &self,
        warp: &Warp,
        n: usize,
        x: &CudaTensor,
        image: &CudaTensor,
        y: &CudaTensor,
        sizes: [usize; 3],
    ) -> Vec<u64> {
        words![n, x, image, y, self.maps.address(), self.taps, sizes, warp.margin()]
    }
}

/// Halving along an axis: output y takes the samples 2y + 1 to 2y + 12.
fn halving(size: usize) -> Axis {
    Axis { size: 2 * (size + BORDER), out: size, taps: TAPS, up: 1, down: 2, before: -1 }
}

pub(crate) fn warp(x: &CudaTensor, warp: &Warp, adjoint: bool) -> Result<CudaTensor> {
    if adjoint { backward(x, warp) } else { forward(x, warp) }
}

fn forward(x: &CudaTensor, warp: &Warp) -> Result<CudaTensor> {
    let [n, c, height, width] = x.dims4()?;
    let (tables, sizes) = (Tables::new(x, warp)?, [c, height, width]);
    let (down, across) = (2 * (height + BORDER), 2 * (width + BORDER));
    let samples = x.like(&[n, c, down, across])?;
    x.each(&WARP, "warp_samples", &tables.words(warp, n * down * across, x, x, &samples, sizes))?;
    let taps = warp.taps();
    let y = upfirdn::upfirdn(&samples, &[halving(height), halving(width)], Filter::Separable(taps, taps))?;
    x.each(&WARP, "warp_nearest", &tables.words(warp, y.len(), x, x, &y, sizes))?;
    Ok(y)
}

/// Height and width of the largest doubled image with its margin, which is less than a side. The margin depends on what was
/// drawn; memory that depended on it too would lie elsewhere in each step, and a step would be no graph.
fn roomy(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| 2 * (3 * side - 2))
}

fn backward(g: &CudaTensor, warp: &Warp) -> Result<CudaTensor> {
    let [n, c, height, width] = g.dims4()?;
    let (tables, sizes) = (Tables::new(g, warp)?, [c, height, width]);
    let back = |axis: Axis| Axis {
        size: axis.out,
        out: axis.size,
        up: axis.down,
        down: axis.up,
        before: axis.taps as isize - 1 - axis.before,
        ..axis
    };
    let mut taps = *warp.taps();
    taps.reverse();
    let axes = [back(halving(height)), back(halving(width))];
    let samples = upfirdn::upfirdn(g, &axes, Filter::Separable(&taps, &taps))?;
    let [left, right, top, bottom] = warp.margin();
    let (down, across) = (2 * (height + top + bottom), 2 * (width + left + right));
    let [roomy_down, roomy_across] = roomy([height, width]);
    let places = g.like(&[n, c, roomy_down, roomy_across])?;
    g.each(&WARP, "warp_places", &tables.words(warp, n * c * down * across, &samples, g, &places, sizes))?;
    let rows = g.like(&[n, c, height, roomy_across])?;
    g.each(&WARP, "warp_fold_rows", &tables.words(warp, n * c * height * across, &places, g, &rows, sizes))?;
    let gx = g.like(g.dims())?;
    g.each(&WARP, "warp_fold_columns", &tables.words(warp, gx.len(), &rows, g, &gx, sizes))?;
    Ok(gx)
}
