use std::sync::Arc;

/// The taps of a finite impulse response filter for [`Var::upfirdn2d`](crate::Var::upfirdn2d) and what is built on it.
///
/// Host constants in f64, cheap to clone. `taps[0]` meets the first pixel under a correlation (`flip` on) and the last
/// under a true convolution.
///
/// ```
/// use frugan_autograd::{DType, Device, Fir, Var};
/// # fn main() -> frugan_autograd::Result<()> {
/// let low_pass = Fir::outer(&[1.0, 3.0, 3.0, 1.0]).normalised();
/// let x = Var::full(0.5, &[1, 3, 8, 8], DType::F32, &Device::Cpu)?;
/// let y = x.upsample2d(&low_pass, 2, false, 1.0)?;
/// assert_eq!(y.dims(), [1, 3, 16, 16]);
/// assert_eq!(y.to_vec::<f32>()?[5 * 16 + 5], 0.5); // the filter keeps the mean, away from the border
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fir(Taps);

/// Taps by axis, or all of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Taps {
    /// The same on both axes.
    Separable(Arc<[f64]>),
    /// Row by row.
    Full { size: [usize; 2], taps: Arc<[f64]> },
}

impl Fir {
    /// The taps of either axis; the filter is their product, in two passes.
    pub fn separable(taps: &[f64]) -> Self {
        Self(Taps::Separable(taps.into()))
    }

    /// All taps of a filter, row by row. Rows shorter than the longest end in zeros.
    pub fn full(rows: &[&[f64]]) -> Self {
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let padded = |row: &&[f64]| row.iter().copied().chain(std::iter::repeat(0.0)).take(width).collect::<Vec<_>>();
        Self(Taps::Full { size: [rows.len(), width], taps: rows.iter().flat_map(padded).collect() })
    }

    /// The outer product of the taps with themselves: StyleGAN2's `[1, 3, 3, 1]` is this 4 by 4 filter.
    ///
    /// As a function the same as [`Fir::separable`], and applied like it.
    pub fn outer(taps: &[f64]) -> Self {
        Self::separable(taps)
    }

    /// Height and width.
    pub fn taps(&self) -> (usize, usize) {
        match &self.0 {
            Taps::Separable(taps) => (taps.len(), taps.len()),
            Taps::Full { size: [height, width], .. } => (*height, *width),
        }
    }

    /// The filter divided by the sum of its taps, so that it keeps the mean of an image. Of taps that sum to zero it
    /// makes infinities.
    #[must_use]
    pub fn normalised(&self) -> Self {
        let divided = |taps: &[f64]| {
            let sum: f64 = taps.iter().sum();
            taps.iter().map(|tap| tap / sum).collect()
        };
        Self(match &self.0 {
            Taps::Separable(taps) => Taps::Separable(divided(taps)),
            Taps::Full { size, taps } => Taps::Full { size: *size, taps: divided(taps) },
        })
    }

    pub(crate) fn values(&self) -> &Taps {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalised_filters_sum_to_one() {
        let sums = |fir: &Fir| match fir.values() {
            Taps::Separable(taps) | Taps::Full { taps, .. } => taps.iter().sum::<f64>(),
        };
        assert_eq!(sums(&Fir::separable(&[1.0, 3.0, 3.0, 1.0]).normalised()), 1.0);
        assert_eq!(sums(&Fir::full(&[&[1.0, 2.0, -1.0], &[0.0, 2.0]]).normalised()), 1.0);
    }

    #[test]
    fn sizes_are_height_and_width() {
        assert_eq!(Fir::outer(&[1.0; 4]).taps(), (4, 4));
        assert_eq!(Fir::full(&[&[1.0, 2.0], &[3.0]]).taps(), (2, 2));
        assert_eq!(Fir::full(&[&[1.0, 2.0, 3.0]]).taps(), (1, 3));
    }
}
