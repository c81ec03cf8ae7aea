//! The two bilinear resizes that FID implementations use; at 32x32 their scores differ by more than a seed's spread.

use rayon::prelude::*;

/// For each output index its two source indices and the second one's weight.
struct Taps {
    low: Vec<usize>,
    high: Vec<usize>,
    fraction: Vec<f32>,
}

impl Taps {
    /// TensorFlow 1, `align_corners=False`, no half-pixel centres: source = i * (in / out), all in f32.
    fn tf1(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        Self::new(input, (0..output).map(|i| i as f32 * scale))
    }

    /// Half-pixel centres: source = (i + 0.5) * (in / out) - 0.5, not below 0.
    fn half_pixel(input: usize, output: usize) -> Self {
        let scale = input as f32 / output as f32;
        Self::new(input, (0..output).map(|i| ((i as f32 + 0.5) * scale - 0.5).max(0.0)))
    }

    fn new(input: usize, sources: impl Iterator<Item = f32>) -> Self {
        let mut taps = Self { low: Vec::new(), high: Vec::new(), fraction: Vec::new() };
        for source in sources {
            let low = (source.floor() as usize).min(input - 1);
            taps.low.push(low);
            taps.high.push((low + 1).min(input - 1));
            taps.fraction.push(source - low as f32);
        }
        taps
    }
}

/// TensorFlow 1's bilinear resize, as inside the graph of the 2015 Inception network.
///
/// `planes` holds `[P, height, width]` values (P = images times channels); the result is `[P, out.0, out.1]`.
/// Along x first, then y; the first row and column are copied, the last outputs repeat the edge.
///
/// # Panics
/// If an extent is 0 or `planes` is not a whole number of planes.
///
/// ```
/// use frugan_metrics::resize::tf1_bilinear;
/// assert_eq!(tf1_bilinear(&[0.0, 4.0], (1, 2), (1, 4)), [0.0, 2.0, 4.0, 4.0]);
/// ```
pub fn tf1_bilinear(planes: &[f32], input: (usize, usize), out: (usize, usize)) -> Vec<f32> {
    resize(planes, input, &Taps::tf1(input.0, out.0), &Taps::tf1(input.1, out.1))
}

/// One direction of [`tf1_bilinear`] as a matrix `[input, output]`, of which each column holds the shares of at most two pixels.
///
/// # Panics
/// If an extent is 0.
///
/// ```
/// use frugan_metrics::resize::tf1_matrix;
/// assert_eq!(tf1_matrix(2, 4), [1.0, 0.5, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0]);
/// ```
pub fn tf1_matrix(input: usize, output: usize) -> Vec<f32> {
    let taps = Taps::tf1(input, output);
    let mut matrix = vec![0.0; input * output];
    for (i, fraction) in taps.fraction.iter().enumerate() {
        matrix[taps.low[i] * output + i] += 1.0 - fraction;
        matrix[taps.high[i] * output + i] += fraction;
    }
    matrix
}

/// The adjoint of [`tf1_bilinear`]: the gradient with respect to its input, from a cotangent `[P, out.0, out.1]`.
///
/// # Panics
/// As [`tf1_bilinear`].
///
/// ```
/// use frugan_metrics::resize::tf1_bilinear_adjoint;
/// assert_eq!(tf1_bilinear_adjoint(&[1.0; 4], (1, 2), (1, 4)), [1.5, 2.5]);
/// ```
pub fn tf1_bilinear_adjoint(cotangent: &[f32], input: (usize, usize), out: (usize, usize)) -> Vec<f32> {
    let (ys, xs) = (Taps::tf1(input.0, out.0), Taps::tf1(input.1, out.1));
    assert!(cotangent.len().is_multiple_of(out.0 * out.1), "whole planes");
    cotangent.par_chunks(out.0 * out.1).flat_map_iter(|plane| scatter(plane, input, &ys, &xs)).collect()
}

/// The bilinear resize with half-pixel centres of `torch.nn.functional.interpolate`, which pytorch-fid uses (it then
/// takes 2x - 1 of images in [0, 1]). Not the protocol of published CIFAR numbers.
///
/// # Panics
/// As [`tf1_bilinear`].
///
/// ```
/// use frugan_metrics::resize::half_pixel_bilinear;
/// assert_eq!(half_pixel_bilinear(&[0.0, 4.0], (1, 2), (1, 4)), [0.0, 1.0, 3.0, 4.0]);
/// ```
pub fn half_pixel_bilinear(planes: &[f32], input: (usize, usize), out: (usize, usize)) -> Vec<f32> {
    resize(planes, input, &Taps::half_pixel(input.0, out.0), &Taps::half_pixel(input.1, out.1))
}

fn resize(planes: &[f32], (height, width): (usize, usize), ys: &Taps, xs: &Taps) -> Vec<f32> {
    assert!(height * width > 0 && planes.len().is_multiple_of(height * width), "whole planes of some pixels");
    let (out_height, out_width) = (ys.low.len(), xs.low.len());
    let mut out = vec![0.0; planes.len() / (height * width) * out_height * out_width];
    out.par_chunks_mut(out_height * out_width).zip(planes.par_chunks(height * width)).for_each(|(out, plane)| {
        let mut across = Vec::with_capacity(height * out_width);
        plane.chunks(width).for_each(|row| across.extend(stretch(row, xs)));
        for (y, row) in out.chunks_mut(out_width).enumerate() {
            let top = &across[ys.low[y] * out_width..][..out_width];
            let bottom = &across[ys.high[y] * out_width..][..out_width];
            for ((value, a), b) in row.iter_mut().zip(top).zip(bottom) {
                *value = a + (b - a) * ys.fraction[y];
            }
        }
    });
    out
}

fn stretch<'a>(row: &'a [f32], xs: &'a Taps) -> impl Iterator<Item = f32> + 'a {
    let ends = xs.low.iter().zip(&xs.high);
    ends.zip(&xs.fraction).map(|((low, high), fraction)| row[*low] + (row[*high] - row[*low]) * fraction)
}

fn scatter(cotangent: &[f32], (height, width): (usize, usize), ys: &Taps, xs: &Taps) -> Vec<f32> {
    let mut sums = vec![0.0_f64; height * width];
    for (y, row) in cotangent.chunks(xs.low.len()).enumerate() {
        for (x, value) in row.iter().enumerate() {
            let (value, fy, fx) = (f64::from(*value), f64::from(ys.fraction[y]), f64::from(xs.fraction[x]));
            for (line, weight) in [(ys.low[y], 1.0 - fy), (ys.high[y], fy)] {
                sums[line * width + xs.low[x]] += value * weight * (1.0 - fx);
                sums[line * width + xs.high[x]] += value * weight * fx;
            }
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}
