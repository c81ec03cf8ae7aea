use rayon::prelude::*;

use super::quantile;
use crate::{Error, Result};

const STATISTICS: usize = 4;
type Point = [f64; STATISTICS];

/// Tells images with T's casts from clean ones by a quadratic discriminant of four statistics.
///
/// An image that is not likely under T either (further out than 99.5 % of the augmented reals) is not T's.
#[derive(Clone, Debug)]
pub(crate) struct Color {
    shape: [usize; 3],
    clean: Normal,
    augmented: Normal,
    /// Log-likelihood ratio above which an image is T's.
    threshold: f64,
    /// Squared Mahalanobis distance from the augmented reals beyond which it is nobody's.
    furthest: f64,
}

impl Color {
    /// The threshold is the one that tells the two sets apart best (largest difference of rates).
    pub(crate) fn fit(shape: [usize; 3], clean: &[&[u8]], augmented: &[&[u8]]) -> Result<Self> {
        let points = |images: &[&[u8]]| images.par_iter().map(|i| statistics(i, shape)).collect::<Vec<Point>>();
        let (clean, augmented) = (points(clean), points(augmented));
        let (of_clean, of_augmented) = (Normal::fit(&clean)?, Normal::fit(&augmented)?);
        let ratios = |points: &[Point]| -> Vec<f64> {
            points.iter().map(|p| of_augmented.log_density(p) - of_clean.log_density(p)).collect()
        };
        let (of_clean_reals, of_t) = (ratios(&clean), ratios(&augmented));
        let above = |values: &[f64], t: f64| values.iter().filter(|v| **v > t).count() as f64 / values.len() as f64;
        let (mut threshold, mut best) = (f64::INFINITY, 0.0);
        for candidate in 0..50 {
            let t = quantile(of_clean_reals.clone(), 0.5 + 0.01 * f64::from(candidate));
            let power = above(&of_t, t) - above(&of_clean_reals, t);
            if power > best {
                (threshold, best) = (t, power);
            }
        }
        let furthest = quantile(augmented.iter().map(|p| of_augmented.distance(p)).collect(), 0.995);
        Ok(Self { shape, clean: of_clean, augmented: of_augmented, threshold, furthest })
    }

    pub(crate) fn fires(&self, image: &[u8]) -> bool {
        let point = statistics(image, self.shape);
        let ratio = self.augmented.log_density(&point) - self.clean.log_density(&point);
        ratio > self.threshold && self.augmented.distance(&point) <= self.furthest
    }
}

/// Mean, contrast (standard deviation of the channel mean), saturation (root mean square distance of channels from
/// their mean) and the share of clipped values; all but the mean as logarithms.
fn statistics(image: &[u8], [channels, height, width]: [usize; 3]) -> Point {
    let pixels = height * width;
    let (mut sum, mut squares, mut colour, mut clipped) = (0.0, 0.0, 0.0, 0.0);
    for at in 0..pixels {
        let values = (0..channels).map(|channel| f64::from(image[channel * pixels + at]));
        let mean = values.clone().sum::<f64>() / channels as f64;
        sum += mean;
        squares += mean * mean;
        colour += values.clone().map(|v| (v - mean).powi(2)).sum::<f64>();
        clipped += values.filter(|v| *v == 0.0 || *v == 255.0).count() as f64;
    }
    let (n, values) = (pixels as f64, (pixels * channels) as f64);
    let mean = sum / n;
    let contrast = (squares / n - mean * mean).max(0.0).sqrt();
    [mean, (contrast + 2.0).ln(), ((colour / values).sqrt() + 1.0).ln(), (clipped / values + 0.01).ln()]
}

/// A normal distribution of [`STATISTICS`] values.
#[derive(Clone, Debug)]
struct Normal {
    mean: Point,
    /// Lower Cholesky factor of the covariance.
    factor: [Point; STATISTICS],
}

impl Normal {
    fn fit(points: &[Point]) -> Result<Self> {
        let n = points.len() as f64;
        let mean: Point = std::array::from_fn(|i| points.iter().map(|p| p[i]).sum::<f64>() / n);
        let covariance = |i: usize, j: usize| {
            let sum: f64 = points.iter().map(|p| (p[i] - mean[i]) * (p[j] - mean[j])).sum();
            // The ridge keeps statistics that never vary (grey images have no saturation) from dividing by zero.
            sum / n + if i == j { 1e-4 } else { 0.0 }
        };
        let mut factor = [[0.0; STATISTICS]; STATISTICS];
        for i in 0..STATISTICS {
            for j in 0..=i {
                let rest = covariance(i, j) - (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
                factor[i][j] = if i == j { rest.sqrt() } else { rest / factor[j][j] };
            }
        }
        if !factor.iter().flatten().all(|value| value.is_finite()) {
            return Err(Error::input("leak", "the reals' colours have no covariance; give more images"));
        }
        Ok(Self { mean, factor })
    }

    /// Squared Mahalanobis distance.
    fn distance(&self, point: &Point) -> f64 {
        let mut solved = [0.0; STATISTICS];
        for i in 0..STATISTICS {
            let known: f64 = (0..i).map(|k| self.factor[i][k] * solved[k]).sum();
            solved[i] = (point[i] - self.mean[i] - known) / self.factor[i][i];
        }
        solved.iter().map(|v| v * v).sum()
    }

    /// Up to a constant.
    fn log_density(&self, point: &Point) -> f64 {
        let log_determinant: f64 = (0..STATISTICS).map(|i| self.factor[i][i].ln()).sum();
        -0.5 * self.distance(point) - log_determinant
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use frugan_nn::{Purpose, Stream};

    use super::*;

    #[test]
    fn statistics_of_a_known_image() {
        let image = [0, 100, 0, 200, 0, 0];
        let [mean, contrast, saturation, clipped] = statistics(&image, [3, 1, 2]);
        assert_eq!(mean, 50.0);
        assert!((contrast - 52.0_f64.ln()).abs() < 1e-12);
        assert!(saturation > 0.0 && (clipped - (4.0 / 6.0 + 0.01_f64).ln()).abs() < 1e-12);
    }

    #[test]
    fn mahalanobis_distance_has_the_mean_of_its_dimensions() {
        let draws = Stream::new(0, Purpose::new("test.leak"), 0).normals(4 * 20_000);
        let mixed = |d: &[f32]| {
            let d: Vec<f64> = d.iter().map(|v| f64::from(*v)).collect();
            [10.0 * d[0], d[0] + d[1], d[2] - d[1], 3.0 + d[3]]
        };
        let points: Vec<Point> = draws.chunks(4).map(mixed).collect();
        let normal = Normal::fit(&points).unwrap();
        let mean = points.iter().map(|p| normal.distance(p)).sum::<f64>() / points.len() as f64;
        assert!((mean - 4.0).abs() < 0.01, "{mean}");
    }
}
