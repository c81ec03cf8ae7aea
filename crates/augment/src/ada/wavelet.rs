//! Filters of two orthogonal wavelets: sym6 for resampling, and a bank of four bands made of sym2.

/// The scaling filter of sym6 (Daubechies' least asymmetric wavelet with 6 vanishing moments), sum sqrt(2).
const SYM6: [f64; 12] = [
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
];

/// The scaling filter of sym2, sum sqrt(2).
const SYM2: [f64; 4] = [-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025];

/// Bands of the filter bank.
pub(super) const BANDS: usize = 4;
/// Taps of the filter bank: each of the three levels makes n taps into 2 n - 1, and 6 more.
pub(super) const BANK_TAPS: usize = 43;

/// The low-pass filter of the geometric resampling: sym6 with sum 1.
///
/// ```
/// assert!((frugan_augment::ada::low_pass().iter().sum::<f64>() - 1.0).abs() < 1e-15);
/// ```
pub fn low_pass() -> [f64; 12] {
    let sum: f64 = SYM6.iter().sum();
    SYM6.map(|tap| tap / sum)
}

/// The filter of each band, lowest first; their sum is the identity. Appendix B.2 of the paper, "image-space filtering":
/// three times the bands so far are stretched over half the spectrum and the upper half becomes a band of its own.
///
/// ```
/// let bank = frugan_augment::ada::filter_bank();
/// let sums: Vec<f64> = (0..43).map(|k| bank.iter().map(|band| band[k]).sum()).collect();
/// assert!(sums.iter().enumerate().all(|(k, sum)| (sum - f64::from(u8::from(k == 21))).abs() < 1e-9));
/// ```
pub fn filter_bank() -> [[f64; BANK_TAPS]; BANDS] {
    let high: Vec<f64> = SYM2.iter().zip([1.0, -1.0, 1.0, -1.0]).map(|(tap, sign)| tap * sign).collect();
    let (low, high) = (power(&SYM2), power(&high));
    let mut bank = [[0.0; BANK_TAPS]; BANDS];
    bank[0][0] = 1.0;
    let mut len = 1;
    for level in 1..BANDS {
        let stretched_len = 2 * len - 1 + low.len() - 1;
        for row in &mut bank {
            let mut stretched = [0.0; BANK_TAPS];
            for (i, tap) in row[..len].iter().enumerate() {
                for (j, low) in low.iter().enumerate() {
                    stretched[2 * i + j] += tap * low;
                }
            }
            *row = stretched;
        }
        len = stretched_len;
        for (tap, high) in bank[level][(len - high.len()) / 2..].iter_mut().zip(&high) {
            *tap += high;
        }
    }
    bank
}

/// Half the filter's autocorrelation: the filter and its mirror image, one after the other.
fn power(filter: &[f64]) -> Vec<f64> {
    let mut taps = vec![0.0; 2 * filter.len() - 1];
    for (i, a) in filter.iter().enumerate() {
        for (j, b) in filter.iter().rev().enumerate() {
            taps[i + j] += a * b / 2.0;
        }
    }
    taps
}
