use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::{Error, Features, Result};

/// Rows that are centred and multiplied together at a time.
const BLOCK: usize = 256;
/// Columns of the scatter matrix that one task owns.
const STRIP: usize = 128;

/// Mean and covariance of features in one pass, in f64.
///
/// Rows are taken in blocks of 256; a block's mean and scatter join the rest by the pairwise update of Chan, Golub and
/// LeVeque (1979), so nothing cancels, two sets merge, and the result depends on the rows and their order only: not on
/// how they were batched, nor on the number of threads.
///
/// ```
/// use frugan_metrics::Moments;
/// let mut moments = Moments::new(2);
/// moments.push(&[0.0, 1.0, 2.0, 5.0])?;
/// assert_eq!(moments.mean(), [1.0, 3.0]);
/// assert_eq!(moments.covariance(1)?, [2.0, 4.0, 4.0, 8.0]);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Moments {
    dims: usize,
    count: usize,
    mean: Vec<f64>,
    /// Sum of outer products of centred rows, column by column; only rows up to the end of the column's strip are kept.
    scatter: Vec<f64>,
    pending: Vec<f32>,
}

impl Moments {
    /// No rows yet; a row has `dims` features.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// assert_eq!(Moments::new(3).count(), 0);
    /// ```
    pub fn new(dims: usize) -> Self {
        Self { dims, count: 0, mean: vec![0.0; dims], scatter: vec![0.0; dims * dims], pending: Vec::new() }
    }

    /// The moments of all rows of `features`.
    ///
    /// # Errors
    /// If a feature is not finite.
    ///
    /// ```
    /// # use frugan_metrics::{Features, Moments};
    /// let moments = Moments::of(&Features::new(1, vec![1.0, 3.0])?)?;
    /// assert_eq!((moments.mean(), moments.covariance(0)?), (vec![2.0], vec![1.0]));
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn of(features: &Features) -> Result<Self> {
        let mut moments = Self::new(features.dims);
        moments.push(&features.pool)?;
        Ok(moments)
    }

