//! What tells a limited-data run's fate, and when to warn.
//!
//! Each monitor has a documented threshold; docs/your-own-data.md says what to try.

use frugan_augment::ada;
use frugan_autograd::Var;

use crate::error::Result;
use crate::stats::Record;

/// D's accuracy on training images minus that on held-out ones.
pub const OVERFITTING_GAP: f64 = 0.25;
/// r_t of ADA, section 3.1: the mean sign of D on (augmented) reals. ADA aims at 0.6.
pub const SATURATED_R_T: f64 = 0.9;
/// The distance between two fakes, in units of that between two reals.
pub const COLLAPSED_DISTANCE: f64 = 0.25;
/// The share of a run in whose steps fakes may be alike, for some generators draw one grey image before they learn; but not
/// for longer than [`FIRST_STEPS`].
const FIRST_SHARE: u64 = 4;
/// The most steps in which fakes may be alike.
const FIRST_STEPS: u64 = 1000;
/// APA's p: the share of what D is shown as real that G made.
pub const DECEIVED_P: f64 = 0.5;
/// The norm of a network's gradient.
pub const EXPLODING_NORM: f64 = 1e4;
/// The variance of D's loss over a tick.
pub const UNSTABLE_LOSS: f64 = 25.0;

/// One crossing of a threshold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A stable name: `overfitting`, `saturated`, `strong`, `deceived`, `collapse`, `exploding`,
    /// `unstable`; `recipe` for a value that does not fit a paper's ([`crate::departures`]).
    pub kind: &'static str,
    /// One sentence: the value, the threshold, what to try.
    pub text: String,
}

/// The thresholds that a tick's values cross, in a run of so many steps.
pub fn warnings(tick: &Record, steps: u64) -> Vec<Warning> {
    let mut found = Vec::new();
    let mut warn = |kind, text| found.push(Warning { kind, text });
    let (gap, train, held_out) = (tick.get("d/gap"), tick.get("d/acc_train"), tick.get("d/acc_heldout"));
    if let (Some(gap), Some(train), Some(held_out)) = (gap, train, held_out)
        && gap > OVERFITTING_GAP
    {
        warn(
            "overfitting",
            format!(
                "D knows the training images: accuracy {train:.2} on them, {held_out:.2} on held-out ones (gap above \
                 {OVERFITTING_GAP}); try augment.policy=color,translation,cutout on D and G, more data, or an earlier snapshot"
            ),
        );
    }
    if let Some(r_t) = tick.get("d/r_t").filter(|v| *v > SATURATED_R_T) {
        warn(
            "saturated",
            format!(
                "r_t = {r_t:.2} (above {SATURATED_R_T}): D is sure of nearly every real; try stronger augmentation"
            ),
        );
    }
    if let Some(text) = tick.get("augment/p").and_then(ada::saturation) {
        warn("strong", text);
    }
    if let Some(p) = tick.get("apa/p").filter(|p| *p > DECEIVED_P) {
        warn(
            "deceived",
            format!(
                "APA's p = {p:.2} (above {DECEIVED_P}): most of what D is shown as real G made, and G learns from itself; try a \
                 higher loss.apa.target, more data, or an earlier snapshot"
            ),
        );
    }
    let has_learned = tick.step > FIRST_STEPS.min(steps / FIRST_SHARE);
    if let Some(distance) = tick.get("g/distance").filter(|v| has_learned && *v < COLLAPSED_DISTANCE) {
        warn(
            "collapse",
            format!(
                "two fakes differ {distance:.2} times as much as two reals (below {COLLAPSED_DISTANCE}): G repeats \
                 itself; try a lower optim.g.lr, more optim.num_d_steps, or an earlier snapshot"
            ),
        );
    }
    for network in ["g", "d"] {
        if let Some(norm) = tick.get(&format!("grad_norm/{network}")).filter(|v| *v > EXPLODING_NORM) {
            warn(
                "exploding",
                format!(
                    "the gradient of {network} has norm {norm:.0} (above {EXPLODING_NORM}); try optim.clip_norm=1 or a lower optim.{network}.lr"
                ),
            );
        }
    }
    if let Some(variance) = tick.get("loss/d_variance").filter(|v| *v > UNSTABLE_LOSS) {
        warn(
            "unstable",
            format!(
                "D's loss has variance {variance:.1} over the tick (above {UNSTABLE_LOSS}); try a lower optim.d.lr or a larger optim.batch"
            ),
        );
    }
    found
}

