//! How fast the published models train on a device, and what share of its rate in products that is.

use anyhow::Result;
use frugan_autograd::{Device, count_multiply_adds};
use frugan_nn::Precision;
use frugan_train::Trainer;

use super::report::{Ceilings, Rate};
use crate::bench::training;

/// Iterations that are timed, a cycle of the lazy regularisers; as many before them twice over, in which kernels are compiled, plans
/// made and graphs recorded.
const CYCLE: u32 = 16;

/// BigGAN and StyleGAN2 for CIFAR-10 at their published size and batch, in every arithmetic.
pub(super) fn measure(device: Device, ceilings: &Ceilings) -> Result<Vec<Rate>> {
    let mut rates = Vec::new();
    let precisions = [
        (Precision::F32, "f32", ceilings.matrix_tflops_f32),
        (Precision::Tf32, "tf32", ceilings.matrix_tflops_tf32),
        (Precision::Bf16, "bf16", ceilings.matrix_tflops_bf16),
    ];
    for (precision, name, ceiling) in precisions {
        precision.apply(device)?;
        let models = [
            ("biggan", training::biggan_trainer(50, (device, precision))?, 4 * 50),
            ("stylegan2", training::stylegan2_trainer(64, (device, precision))?, 64),
        ];
        for (model, mut trainer, images) in models {
            let (seconds, flops) = iteration(&mut trainer, device)?;
            let tflops = flops / seconds / 1e12;
            rates.push(Rate {
                model,
                precision: name,
                images_per_s: f64::from(images) / seconds,
                tflops,
                share_of_products: tflops / ceiling,
            });
        }
    }
    Precision::F32.apply(device)?;
    Ok(rates)
}

/// Seconds and FLOPs of an iteration: the means of a cycle.
fn iteration(trainer: &mut Trainer, device: Device) -> Result<(f64, f64)> {
    training::steps(trainer, device, 2 * CYCLE)?;
    let (seconds, multiply_adds) = count_multiply_adds(|| training::steps(trainer, device, CYCLE));
    Ok((seconds?, 2.0 * multiply_adds as f64 / f64::from(CYCLE)))
}
