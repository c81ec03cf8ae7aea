use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::{Error, Features, Result};

/// Rows of a distance matrix that one task holds.
const BLOCK: usize = 256;

/// Precision, recall, density and coverage (Naeem et al. 2020), with the precision and recall of Kynkäänniemi et al.
/// (2019) beside them.
///
/// A ball lies around each image and reaches to its k-th neighbour among its own kind, itself not counted.
///
/// ```
/// use frugan_metrics::{Features, prdc};
/// let reals = Features::new(1, vec![0.0, 1.0, 2.0, 3.0])?;
/// let fakes = Features::new(1, vec![0.4, 1.6, 2.4, 99.0])?;
/// let scores = prdc(&reals, &fakes, 1)?;
/// assert_eq!((scores.precision, scores.coverage), (0.75, 1.0));
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Prdc {
    /// Share of fakes inside a real's ball (distance < radius).
    pub precision: f64,
    /// Share of reals inside a fake's ball (distance < radius).
    pub recall: f64,
    /// Mean number of real balls around a fake, over k (distance < radius); may exceed 1.
    pub density: f64,
    /// Share of reals whose ball holds a fake (distance < radius).
    pub coverage: f64,
    /// As precision, with distance <= radius: the form of StyleGAN2-ADA and torch-fidelity.
    pub precision_le: f64,
    /// As recall, with distance <= radius.
    pub recall_le: f64,
    /// Radius of each real's ball.
    pub real_radii: Vec<f64>,
}

/// [`Prdc`] with the `k`-th neighbour (5 in PRDC, 3 in precision and recall of StyleGAN2-ADA).
///
/// # Errors
/// If the dims differ or a set has not more than `k` images.
///
/// ```
/// # use frugan_metrics::{Features, prdc};
/// let features = Features::new(1, vec![0.0, 1.0, 2.0])?;
/// assert!(prdc(&features, &features, 3).is_err());
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn prdc(reals: &Features, fakes: &Features, k: usize) -> Result<Prdc> {
    if reals.dims != fakes.dims {
        return Err(Error::input("prdc", format!("{} features against {}", fakes.dims, reals.dims)));
    }
    if k == 0 || reals.len() <= k || fakes.len() <= k {
        let (real, fake) = (reals.len(), fakes.len());
        return Err(Error::input("prdc", format!("{real} reals and {fake} fakes for k = {k}; each needs more than k")));
    }
    let (reals, fakes) = (Points::new(reals), Points::new(fakes));
    let real_radii = reals.radii(k);
    let fake_radii = fakes.radii(k);
    let by_fake: Vec<FakeCounts> = fakes.against(&reals, |_, distances| {
        let below = |le: bool| inside(distances, &real_radii, le).count();
        FakeCounts { balls: below(false), balls_le: below(true) }
    });
    let by_real: Vec<RealCounts> = reals.against(&fakes, |i, distances| RealCounts {
        recalled: inside(distances, &fake_radii, false).next().is_some(),
        recalled_le: inside(distances, &fake_radii, true).next().is_some(),
        covered: distances.iter().any(|distance| *distance < real_radii[i]),
    });
    let (real, fake) = (by_real.len() as f64, by_fake.len() as f64);
    let share_of_reals = |test: fn(&RealCounts) -> bool| by_real.iter().filter(|r| test(r)).count() as f64 / real;
    let share_of_fakes = |test: fn(&FakeCounts) -> bool| by_fake.iter().filter(|f| test(f)).count() as f64 / fake;
    Ok(Prdc {
        precision: share_of_fakes(|fake| fake.balls > 0),
        recall: share_of_reals(|real| real.recalled),
        density: by_fake.iter().map(|fake| fake.balls).sum::<usize>() as f64 / (k as f64 * fake),
        coverage: share_of_reals(|real| real.covered),
        precision_le: share_of_fakes(|fake| fake.balls_le > 0),
        recall_le: share_of_reals(|real| real.recalled_le),
        real_radii,
    })
}