/// The mean Euclidean distance between two different images of a batch `[N, C, H, W]`, over the first 16.
pub(crate) fn pairwise_distance(images: &Var) -> Result<f64> {
    const MOST: usize = 16;
    let count = images.dims()[0].min(MOST);
    if count < 2 {
        return Ok(f64::NAN);
    }
    let values = images.to_vec::<f32>()?;
    let rows: Vec<&[f32]> = values.chunks_exact(values.len() / images.dims()[0]).take(count).collect();
    let mut sum = 0.0;
    for (i, a) in rows.iter().enumerate() {
        for b in &rows[..i] {
            sum += a.iter().zip(*b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
        }
    }
    Ok(sum / (count * (count - 1) / 2) as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn kinds(values: &[(&str, f64)]) -> Vec<&'static str> {
        kinds_at(500, 1000, values)
    }

    fn kinds_at(step: u64, steps: u64, values: &[(&str, f64)]) -> Vec<&'static str> {
        let values = values.iter().map(|(k, v)| (k.to_string(), Some(*v))).collect();
        warnings(&Record { step, kimg: 0.2, values }, steps).iter().map(|w| w.kind).collect()
    }

    #[test]
    fn a_healthy_tick_is_silent() {
        let healthy =
            [("d/gap", 0.05), ("d/acc_train", 0.7), ("d/acc_heldout", 0.65), ("d/r_t", 0.4), ("g/distance", 0.8)];
        assert!(kinds(&healthy).is_empty());
        assert!(kinds(&[("d/r_t", f64::NAN)]).is_empty());
        assert!(kinds(&[("augment/p", 0.5)]).is_empty());
    }

    #[test]
    fn each_threshold_warns() {
        assert_eq!(kinds(&[("d/gap", 0.3), ("d/acc_train", 0.95), ("d/acc_heldout", 0.65)]), ["overfitting"]);
        assert_eq!(kinds(&[("d/r_t", 0.95)]), ["saturated"]);
        assert_eq!(kinds(&[("augment/p", 0.9)]), ["strong"]);
        assert_eq!(kinds(&[("apa/p", 0.6)]), ["deceived"]);
        assert_eq!(kinds(&[("g/distance", 0.1)]), ["collapse"]);
        assert_eq!(kinds(&[("grad_norm/d", 2e4)]), ["exploding"]);
        assert_eq!(kinds(&[("loss/d_variance", 30.0)]), ["unstable"]);
    }

    /// A DCGAN on the embedded set: 0.16 at step 50, 0.4 at step 100.
    #[test]
    fn fakes_may_be_alike_before_g_has_learned() {
        let alike = |step, steps| kinds_at(step, steps, &[("g/distance", 0.16)]);
        assert!(alike(50, 2000).is_empty() && alike(500, 2000).is_empty());
        assert_eq!(alike(550, 2000), ["collapse"]);
        assert!(alike(1000, 250_000).is_empty());
        assert_eq!(alike(1100, 250_000), ["collapse"], "a long run does not wait for a quarter of it");
        assert_eq!(kinds_at(1, 2000, &[("d/r_t", 0.95)]), ["saturated"], "other warnings come at once");
    }

    #[test]
    fn equal_images_have_no_distance() {
        let same = candle_core::Tensor::ones((3, 1, 2, 2), candle_core::DType::F32, &candle_core::Device::Cpu).unwrap();
        assert_eq!(pairwise_distance(&Var::constant(same)).unwrap(), 0.0);
    }
}