    /// Adds rows, `[n, dims]`.
    ///
    /// # Errors
    /// If `rows` is not a whole number of rows or holds a value that is not finite (named by its image).
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// assert!(Moments::new(2).push(&[1.0, f32::NAN]).is_err());
    /// ```
    pub fn push(&mut self, rows: &[f32]) -> Result<()> {
        if !rows.len().is_multiple_of(self.dims.max(1)) {
            return Err(Error::input("moments", format!("{} values are not rows of {}", rows.len(), self.dims)));
        }
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            let (image, value) = (self.count() + at / self.dims, rows[at]);
            return Err(Error::input("moments", format!("feature {} of image {image} is {value}", at % self.dims)));
        }
        self.pending.extend_from_slice(rows);
        let whole = self.pending.len() / (BLOCK * self.dims) * (BLOCK * self.dims);
        let rest = self.pending.split_off(whole);
        for block in std::mem::replace(&mut self.pending, rest).chunks(BLOCK * self.dims) {
            self.fold(block);
        }
        Ok(())
    }

    /// The moments of both sets of rows together.
    ///
    /// # Errors
    /// If the rows differ in length.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// let (mut all, mut more) = (Moments::new(1), Moments::new(1));
    /// all.push(&[1.0])?;
    /// more.push(&[3.0])?;
    /// all.merge(&more)?;
    /// assert_eq!((all.count(), all.mean()), (2, vec![2.0]));
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.dims != other.dims {
            return Err(Error::input("moments", format!("{} dims merged with {}", self.dims, other.dims)));
        }
        self.flush();
        let other = other.flushed();
        self.join(other.count, &other.mean, Some(&other.scatter));
        Ok(())
    }

    /// Number of rows seen.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// let mut moments = Moments::new(2);
    /// moments.push(&[0.0; 6])?;
    /// assert_eq!(moments.count(), 3);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn count(&self) -> usize {
        self.count + self.pending.len() / self.dims.max(1)
    }

    /// Features of a row.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// assert_eq!(Moments::new(5).dims(), 5);
    /// ```
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// The mean row.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// let mut moments = Moments::new(1);
    /// moments.push(&[1.0, 2.0, 6.0])?;
    /// assert_eq!(moments.mean(), [3.0]);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn mean(&self) -> Vec<f64> {
        self.flushed().mean
    }

    /// The covariance matrix `[dims, dims]`, divided by `count - ddof`: 1 as numpy's `cov` and every FID but ADA's
    /// has it, 0 as StyleGAN2-ADA's accumulators do.
    ///
    /// # Errors
    /// If there are not more than `ddof` rows.
    ///
    /// ```
    /// # use frugan_metrics::Moments;
    /// let mut moments = Moments::new(1);
    /// moments.push(&[1.0, 3.0])?;
    /// assert_eq!((moments.covariance(0)?, moments.covariance(1)?), (vec![1.0], vec![2.0]));
    /// assert!(Moments::new(1).covariance(1).is_err());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn covariance(&self, ddof: usize) -> Result<Vec<f64>> {
        let (n, d) = (self.count(), self.dims);
        if n <= ddof {
            return Err(Error::input("covariance", format!("{n} images; it needs at least {}", ddof + 1)));
        }
        let mut covariance = self.flushed().scatter;
        let scale = 1.0 / (n - ddof) as f64;
        for column in 0..d {
            for row in 0..=column {
                let value = covariance[column * d + row] * scale;
                covariance[column * d + row] = value;
                covariance[row * d + column] = value;
            }
        }
        Ok(covariance)
    }

    fn flushed(&self) -> Self {
        let mut moments = self.clone();
        moments.flush();
        moments
    }

    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.pending);
        if !rows.is_empty() {
            self.fold(&rows);
        }
    }

    /// Joins at most [`BLOCK`] rows.
    fn fold(&mut self, rows: &[f32]) {
        let (d, n) = (self.dims, rows.len() / self.dims);
        let mut mean = vec![0.0; d];
        for row in rows.chunks(d) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let centred: Vec<f64> = rows
            .chunks(d)
            .flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean))
            .collect();
        // A row-major [n, d] block is a column-major [d, n] matrix.
        let centred = MatRef::from_column_major_slice(&centred, d, n);
        self.scatter.par_chunks_mut(d * STRIP).enumerate().for_each(|(strip, columns)| {
            let (first, width) = (strip * STRIP, columns.len() / d);
            let out = MatMut::from_column_major_slice_mut(columns, d, width).subrows_mut(0, first + width);
            let (left, right) = (centred.subrows(0, first + width), centred.subrows(first, width));
            faer::linalg::matmul::matmul(out, Accum::Add, left, right.transpose(), 1.0, Par::Seq);
        });
        self.join(n, &mean, None);
    }

    /// Takes in `count` rows of this mean; their scatter is given, or has been added already.
    fn join(&mut self, count: usize, mean: &[f64], scatter: Option<&[f64]>) {
        if count == 0 {
            return;
        }
        let d = self.dims;
        let (before, total) = (self.count as f64, (self.count + count) as f64);
        let weight = before * count as f64 / total;
        let shift: Vec<f64> = mean.iter().zip(&self.mean).map(|(new, old)| new - old).collect();
        self.scatter.par_chunks_mut(d).enumerate().for_each(|(column, sums)| {
            let factor = shift[column] * weight;
            sums.iter_mut().zip(&shift).for_each(|(sum, shift)| *sum += factor * shift);
            if let Some(scatter) = scatter {
                sums.iter_mut().zip(&scatter[column * d..]).for_each(|(sum, more)| *sum += more);
            }
        });
        self.mean.iter_mut().zip(&shift).for_each(|(mean, shift)| *mean += shift * count as f64 / total);
        self.count += count;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use frugan_nn::{Purpose, Stream};

    use super::*;

    fn rows(n: usize, d: usize) -> Vec<f32> {
        Stream::new(1, Purpose::new("test.moments"), 0).normals(n * d).iter().map(|v| v + 100.0).collect()
    }

    #[test]
    fn agree_with_two_passes() {
        let (n, d) = (700, 150);
        let rows = rows(n, d);
        let mut moments = Moments::new(d);
        moments.push(&rows).unwrap();
        let (mean, covariance) = (moments.mean(), moments.covariance(1).unwrap());
        for (i, j) in [(0, 0), (3, 140), (140, 3), (149, 149), (127, 128)] {
            let of = |k: usize| rows.iter().skip(k).step_by(d).map(|v| f64::from(*v));
            let (mi, mj) = (of(i).sum::<f64>() / n as f64, of(j).sum::<f64>() / n as f64);
            let want = of(i).zip(of(j)).map(|(a, b)| (a - mi) * (b - mj)).sum::<f64>() / (n - 1) as f64;
            assert!((mean[i] - mi).abs() < 1e-11 && (covariance[i * d + j] - want).abs() < 1e-11, "{i} {j}");
        }
    }

    #[test]
    fn do_not_depend_on_batches_or_threads() {
        let (n, d) = (1000, 40);
        let rows = rows(n, d);
        let moments = |batch: usize, threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut moments = Moments::new(d);
                rows.chunks(batch * d).for_each(|batch| moments.push(batch).unwrap());
                (moments.mean(), moments.covariance(1).unwrap())
            })
        };
        assert_eq!(moments(50, 1), moments(333, 3));
    }

    #[test]
    fn merged_parts_agree_with_the_whole() {
        let (n, d) = (600, 20);
        let rows = rows(n, d);
        let mut whole = Moments::new(d);
        whole.push(&rows).unwrap();
        let mut merged = Moments::new(d);
        for part in [&rows[..100 * d], &rows[100 * d..]] {
            let mut moments = Moments::new(d);
            moments.push(part).unwrap();
            merged.merge(&moments).unwrap();
        }
        let (a, b) = (whole.covariance(1).unwrap(), merged.covariance(1).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-11));
        assert_eq!(merged.count(), n);
    }
}
