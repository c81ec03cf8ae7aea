//! The nearest training images of a sample: does the generator copy?

use frugan_autograd::{Tensor, Var, no_grad};
use rayon::prelude::*;

use crate::{Error, Images, Lpips, Result};

/// Images that pass through LPIPS together.
const LPIPS_BATCH: usize = 16;
/// Bytes of the fakes' LPIPS features held at a time; more fakes take another pass over the reals.
const LPIPS_MEMORY: usize = 256 << 20;
/// Values summed before a distance is given up.
const BLOCK: usize = 1024;

/// For each fake its `k` nearest reals, the nearest first.
///
/// ```
/// use frugan_metrics::{Images, nearest_by_pixels};
/// let found = nearest_by_pixels(Images::new(&[4, 90], [1, 1, 1])?, Images::new(&[0, 80, 5], [1, 1, 1])?, 2)?;
/// assert_eq!(found.of(0), (&[2, 0][..], &[1.0, 4.0][..]));
/// assert_eq!(found.of(1).0, [1, 2]);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbours {
    /// Neighbours of a fake.
    pub k: usize,
    /// `[fakes, k]`, indices of reals.
    pub indices: Vec<u32>,
    /// `[fakes, k]`, their distances.
    pub distances: Vec<f64>,
}

impl Neighbours {
    /// Indices and distances of the neighbours of one fake.
    ///
    /// # Panics
    /// If there is no such fake.
    ///
    /// ```
    /// # use frugan_metrics::Neighbours;
    /// let found = Neighbours { k: 1, indices: vec![7, 3], distances: vec![0.5, 0.25] };
    /// assert_eq!(found.of(1), (&[3][..], &[0.25][..]));
    /// ```
    pub fn of(&self, fake: usize) -> (&[u32], &[f64]) {
        let range = fake * self.k..(fake + 1) * self.k;
        (&self.indices[range.clone()], &self.distances[range])
    }

    fn gather(k: usize, nearest: Vec<Nearest>) -> Self {
        let all = nearest.into_iter().flat_map(|nearest| nearest.found);
        let (distances, indices) = all.unzip();
        Self { k, indices, distances }
    }
}

/// The nearest reals by the mean absolute difference of bytes (0 to 255). The search is exact; of equal distances the
/// smaller index comes first.
///
/// # Errors
/// If the shapes differ, or there are fewer reals than `k`.
///
/// ```
/// use frugan_metrics::{Images, nearest_by_pixels};
/// let pixels = [0; 12];
/// let images = Images::new(&pixels, [3, 2, 2])?;
/// assert_eq!(nearest_by_pixels(images, images, 1)?.distances, [0.0]);
/// assert!(nearest_by_pixels(images, images, 2).is_err());
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn nearest_by_pixels(fakes: Images<'_>, reals: Images<'_>, k: usize) -> Result<Neighbours> {
    check(fakes, reals, k)?;
    let search = |fake: &[u8]| {
        let mut nearest = Nearest::new(k);
        for (index, real) in reals.iter().enumerate() {
            let sum: u64 = fake.iter().zip(real).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            nearest.offer(sum as f64 / fake.len() as f64, index);
        }
        nearest
    };
    let fakes: Vec<&[u8]> = fakes.iter().collect();
    Ok(Neighbours::gather(k, fakes.into_par_iter().map(search).collect()))
}

