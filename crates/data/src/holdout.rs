//! Which images of a set without a test split of its own are held out.

use crate::config::DataConfig;
use crate::dataset::{Dataset, Splits};
use crate::error::{Error, Result};
use frugan_nn::{Purpose, Stream};

const HOLDOUT: Purpose = Purpose::new("data.holdout");

/// Holds out `config.test_fraction` of the images, at least one unless it is 0, drawn by `config.subset_seed`. Both
/// splits keep the order of the whole set.
pub(crate) fn hold_out(all: &Dataset, config: &DataConfig) -> Result<Splits> {
    let total = all.len();
    let share = config.test_fraction;
    let held_out = if share == 0.0 { 0 } else { ((share * total as f64).round() as usize).max(1) };
    if held_out >= total {
        return Err(Error::NothingToTrainOn { test_fraction: share, images: total });
    }
    let mut order = Stream::new(config.subset_seed.into(), HOLDOUT, 0).permutation(total as u32);
    let mut train = order.split_off(held_out);
    order.sort_unstable();
    train.sort_unstable();
    let select = |split, indices: &[u32]| all.select(format!("{} {split}", all.name), indices);
    Ok(Splits { train: select("train", &train), test: select("test", &order) })
}
