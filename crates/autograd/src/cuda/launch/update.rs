//! Changes in place: any number of arrays in one launch.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::UPDATE;
use crate::cuda::words::words;
use crate::update::AdamStep;

/// Values of one block, as in `update.cu`.
pub(crate) const CHUNK: usize = 4096;

/// Rows of arrays as a table, with the number of chunks in all.
fn table<const N: usize>(rows: &[[&CudaTensor; N]]) -> (Vec<u64>, usize) {
    let (mut words, mut chunks) = (Vec::new(), 0);
    for row in rows {
        words.extend(words![*row, row[0].len(), chunks]);
        chunks += row[0].len().div_ceil(CHUNK);
    }
    (words, chunks)
}

/// `target += weight * (source - target)` for pairs of target and source.
pub(crate) fn lerp(pairs: &[[&CudaTensor; 2]], weight: f64) -> Result<()> {
    let Some([first, _]) = pairs.first() else { return Ok(()) };
    if let [[target, source]] = pairs {
        return target.map(&UPDATE, "lerp_one", &words![target.len(), *target, *source, weight]);
    }
    let (words, chunks) = table(pairs);
    let rows = first.gpu().table(&words)?;
    first.blocks(&UPDATE, "lerp", &words![chunks, rows.address(), pairs.len(), weight])
}

/// `target += weight * (factor * source - target)` for pairs of target and source, each with its factor.
pub(crate) fn lerp_scaled(pairs: &[[&CudaTensor; 2]], factors: &[f64], weight: f64) -> Result<()> {
    let Some([first, _]) = pairs.first() else { return Ok(()) };
    let (mut words, mut chunks) = (Vec::new(), 0);
    for ([target, source], factor) in pairs.iter().zip(factors) {
        words.extend(words![*target, *source, *factor, target.len(), chunks]);
        chunks += target.len().div_ceil(CHUNK);
    }
    let rows = first.gpu().table(&words)?;
    first.blocks(&UPDATE, "lerp_scaled", &words![chunks, rows.address(), pairs.len(), weight])
}

/// Adam for rows of parameter, mean, square and gradient.
pub(crate) fn adam(step: &AdamStep, rows: &[[&CudaTensor; 4]]) -> Result<()> {
    let Some([first, ..]) = rows.first() else { return Ok(()) };
    let (words, chunks) = table(rows);
    let table = first.gpu().table(&words)?;
    let exponent = step.step as f64;
    let rate = step.lr / (1.0 - step.beta1.powf(exponent));
    let correction = (1.0 - step.beta2.powf(exponent)).sqrt().recip();
    let numbers = [step.beta1, step.beta2, 1.0 - step.beta1, 1.0 - step.beta2, rate, correction, step.epsilon];
    first.blocks(&UPDATE, "adam", &words![chunks, table.address(), rows.len(), numbers])
}

/// NaN becomes 0, and infinities `most` and `-most`, in arrays of one type.
pub(crate) fn mend(arrays: &[[&CudaTensor; 1]], most: f64) -> Result<()> {
    let Some([first]) = arrays.first() else { return Ok(()) };
    let (words, chunks) = table(arrays);
    let rows = first.gpu().table(&words)?;
    first.blocks(&UPDATE, "mend", &words![chunks, rows.address(), arrays.len(), most])
}
