//! Which batch fits, where a device's memory did not hold the one that was asked for.

use frugan_autograd::{Device, cuda};
use frugan_data::Splits;

use crate::config::Config;
use crate::error::{Error, Result, first_line};
use crate::trainer::Trainer;

/// Batches are multiples of this, and of it times the number of ranks: StyleGAN2's minibatch standard deviation takes groups
/// of four.
const UNIT: usize = 4;

/// The share of the memory that is counted on: monitors, samples and metrics want some too.
const SPARED: f64 = 0.8;

/// Adds to a lack of memory the batch that would fit; other errors stay as they are.
pub(crate) fn advise(error: Error, config: &Config, splits: &Splits, device: Device) -> Error {
    let text = first_line(&error);
    let lacks_memory = matches!(error, Error::Tensor(_)) && text.contains("out of memory");
    match lacks_memory.then(|| batch_that_fits(config, splits, device)) {
        Some(Ok(Some(batch))) => Error::Memory(format!("{text}: optim.batch={batch} would fit")),
        Some(Ok(None)) => Error::Memory(format!("{text}: no batch of these networks fits; use narrower ones")),
        // Where the question fails too, the first answer is the better one.
        Some(Err(_)) | None => error,
    }
}

/// A batch below the configured one, of which an iteration was seen to fit into the device; `None` if there is none.
///
/// Halves the batch until one fits, and then tries the one that lies on the line through the needs of that and of its half.
fn batch_that_fits(config: &Config, splits: &Splits, device: Device) -> Result<Option<usize>> {
    let unit = UNIT * config.ranks.count;
    let halved = |batch: usize| batch / 2 / unit * unit;
    let mut batch = halved(config.optim.batch);
    let bytes = loop {
        if batch == 0 {
            return Ok(None);
        }
        match need(config, splits, device, batch) {
            Ok(bytes) => break bytes,
            Err(_) => batch = halved(batch),
        }
    };
    let half = halved(batch);
    if half == 0 {
        return Ok(Some(batch));
    }
    let each = (bytes - need(config, splits, device, half)?).max(1.0) / (batch - half) as f64;
    let usage = cuda::usage(device)?;
    let limit = SPARED * (cuda::memory(device)?.0 + usage.reserved - usage.in_use) as f64;
    let further = ((limit - bytes) / each).max(0.0) as usize;
    let larger = (batch + further).min(config.optim.batch - 1) / unit * unit;
    let fits = larger > batch && need(config, splits, device, larger).is_ok();
    Ok(Some(if fits { larger } else { batch }))
}

/// Bytes of the first iterations, with all that is due in them, at most at once; a rank holds its share of the batch.
fn need(config: &Config, splits: &Splits, device: Device, batch: usize) -> Result<f64> {
    let mut small = config.clone();
    small.optim.batch = batch / config.ranks.count;
    let before = cuda::usage(device)?.in_use;
    cuda::forget_peak(device)?;
    let mut trainer = Trainer::new(&small, splits, &device)?;
    // The second one begins with what the first one leaves.
    trainer.step()?;
    trainer.step()?;
    Ok((cuda::usage(device)?.peak - before) as f64)
}
