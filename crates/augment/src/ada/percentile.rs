//! The draws at a percentile, for looking at what the transforms do.

use std::f64::consts::PI;

use super::{Law, Step};

/// The raw number that stands for percentile `d` of a step; none where ADA's code then leaves the step out.
pub(super) fn raw_at(step: Step, d: f64) -> Option<f64> {
    match (step, step.law()) {
        // One rotation says it all.
        (Step::PostRotate, _) => None,
        // The law of |n|.
        (Step::Noise, _) => Some(erf_inv(d)),
        (_, Law::Uniform) => Some(d),
        (_, Law::Normal) => Some(erf_inv(2.0 * d - 1.0)),
    }
}

/// The inverse of the error function on (-1, 1), by Newton's rule: from 0 outwards it rises without overshooting, for
/// erf is concave there.
pub(super) fn erf_inv(y: f64) -> f64 {
    let mut x = 0.0_f64;
    for _ in 0..200 {
        let step = (y.abs() - erf(x)) * PI.sqrt() / 2.0 * (x * x).exp();
        if step <= 1e-15 * x {
            break;
        }
        x += step;
    }
    x.copysign(y)
}

/// `2 / sqrt(pi) exp(-x^2) sum_k 2^k x^(2k+1) / (2k+1)!!`: no term is negative for x >= 0.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (x, x, 0.0);
    while term > 1e-17 * sum {
        k += 1.0;
        term *= 2.0 * x * x / (2.0 * k + 1.0);
        sum += term;
    }
    2.0 / PI.sqrt() * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_inv_gives_known_values() {
        let known = [(0.5, 0.476_936_276_204_469_9), (0.9, 1.163_087_153_676_674), (0.999_9, 2.751_063_905_712_060_6)];
        for (y, x) in known.into_iter().chain([(0.0, 0.0), (-0.5, -0.476_936_276_204_469_9)]) {
            assert!((erf_inv(y) - x).abs() < 1e-12, "{y}: {}", erf_inv(y));
        }
    }
}
