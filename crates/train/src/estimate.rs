//! What a run will take, from its configuration alone.

use frugan_autograd::{Device, plan_multiply_adds};
use frugan_data::{Dataset, Splits};

use crate::config::{Config, Lazy};
use crate::error::Result;
use crate::trainer::Trainer;

/// Images of the small steps that are counted: path length takes half a batch.
const BATCH: usize = 2;

/// Parameters, arithmetic and disk of a run; the length is the caller's factor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Numbers in G's weights.
    pub g_weights: usize,
    /// Numbers in D's weights.
    pub d_weights: usize,
    /// FLOPs of all convolutions and matrix products of an iteration, as the direct algorithms make them, lazy regularisers
    /// with their share; evaluations are not counted.
    pub flops_per_step: f64,
    /// Bytes of the two states and two snapshots that a run keeps on disk.
    pub disk_bytes: u64,
}

impl Estimate {
    /// Counts iterations at a batch of 2 on data of no content, with `num_classes` classes of `resolution` pixels, and
    /// scales them to the run's batch.
    ///
    /// # Errors
    /// If the configuration does not fit such data.
    pub fn of(config: &Config, num_classes: usize, resolution: usize) -> Result<Self> {
        let batch = BATCH.min(config.optim.batch);
        let mut small = config.clone();
        small.optim.batch = batch;
        let mut trainer = Trainer::new(&small, &blank(num_classes, resolution)?, &Device::Cpu)?;
        let mut count = |itr: u64| {
            trainer.itr = itr;
            let (ended, count) = plan_multiply_adds(|| trainer.step());
            ended.map(|()| count as f64)
        };
        let per_step = match config.optim.lazy {
            None => count(1)?,
            Some(lazy) => lazy_mean(lazy, &mut count)?,
        };
        let numbers = |params: &frugan_nn::Params| params.iter().map(|(_, _, var)| var.elem_count()).sum::<usize>();
        let (g, d) = (trainer.generator.params(), trainer.discriminator.params());
        let (in_g, in_d) = (numbers(g), numbers(d));
        // A state: G, D, the average, and two moments of every weight. A snapshot: the average.
        let state = 4 * (2 * in_g + in_d + 2 * (g.count_weights() + d.count_weights()));
        Ok(Self {
            g_weights: g.count_weights(),
            d_weights: d.count_weights(),
            flops_per_step: 2.0 * per_step * config.optim.batch as f64 / batch as f64,
            disk_bytes: 2 * (state + 4 * in_g) as u64,
        })
    }
}

/// The mean over iterations of what `count` gives for one, where a part of it comes every `g_interval` and another every
/// `d_interval` iterations: both come at 0, and at 1 only what comes always.
fn lazy_mean(Lazy { g_interval, d_interval }: Lazy, mut count: impl FnMut(u64) -> Result<f64>) -> Result<f64> {
    let (all, always) = (count(0)?, count(1)?);
    let of_g = match (g_interval.is_multiple_of(d_interval), d_interval.is_multiple_of(g_interval)) {
        (false, _) => count(g_interval)? - always,
        (true, false) => all - count(d_interval)?,
        // Equal intervals need no telling apart.
        (true, true) => all - always,
    };
    Ok(always + of_g / g_interval as f64 + (all - always - of_g) / d_interval as f64)
}

/// Black images, a few of each class.
fn blank(num_classes: usize, resolution: usize) -> Result<Splits> {
    let images = num_classes.max(2 * BATCH);
    let shape = [3, resolution, resolution];
    let labels = (0..images as u32).map(|i| i % num_classes as u32).collect();
    let names = (0..num_classes).map(|class| class.to_string()).collect();
    let set = Dataset::new("blank", shape, vec![0; images * shape.iter().product::<usize>()], labels, names)?;
    Ok(Splits { train: set.clone(), test: set })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use frugan_models::{BigganConfig, ModelConfig};

    use super::*;

    fn small() -> Config {
        let model = ModelConfig::Biggan(BigganConfig { g_ch: 4, d_ch: 4, ..BigganConfig::default() });
        Config { model, ..Config::default() }
    }

    /// A planned step makes no product, and costs what a real one does.
    #[test]
    fn the_plan_counts_what_a_step_makes() {
        let mut config = small();
        config.optim.batch = BATCH;
        let mut trainer = Trainer::new(&config, &blank(10, 32).unwrap(), &Device::Cpu).unwrap();
        trainer.itr = 1;
        let (ended, made) = frugan_autograd::count_multiply_adds(|| trainer.step());
        ended.unwrap();
        assert_eq!(Estimate::of(&config, 10, 32).unwrap().flops_per_step, 2.0 * made as f64);
    }

    #[test]
    fn arithmetic_grows_with_the_batch() {
        let base = Estimate::of(&small(), 10, 32).unwrap();
        let mut longer = small();
        longer.optim.batch *= 2;
        let more = Estimate::of(&longer, 10, 32).unwrap();
        // Products of weights alone (spectral norm) do not grow with the batch, and are few.
        let ratio = more.flops_per_step / base.flops_per_step;
        assert!((ratio / 2.0 - 1.0).abs() < 0.01, "{ratio}");
        assert_eq!(base.g_weights, more.g_weights);
    }

    #[test]
    fn lazy_parts_count_with_their_share() {
        // 100 always, 20 every g and 3 every d iterations.
        for (g, d) in [(4, 16), (16, 4), (4, 6), (5, 5), (1, 3), (3, 1), (1, 1)] {
            let due = |itr: u64, every: u64| f64::from(u8::from(itr.is_multiple_of(every)));
            let at = |itr: u64| 100.0 + 20.0 * due(itr, g) + 3.0 * due(itr, d);
            let mean = lazy_mean(Lazy { g_interval: g, d_interval: d }, |itr| Ok(at(itr))).unwrap();
            assert!((mean - (0..g * d).map(at).sum::<f64>() / (g * d) as f64).abs() < 1e-9, "{g} {d}: {mean}");
        }
    }

    #[test]
    fn the_published_biggan_has_its_parameters() {
        let mut config = Config { model: ModelConfig::Biggan(BigganConfig::default()), ..Config::default() };
        config.optim.num_d_steps = 1;
        let estimate = Estimate::of(&config, 10, 32).unwrap();
        assert_eq!((estimate.g_weights, estimate.d_weights), (4_304_387, 4_207_361));
    }
}
