//! The Fréchet distance between two Gaussians (Heusel et al. 2017, eq. 6), without a complex square root.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use crate::{Error, Moments, Result};

/// Columns of a product that one task computes.
const STRIP: usize = 128;

/// The Fréchet distance of two sets of features, from their moments with ddof 1.
///
/// With Inception's 2048 features this is FID; with other features it is not, and its name says so
/// ([`crate::Protocol`]).
///
/// # Errors
/// If the dims differ or a set has fewer than two images.
///
/// ```
/// use frugan_metrics::{Moments, fid};
/// let (mut a, mut b) = (Moments::new(1), Moments::new(1));
/// a.push(&[0.0, 2.0])?;
/// b.push(&[3.0, 5.0])?;
/// assert!((fid(&a, &b)? - 9.0).abs() < 1e-12);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
pub fn fid(a: &Moments, b: &Moments) -> Result<f64> {
    Gaussian::of(a, 1)?.distance(&Gaussian::of(b, 1)?)
}

/// A mean and a covariance matrix.
///
/// ```
/// use frugan_metrics::Gaussian;
/// let unit = Gaussian::new(vec![0.0, 0.0], vec![1.0, 0.0, 0.0, 1.0])?;
/// let wide = Gaussian::new(vec![1.0, 0.0], vec![4.0, 0.0, 0.0, 1.0])?;
/// assert!((unit.distance(&wide)? - 2.0).abs() < 1e-12); // 1 + (2 - 1)^2
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

impl Gaussian {
    /// `mean` is `[d]`, `covariance` `[d, d]` and symmetric (its lower triangle is read).
    ///
    /// # Errors
    /// If the shapes do not fit or a value is not finite.
    ///
    /// ```
    /// # use frugan_metrics::Gaussian;
    /// assert!(Gaussian::new(vec![0.0; 2], vec![0.0; 3]).is_err());
    /// ```
    pub fn new(mean: Vec<f64>, covariance: Vec<f64>) -> Result<Self> {
        let d = mean.len();
        if covariance.len() != d * d {
            let got = covariance.len();
            return Err(Error::input("fid", format!("a covariance of {got} values for a mean of {d}; expected {d}^2")));
        }
        if !mean.iter().chain(&covariance).all(|value| value.is_finite()) {
            return Err(Error::input("fid", "a moment is not finite"));
        }
        Ok(Self { mean, covariance })
    }

    /// The Gaussian of these moments; `ddof` as in [`Moments::covariance`].
    ///
    /// # Errors
    /// If there are not more than `ddof` images.
    ///
    /// ```
    /// # use frugan_metrics::{Gaussian, Moments};
    /// let mut moments = Moments::new(1);
    /// moments.push(&[0.0, 2.0])?;
    /// assert!(Gaussian::of(&moments, 1)?.distance(&Gaussian::of(&moments, 1)?)?.abs() < 1e-12);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn of(moments: &Moments, ddof: usize) -> Result<Self> {
        Self::new(moments.mean(), moments.covariance(ddof)?)
    }

    /// `|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)`.
    ///
    /// # Errors
    /// If the dims differ.
    ///
    /// ```
    /// # use frugan_metrics::Gaussian;
    /// let (a, b) = (Gaussian::new(vec![0.0], vec![0.0])?, Gaussian::new(vec![3.0], vec![0.0])?);
    /// assert_eq!(a.distance(&b)?, 9.0);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn distance(&self, other: &Self) -> Result<f64> {
        self.prepare()?.distance(other)
    }

    /// Factors the covariance once, for many distances to this Gaussian.
    ///
    /// # Errors
    /// If the eigenvalues do not converge, which finite values do not cause.
    ///
    /// ```
    /// # use frugan_metrics::Gaussian;
    /// let reference = Gaussian::new(vec![0.0], vec![1.0])?.prepare()?;
    /// assert_eq!(reference.distance(&Gaussian::new(vec![2.0], vec![1.0])?)?, 4.0);
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn prepare(&self) -> Result<Prepared> {
        let d = self.mean.len();
        let mut vectors = Mat::zeros(d, d);
        let values = eigen(self.matrix(), Some(&mut vectors))?;
        // Eigenvalues at the rounding error of the largest one are those of a rank-deficient set: no directions.
        let smallest = values.last().copied().unwrap_or(0.0).max(0.0) * d as f64 * f64::EPSILON;
        let first = values.partition_point(|value| *value <= smallest);
        let mut factor = vectors.subcols(first, d - first).to_owned();
        for (column, value) in values[first..].iter().enumerate() {
            factor.col_mut(column).iter_mut().for_each(|entry| *entry *= value.sqrt());
        }
        Ok(Prepared { gaussian: self.clone(), factor })
    }

    fn trace(&self) -> f64 {
        self.covariance.iter().step_by(self.mean.len() + 1).sum()
    }

    fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.covariance, self.mean.len(), self.mean.len())
    }
}

