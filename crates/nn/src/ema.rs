//! Exponential moving averages of a network.

use frugan_autograd::{Result, Var, update};
use serde::{Deserialize, Serialize};

use crate::params::{Kind, Params};

/// BigGAN's average, over weights and buffers alike: `ema = decay * ema + (1 - decay) * source` after each generator
/// step, where the decay is 0 until `start_itr`, so that the average starts as a copy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ema {
    /// Share of the old average, in [0, 1]. Default 0.9999.
    pub decay: f64,
    /// First generator step (counted from 0) that averages; before it the average is a copy. Default 1000.
    pub start_itr: u64,
}

impl Default for Ema {
    fn default() -> Self {
        Self { decay: 0.9999, start_itr: 1000 }
    }
}

impl Ema {
    /// The decay at generator step `itr`, counted from 0. Step 0 uses `decay` whatever the start is, as the published
    /// code does (it takes a step of zero for "not given"); the copy at step 1 overwrites it.
    pub fn decay_at(&self, itr: u64) -> f64 {
        if 0 < itr && itr < self.start_itr { 0.0 } else { self.decay }
    }

    /// Moves every weight and buffer of `ema` towards `source`.
    ///
    /// # Errors
    /// If the two networks differ.
    pub fn update(&self, ema: &Params, source: &Params, itr: u64) -> Result<()> {
        let weight = 1.0 - self.decay_at(itr);
        let pairs: Vec<_> = pairs(ema, source)?.into_iter().map(|(_, pair)| pair).collect();
        average_all(&pairs, weight)
    }
}

/// StyleGAN2's average, whose memory is given as a half-life in images: weights are averaged, buffers copied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HalflifeEma {
    /// Half-life, in thousands of images. Default 500.
    pub ema_kimg: f64,
    /// Caps the half-life at this share of the images seen so far, if given. Default none.
    pub rampup: Option<f64>,
}

impl Default for HalflifeEma {
    fn default() -> Self {
        Self { ema_kimg: 500.0, rampup: None }
    }
}

impl HalflifeEma {
    /// The decay of a step of `batch` images, after `cur_nimg` images: `0.5 ^ (batch / half-life)`.
    pub fn decay_at(&self, batch: usize, cur_nimg: u64) -> f64 {
        let halflife = self.ema_kimg * 1000.0;
        let halflife = self.rampup.map_or(halflife, |share| halflife.min(cur_nimg as f64 * share));
        0.5f64.powf(batch as f64 / halflife.max(1e-8))
    }

    /// Moves the weights of `ema` towards `source` and copies its buffers. `cur_nimg` counts the images before the step.
    ///
    /// # Errors
    /// If the two networks differ.
    pub fn update(&self, ema: &Params, source: &Params, batch: usize, cur_nimg: u64) -> Result<()> {
        let weight = 1.0 - self.decay_at(batch, cur_nimg);
        let (weights, buffers): (Vec<_>, Vec<_>) =
            pairs(ema, source)?.into_iter().partition(|(kind, _)| matches!(kind, Kind::Weight));
        let pair = |(_, pair)| pair;
        average_all(&weights.into_iter().map(pair).collect::<Vec<_>>(), weight)?;
        average_all(&buffers.into_iter().map(pair).collect::<Vec<_>>(), 1.0)
    }
}

/// `target += weight * (source - target)`; at weight 1 a copy to the last bit, which rounding would not give.
pub(crate) fn average(target: &Var, source: &Var, weight: f64) -> Result<()> {
    average_all(&[[target, source]], weight)
}

/// [`average`] of pairs of target and source.
fn average_all(pairs: &[[&Var; 2]], weight: f64) -> Result<()> {
    if weight == 1.0 {
        return pairs.iter().try_for_each(|[target, source]| update::assign(target, source));
    }
    update::lerp_all(pairs, weight)
}

/// What the two networks have under the same names: targets and sources.
fn pairs<'a>(ema: &'a Params, source: &'a Params) -> Result<Vec<(Kind, [&'a Var; 2])>> {
    if ema.len() != source.len() {
        candle_core::bail!("ema: {} tensors for a network of {}", ema.len(), source.len())
    }
    let mut pairs = Vec::with_capacity(ema.len());
    for ((name, kind, target), (source_name, _, value)) in ema.iter().zip(source.iter()) {
        if name != source_name || target.dims() != value.dims() {
            candle_core::bail!("ema: `{name}` {:?} meets `{source_name}` {:?}", target.dims(), value.dims())
        }
        pairs.push((kind, [target, value]));
    }
    Ok(pairs)
}