/// The nearest reals by LPIPS. The search is exact: every real passes through the network, once for each 256 MiB of the
/// fakes' features; of equal distances the smaller index comes first.
///
/// # Errors
/// As [`nearest_by_pixels`], and if the images are too small for the network.
///
/// ```no_run
/// use frugan_metrics::{Images, Lpips, LpipsNet, nearest_by_lpips};
/// let lpips = Lpips::open(LpipsNet::AlexNet, None)?;
/// # let (fakes, reals) = (vec![0; 3072], vec![0; 30_720]);
/// let (fakes, reals) = (Images::new(&fakes, [3, 32, 32])?, Images::new(&reals, [3, 32, 32])?);
/// let found = nearest_by_lpips(fakes, reals, 5, &lpips)?;
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn nearest_by_lpips(fakes: Images<'_>, reals: Images<'_>, k: usize, lpips: &Lpips) -> Result<Neighbours> {
    check(fakes, reals, k)?;
    let (mut all, mut start) = (Vec::new(), 0);
    while start < fakes.len() {
        let mut points = embed(lpips, fakes.slice(start, LPIPS_BATCH))?;
        let dims = points.len() / fakes.slice(start, LPIPS_BATCH).len();
        let most = (LPIPS_MEMORY / 4 / dims).max(LPIPS_BATCH);
        let some = fakes.slice(start, most);
        for first in (LPIPS_BATCH..some.len()).step_by(LPIPS_BATCH) {
            points.extend(embed(lpips, some.slice(first, LPIPS_BATCH))?);
        }
        all.extend(search(lpips, &points, dims, reals, k)?);
        start += some.len();
    }
    Ok(Neighbours::gather(k, all))
}

/// The nearest reals of each point, batch after batch of reals.
fn search(lpips: &Lpips, points: &[f32], dims: usize, reals: Images<'_>, k: usize) -> Result<Vec<Nearest>> {
    let mut nearest: Vec<Nearest> = points.chunks(dims).map(|_| Nearest::new(k)).collect();
    for first in (0..reals.len()).step_by(LPIPS_BATCH) {
        let batch = embed(lpips, reals.slice(first, LPIPS_BATCH))?;
        nearest.par_iter_mut().zip(points.par_chunks(dims)).for_each(|(nearest, point)| {
            for (i, real) in batch.chunks(dims).enumerate() {
                if let Some(distance) = squared_distance(point, real, nearest.farthest()) {
                    nearest.offer(distance, first + i);
                }
            }
        });
    }
    Ok(nearest)
}

/// Bytes as points whose squared distances are LPIPS, row by row.
fn embed(lpips: &Lpips, images: Images<'_>) -> Result<Vec<f32>> {
    let [channels, height, width] = images.shape();
    let pixels: Vec<f32> = images.bytes().iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
    let shape = (images.len(), channels, height, width);
    let images = Var::constant(Tensor::from_vec(pixels, shape, &candle_core::Device::Cpu)?);
    Ok(no_grad(|| lpips.embed(&images))?.to_vec::<f32>()?)
}

/// `None` as soon as it exceeds `limit`.
fn squared_distance(a: &[f32], b: &[f32], limit: f64) -> Option<f64> {
    let square = |a: &f32, b: &f32| f64::from(a - b).powi(2);
    let mut sum = 0.0;
    for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        // Eight sums side by side, which the processor adds at once; their order is the same everywhere.
        let mut lanes = [0.0_f64; 8];
        for (a, b) in a.iter().zip(b) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += square(a, b);
            }
        }
        sum += lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| square(a, b)).sum::<f64>();
        if sum > limit {
            return None;
        }
    }
    Some(sum)
}

/// The nearest found so far, at most k, sorted by distance, then index.
struct Nearest {
    k: usize,
    found: Vec<(f64, u32)>,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k + 1) }
    }

    /// What a further real has to come below; infinite while there is room.
    fn farthest(&self) -> f64 {
        if self.found.len() < self.k { f64::INFINITY } else { self.found[self.k - 1].0 }
    }

    /// Reals come in the order of their indices, so an equal distance stands behind.
    fn offer(&mut self, distance: f64, index: usize) {
        if self.found.len() < self.k || distance < self.farthest() {
            let place = self.found.partition_point(|(other, _)| *other <= distance);
            self.found.insert(place, (distance, index as u32));
            self.found.truncate(self.k);
        }
    }
}

fn check(fakes: Images<'_>, reals: Images<'_>, k: usize) -> Result<()> {
    if fakes.shape() != reals.shape() {
        let (fake, real) = (fakes.shape(), reals.shape());
        return Err(Error::input("nearest", format!("fakes of shape {fake:?} against reals of {real:?}")));
    }
    if k == 0 || k > reals.len() || u32::try_from(reals.len()).is_err() {
        let n = reals.len();
        return Err(Error::input(
            "nearest",
            format!("{k} neighbours among {n} reals; expected 1 to the number of reals"),
        ));
    }
    Ok(())
}