/// A Gaussian with the factor `F`, `S = F Ft`, of its covariance.
///
/// ```
/// # use frugan_metrics::Gaussian;
/// let singular = Gaussian::new(vec![0.0, 0.0], vec![1.0, 1.0, 1.0, 1.0])?.prepare()?;
/// let unit = Gaussian::new(vec![0.0, 0.0], vec![1.0, 0.0, 0.0, 1.0])?;
/// assert!((singular.distance(&unit)? - (4.0 - 2.0 * 2.0_f64.sqrt())).abs() < 1e-12);
/// # Ok::<(), frugan_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    gaussian: Gaussian,
    factor: Mat<f64>,
}

impl Prepared {
    /// As [`Gaussian::distance`]. `(S1 S2)^(1/2)` has the eigenvalues of `(Ft S2 F)^(1/2)`, which is symmetric, so they
    /// are real and not negative whatever the ranks.
    ///
    /// # Errors
    /// If the dims differ.
    ///
    /// ```
    /// # use frugan_metrics::Gaussian;
    /// let reference = Gaussian::new(vec![0.0], vec![1.0])?.prepare()?;
    /// assert!(reference.distance(&Gaussian::new(vec![0.0; 2], vec![0.0; 4])?).is_err());
    /// # Ok::<(), frugan_metrics::Error>(())
    /// ```
    pub fn distance(&self, other: &Gaussian) -> Result<f64> {
        let (a, b) = (&self.gaussian, other);
        if a.mean.len() != b.mean.len() {
            return Err(Error::input("fid", format!("{} features against {}", a.mean.len(), b.mean.len())));
        }
        let inner = product(self.factor.transpose(), product(b.matrix(), self.factor.as_ref()).as_ref());
        let root: f64 = eigen(inner.as_ref(), None)?.iter().map(|value| value.max(0.0).sqrt()).sum();
        let means: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
        Ok(means + a.trace() + b.trace() - 2.0 * root)
    }
}

/// Eigenvalues in rising order and, if asked, eigenvectors; on one thread, for the same bits everywhere.
fn eigen(matrix: MatRef<'_, f64>, vectors: Option<&mut Mat<f64>>) -> Result<Vec<f64>> {
    let n = matrix.nrows();
    let wanted = if vectors.is_some() { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut values = Diag::zeros(n);
    let mut memory = MemBuffer::new(self_adjoint_evd_scratch::<f64>(n, wanted, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    let vectors = vectors.map(|vectors| vectors.as_mut());
    self_adjoint_evd(matrix, values.as_mut(), vectors, Par::Seq, stack, Default::default())
        .map_err(|error| Error::input("fid", format!("eigenvalues of a {n}x{n} covariance: {error:?}")))?;
    Ok(values.column_vector().iter().copied().collect())
}

/// A product in strips of columns: the split depends on shapes only.
fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    let strips: Vec<_> = out.par_col_chunks_mut(STRIP).zip(right.par_col_chunks(STRIP)).collect();
    strips.into_par_iter().for_each(|(out, right)| matmul(out, Accum::Replace, left, right, 1.0, Par::Seq));
    out
}
