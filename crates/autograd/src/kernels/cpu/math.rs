//! exp, log and tanh of one f32 without branches or tables, so that loops over them become vectors.
//!
//! Range reduction and minimax polynomials of Moshier's Cephes library (its single-precision exp,
//! log and tanh); no fused multiply-adds, so every instruction set gives the same bits.

// The constants are split or fitted: they are not misspelt approximations of nicer ones.
#![allow(clippy::excessive_precision, clippy::approx_constant)]

/// ln 2 in two parts, the first with few bits, so that multiples of it are exact.
const LN2_HIGH: f32 = 0.693_359_375;
const LN2_LOW: f32 = -2.121_944_40e-4;
/// Adding it rounds to a whole number, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    coefficients.into_iter().fold(0.0, |sum, c| sum * x + c)
}

/// `2^n` for n in -126 ..= 127
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) << 23) as u32)
}

/// `e^x`, within 2 units in the last place; infinity and zero where it overflows and underflows.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    let x = if x < -104.0 { -104.0 } else { x };
    let x = if x > 89.0 { 89.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let whole = shifted - ROUND;
    let r = x - whole * LN2_HIGH - whole * LN2_LOW;
    let p = polynomial(
        r,
        [1.987_569_15e-4, 1.398_199_95e-3, 8.333_451_9e-3, 4.166_579_6e-2, 1.666_666_55e-1, 5.000_000_1e-1],
    );
    let y = p * r * r + r + 1.0;
    // In two factors, for n may lie outside the exponents of normal numbers. NaN leaves n wild.
    let half = (n >> 1).clamp(-126, 127);
    y * power_of_two(half) * power_of_two(n.wrapping_sub(half).clamp(-126, 127))
}

/// The natural logarithm, within 2 units in the last place; NaN below zero.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    // Subnormal numbers are lifted into the normal range.
    let small = x < f32::MIN_POSITIVE;
    let lifted = if small { x * 8_388_608.0 } else { x };
    let bits = lifted.to_bits();
    let exponent = ((bits >> 23) & 0xff) as i32 - 126 - if small { 23 } else { 0 };
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let below = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = if below { exponent - 1 } else { exponent } as f32;
    let m = if below { m + m - 1.0 } else { m - 1.0 };
    let z = m * m;
    let p = polynomial(
        m,
        [
            7.037_683_6e-2,
            -1.151_461_03e-1,
            1.167_699_87e-1,
            -1.242_014_08e-1,
            1.424_932_28e-1,
            -1.666_805_77e-1,
            2.000_071_48e-1,
            -2.499_999_4e-1,
            3.333_333_12e-1,
        ],
    );
    let y = m * z * p + e * LN2_LOW - 0.5 * z;
    let y = m + y + e * LN2_HIGH;
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f32::NAN }
}

/// `ln(1 + x)` for `x >= 0`, exact for small ones: the rounding of `1 + x` is divided out again.
#[inline(always)]
pub(crate) fn ln_1p(x: f32) -> f32 {
    let one_more = 1.0 + x;
    let kept = one_more - 1.0;
    if kept == 0.0 { x } else { ln(one_more) * (x / kept) }
}

/// The hyperbolic tangent, within 2 units in the last place.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = polynomial(z, [-5.704_988_7e-3, 2.063_908_88e-2, -5.373_971_56e-2, 1.333_144_22e-1, -3.333_328_2e-1]);
    let small = x + x * z * p;
    let large = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    if x.abs() < 0.625 { small } else { large.copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The error in units in the last place of the true value.
    fn ulps(got: f32, want: f64) -> f64 {
        let size = (want as f32).abs().max(f32::MIN_POSITIVE);
        let ulp = f64::from(f32::from_bits(size.to_bits() + 1) - size);
        (f64::from(got) - want).abs() / ulp
    }

    fn worst(low: f32, high: f32, f: impl Fn(f32) -> f32, truth: impl Fn(f64) -> f64) -> f64 {
        let steps = 1 << 18;
        let at = |i: i32| low + (high - low) * (i as f32 / steps as f32);
        (0..=steps).map(|i| ulps(f(at(i)), truth(f64::from(at(i))))).fold(0.0, f64::max)
    }

    #[test]
    fn they_are_within_two_units_in_the_last_place() {
        let errors = [
            worst(-87.0, 88.7, exp, f64::exp),
            worst(-1.0, 1.0, exp, f64::exp),
            worst(1e-3, 4.0, ln, f64::ln),
            worst(1.0, 1e30, ln, f64::ln),
            worst(1e-38, 1e-30, ln, f64::ln),
            worst(0.0, 1.0, ln_1p, f64::ln_1p),
            worst(0.0, 1e-6, ln_1p, f64::ln_1p),
            worst(-1.0, 1.0, tanh, f64::tanh),
            worst(-10.0, 10.0, tanh, f64::tanh),
        ];
        assert!(errors.iter().all(|error| *error <= 2.0), "{errors:?}");
    }

    #[test]
    fn the_edges_are_those_of_the_functions() {
        assert_eq!((exp(0.0), exp(89.0), exp(f32::INFINITY)), (1.0, f32::INFINITY, f32::INFINITY));
        assert_eq!((exp(-104.0), exp(f32::NEG_INFINITY)), (0.0, 0.0));
        assert!((exp(-100.0) - (-100.0f32).exp()).abs() <= f32::from_bits(1));
        assert_eq!((ln(1.0), ln(0.0), ln(f32::INFINITY)), (0.0, f32::NEG_INFINITY, f32::INFINITY));
        assert!((ln(1e-40) - 1e-40f32.ln()).abs() < 1e-5);
        assert_eq!((tanh(0.0), tanh(50.0), tanh(-50.0), tanh(f32::INFINITY)), (0.0, 1.0, -1.0, 1.0));
        assert!([exp(f32::NAN), ln(f32::NAN), ln(-1.0), tanh(f32::NAN), ln_1p(f32::NAN)].iter().all(|v| v.is_nan()));
    }
}
