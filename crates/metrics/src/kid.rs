use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, Mat, MatRef, Par};
use frugan_nn::{Purpose, Stream};
use rayon::prelude::*;

use crate::{Error, Features, Result};

const SUBSETS: Purpose = Purpose::new("metrics.kid.subsets");

/// Which images each subset takes: `subsets` rows of `size` indices, for the fakes and for the reals.
///
/// ```
/// use frugan_metrics::KidSubsets;
/// let subsets = KidSubsets::draw(0, (5000, 10_000), 1000, 100);
/// assert_eq!((subsets.size, subsets.fakes.len()), (1000, 100_000));
/// ```
#[derive(Clone, Debug)]
pub struct KidSubsets {
    /// Images in a subset.
    pub size: usize,
    /// `[subsets, size]`, indices of fakes.
    pub fakes: Vec<u32>,
    /// `[subsets, size]`, indices of reals.
    pub reals: Vec<u32>,
}

impl KidSubsets {
    /// Subsets without replacement; `counts` are the numbers of fakes and reals, a subset holds `size` or as many as
    /// the smaller set has.
    ///
    /// ```
    /// # use frugan_metrics::KidSubsets;
    /// let subsets = KidSubsets::draw(7, (3, 5), 4, 1);
    /// let mut fakes = subsets.fakes.clone();
    /// fakes.sort();
    /// assert_eq!(fakes, [0, 1, 2]);
    /// ```
    pub fn draw(seed: u64, counts: (usize, usize), size: usize, subsets: usize) -> Self {
        let size = size.min(counts.0).min(counts.1);
        let take = |set: u64, count: usize| {
            let of = |subset: usize| Stream::new(seed, SUBSETS, 2 * subset as u64 + set).permutation(count as u32);
            (0..subsets).flat_map(|subset| of(subset).into_iter().take(size)).collect()
        };
        Self { size, fakes: take(0, counts.0), reals: take(1, counts.1) }
    }
}

/// The kernel inception distance (Binkowski et al. 2018): the unbiased squared MMD with the kernel `(x.y / d + 1)^3`,
/// one value a subset. No factor of 1000.
///
/// # Errors
/// If the dims differ, a subset has fewer than two images or names an image that is not there.
///
/// ```
/// use frugan_metrics::{Features, KidSubsets, Spread, kid};
/// let features = Features::new(1, vec![0.0, 1.0, 2.0, 3.0])?;
/// let far = Features::new(1, vec![10.0, 11.0, 12.0, 13.0])?;
/// let subsets = KidSubsets::draw(0, (4, 4), 4, 3);
/// let (near, far) = (kid(&features, &features, &subsets)?, kid(&far, &features, &subsets)?);
/// assert!(Spread::of(&near).mean < Spread::of(&far).mean);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn kid(fakes: &Features, reals: &Features, subsets: &KidSubsets) -> Result<Vec<f64>> {
    let size = subsets.size;
    if fakes.dims != reals.dims {
        return Err(Error::input("kid", format!("{} features against {}", fakes.dims, reals.dims)));
    }
    if size < 2 || subsets.fakes.len() != subsets.reals.len() || !subsets.fakes.len().is_multiple_of(size) {
        return Err(Error::input(
            "kid",
            format!("subsets of {size} images; it needs at least 2, drawn from both sets"),
        ));
    }
    for (features, indices, set) in [(fakes, &subsets.fakes, "fakes"), (reals, &subsets.reals, "reals")] {
        if let Some(index) = indices.iter().find(|index| **index as usize >= features.len()) {
            return Err(Error::input("kid", format!("a subset takes image {index} of {} {set}", features.len())));
        }
    }
    let pairs: Vec<_> = subsets.fakes.chunks(size).zip(subsets.reals.chunks(size)).collect();
    Ok(pairs.into_par_iter().map(|(x, y)| mmd(&rows(fakes, x), &rows(reals, y), fakes.dims)).collect())
}

fn rows(features: &Features, indices: &[u32]) -> Vec<f64> {
    indices.iter().flat_map(|i| features.row(*i as usize).iter().map(|v| f64::from(*v))).collect()
}

/// Unbiased squared MMD of equally many rows.
fn mmd(x: &[f64], y: &[f64], dims: usize) -> f64 {
    let m = x.len() / dims;
    let (x, y) = (MatRef::from_row_major_slice(x, m, dims), MatRef::from_row_major_slice(y, m, dims));
    let mut dots = Mat::zeros(m, m);
    matmul(dots.as_mut(), Accum::Replace, x, y.transpose(), 1.0, Par::Seq);
    let cross: f64 = (0..m).map(|j| dots.col(j).iter().map(|dot| kernel(*dot, dims)).sum::<f64>()).sum();
    let mut within = |x: MatRef<'_, f64>| {
        use triangular::BlockStructure::{Rectangular, StrictTriangularLower};
        let (left, right) = ((x, Rectangular), (x.transpose(), Rectangular));
        let out = dots.as_mut();
        triangular::matmul(out, StrictTriangularLower, Accum::Replace, left.0, left.1, right.0, right.1, 1.0, Par::Seq);
        let below = |j: usize| (j + 1..m).map(|i| kernel(dots[(i, j)], dims)).sum::<f64>();
        2.0 * (0..m).map(below).sum::<f64>()
    };
    let (n, diagonal) = (m as f64, (m * (m - 1)) as f64);
    (within(x) + within(y)) / diagonal - 2.0 * cross / (n * n)
}

fn kernel(dot: f64, dims: usize) -> f64 {
    (dot / dims as f64 + 1.0).powi(3)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Spread;

    #[test]
    fn is_unbiased_for_equal_distributions() {
        let normals = |step| Stream::new(3, Purpose::new("test.kid"), step).normals(4000);
        let (a, b) = (Features::new(8, normals(0)).unwrap(), Features::new(8, normals(1)).unwrap());
        let values = kid(&a, &b, &KidSubsets::draw(0, (500, 500), 100, 50)).unwrap();
        let spread = Spread::of(&values);
        // With the diagonal counted the mean would be near 2 * (8 - 0) / 100 above zero, three standard deviations.
        assert!(spread.mean.abs() < spread.std, "{spread:?}");
        assert!(values.iter().any(|v| *v < 0.0), "a biased estimate is never negative");
    }

    #[test]
    fn bad_subsets_are_errors() {
        let features = Features::new(1, vec![0.0; 4]).unwrap();
        assert!(kid(&features, &features, &KidSubsets::draw(0, (1, 4), 10, 1)).is_err());
        let outside = KidSubsets { size: 2, fakes: vec![0, 4], reals: vec![0, 1] };
        let error = kid(&features, &features, &outside).unwrap_err().to_string();
        assert_eq!(error, "kid: a subset takes image 4 of 4 fakes");
    }
}