struct FakeCounts {
    balls: usize,
    balls_le: usize,
}

struct RealCounts {
    recalled: bool,
    recalled_le: bool,
    covered: bool,
}

fn inside<'a>(distances: &'a [f64], radii: &'a [f64], le: bool) -> impl Iterator<Item = ()> + 'a {
    let inside = move |(d, r): &(&f64, &f64)| if le { d <= r } else { d < r };
    distances.iter().zip(radii).filter(inside).map(|_| ())
}

/// Features in f64 with their squared norms.
struct Points {
    rows: Vec<f64>,
    norms: Vec<f64>,
    dims: usize,
}

impl Points {
    fn new(features: &Features) -> Self {
        let rows: Vec<f64> = features.pool.iter().map(|value| f64::from(*value)).collect();
        let norms = rows.chunks(features.dims).map(|row| row.iter().map(|v| v * v).sum()).collect();
        Self { rows, norms, dims: features.dims }
    }

    /// `f(i, distances)` for each point i, with its distances to all `others`; distance matrices are never whole.
    fn against<T: Send>(&self, others: &Self, f: impl Fn(usize, &[f64]) -> T + Sync) -> Vec<T> {
        let all = MatRef::from_row_major_slice(&others.rows, others.norms.len(), self.dims);
        let blocks: Vec<_> = self.rows.chunks(BLOCK * self.dims).enumerate().collect();
        let block = |(block, rows): (usize, &[f64])| {
            let n = rows.len() / self.dims;
            let mut dots = Mat::zeros(others.norms.len(), n);
            let rows = MatRef::from_column_major_slice(rows, self.dims, n);
            matmul(dots.as_mut(), Accum::Replace, all, rows, 1.0, Par::Seq);
            let mut distances = vec![0.0; others.norms.len()];
            let mut point = |i: usize| {
                let norm = self.norms[block * BLOCK + i];
                for ((distance, dot), other) in distances.iter_mut().zip(dots.col(i).iter()).zip(&others.norms) {
                    *distance = (norm + other - 2.0 * dot).max(0.0).sqrt();
                }
                f(block * BLOCK + i, &distances)
            };
            (0..n).map(&mut point).collect::<Vec<T>>()
        };
        blocks.into_par_iter().flat_map_iter(block).collect()
    }

    /// Distance of each point to its k-th neighbour, itself not counted.
    fn radii(&self, k: usize) -> Vec<f64> {
        self.against(self, |i, distances| {
            let mut others: Vec<f64> = [&distances[..i], &distances[i + 1..]].concat();
            *others.select_nth_unstable_by(k - 1, f64::total_cmp).1
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use frugan_nn::{Purpose, Stream};

    use super::*;

    #[test]
    fn agree_with_the_definition() {
        let normals = |step, n: usize| Stream::new(3, Purpose::new("test.prdc"), step).normals(n * 3);
        let (reals, fakes) = (Features::new(3, normals(0, 300)).unwrap(), Features::new(3, normals(1, 270)).unwrap());
        let scores = prdc(&reals, &fakes, 5).unwrap();
        let distance = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
        };
        let radius = |set: &Features, i: usize| {
            let mut all: Vec<f64> = (0..set.len()).map(|j| distance(set.row(i), set.row(j))).collect();
            all.sort_by(f64::total_cmp);
            all[5]
        };
        let covered = |i: usize| (0..270).any(|j| distance(reals.row(i), fakes.row(j)) < radius(&reals, i));
        assert_eq!(scores.coverage, (0..300).filter(|i| covered(*i)).count() as f64 / 300.0);
        let radii: Vec<f64> = (0..270).map(|j| radius(&fakes, j)).collect();
        let recalled = |i: usize| (0..270).any(|j| distance(reals.row(i), fakes.row(j)) < radii[j]);
        assert_eq!(scores.recall, (0..300).filter(|i| recalled(*i)).count() as f64 / 300.0);
    }
}
