//! What a run will take, from its configuration alone.

use frugan_autograd::{Device, count_multiply_adds};
use frugan_data::{Dataset, Splits};

use crate::config::{Config, Lazy};
use crate::error::Result;
use crate::trainer::Trainer;

/// Images of the small steps that are counted.
const BATCH: usize = 4;

/// Parameters, arithmetic and disk of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Numbers in G's weights.
    pub g_weights: usize,
    /// Numbers in D's weights.
    pub d_weights: usize,
    /// Thousands of real images over the whole run.
    pub kimg: f64,
    /// FLOPs of all convolutions and matrix products of training, as the direct algorithms make them; evaluations are not
    /// counted.
    pub flops: f64,
    /// Bytes of the two states and two snapshots that a run keeps on disk.
    pub disk_bytes: u64,
}

impl Estimate {
    /// Counts iterations at a batch of 4 on data of no content, with `num_classes` classes of `resolution` pixels, and
    /// scales them to the run's batch and length.
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
            let (ended, count) = count_multiply_adds(|| trainer.step());
            ended.map(|()| count as f64)
        };
        let per_iteration = match config.optim.lazy {
            None => count(1)?,
            Some(Lazy { g_interval, d_interval }) => {
                // No iteration of 1 to 3 is a multiple of both intervals or of one that is longer than it.
                let [both, plain] = [count(0)?, count(1)?];
                let only_g = if g_interval == d_interval { both } else { count(g_interval)? };
                plain + (only_g - plain) / g_interval as f64 + (both - only_g) / d_interval as f64
            }
        };
        let numbers = |params: &frugan_nn::Params| params.iter().map(|(_, _, var)| var.elem_count()).sum::<usize>();
        let (g, d) = (trainer.generator.params(), trainer.discriminator.params());
        let (in_g, in_d) = (numbers(g), numbers(d));
        // A state: G, D, the average, and two moments of every weight. A snapshot: the average.
        let state = 4 * (2 * in_g + in_d + 2 * (g.count_weights() + d.count_weights()));
        let images = config.train.steps as f64 * (config.optim.batch * config.optim.num_d_steps) as f64;
        Ok(Self {
            g_weights: g.count_weights(),
            d_weights: d.count_weights(),
            kimg: images / 1000.0,
            flops: 2.0 * per_iteration * config.optim.batch as f64 / batch as f64 * config.train.steps as f64,
            disk_bytes: 2 * (state + 4 * in_g) as u64,
        })
    }
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
        let mut config = Config { model, ..Config::default() };
        config.train.steps = 10;
        config
    }

    #[test]
    fn arithmetic_grows_with_batch_and_length() {
        let base = Estimate::of(&small(), 10, 32).unwrap();
        let mut longer = small();
        longer.train.steps *= 3;
        longer.optim.batch *= 2;
        let more = Estimate::of(&longer, 10, 32).unwrap();
        // Products of weights alone (spectral norm) do not grow with the batch, and are few.
        assert!((more.flops / base.flops / 6.0 - 1.0).abs() < 0.01, "{} {}", more.flops, base.flops);
        assert_eq!((base.kimg, more.kimg), (2.0, 12.0));
        assert_eq!(base.g_weights, more.g_weights);
    }

    #[test]
    fn the_published_biggan_has_its_parameters() {
        let mut config = Config { model: ModelConfig::Biggan(BigganConfig::default()), ..Config::default() };
        config.optim.num_d_steps = 1;
        let estimate = Estimate::of(&config, 10, 32).unwrap();
        assert_eq!((estimate.g_weights, estimate.d_weights), (4_304_387, 4_207_361));
    }
}
