//! Iterations as graphs against the same ones kernel by kernel.

use anyhow::{Result, bail};
use frugan_autograd::{Device, cuda};
use frugan_train::{Config, Trainer};

use super::report::Check;
use super::steps::{MODELS, data, weights};

/// The first iteration runs kernel by kernel, the second is recorded, the others are replayed.
const ITERATIONS: u64 = 5;

/// Not a bit of the weights may differ.
pub(super) fn compare(device: Device, mut tell: impl FnMut(Check)) {
    for (model, text) in MODELS {
        let name = format!("{ITERATIONS} iterations of {model} as a graph");
        tell(match iterations(text, device) {
            Ok(error) => Check { name, passed: error == 0.0, errors: vec![error], tolerance: 0.0 },
            Err(error) => Check::failed(name, &error),
        });
    }
}

/// How far the weights are apart.
fn iterations(text: &str, device: Device) -> Result<f64> {
    let splits = data()?;
    let after = |graph: bool| -> Result<Vec<f64>> {
        let mut config = Config::from_toml(text)?;
        config.train.graph = graph;
        let mut trainer = Trainer::new(&config, &splits, &device)?;
        (0..ITERATIONS).try_for_each(|_| trainer.step())?;
        weights(&trainer)
    };
    let want = after(false)?;
    let refused = cuda::refused_graphs(device)?.len();
    let got = after(true)?;
    if let Some(why) = cuda::refused_graphs(device)?.get(refused) {
        bail!("no graph, so that each kernel is asked for by itself: {why}")
    }
    // Weights that are not finite are no success.
    let apart = |(a, b): (&f64, &f64)| if a == b { 0.0 } else { (a - b).abs().max(f64::MIN_POSITIVE) };
    if got.len() != want.len() {
        return Ok(f64::INFINITY);
    }
    let most = |most: f64, apart: f64| if apart > most || apart.is_nan() { apart } else { most };
    Ok(got.iter().zip(&want).map(apart).fold(0.0, most))
}
