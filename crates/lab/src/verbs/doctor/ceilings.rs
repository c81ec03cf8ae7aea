//! What a device can do at most: rates that a training step cannot pass.

use std::time::{Duration, Instant};

use anyhow::Result;
use frugan_autograd::{DType, Device, Result as TensorResult, Var, cuda, no_grad};
use frugan_nn::{Purpose, Stream};

use super::report::Ceilings;

const REPEATS: usize = 20;

pub(super) fn measure(device: Device) -> Result<Ceilings> {
    const SIDE: usize = 4096;
    const COPIED_BYTES: usize = 1 << 28;
    // Noise, as training multiplies: a GPU is faster with equal numbers, which switch fewer of its transistors.
    let mut noise = Stream::new(0, Purpose::new("doctor.ceilings"), 0);
    let matrix = noise.normals_on(&[SIDE, SIDE], &device)?;
    let long = Var::zeros(&[COPIED_BYTES / 4], DType::F32, &device)?;
    let short = Var::zeros(&[1], DType::F32, &device)?;
    let product = || seconds(device, || matrix.matmul(&matrix).map(drop));
    let product_s = product()?;
    cuda::allow_tf32(device, true)?;
    let tf32_s = product();
    let halves = matrix.to_dtype(DType::BF16)?;
    let bf16_s = seconds(device, || halves.matmul(&halves).map(drop));
    cuda::allow_tf32(device, false)?;
    let tflops = |seconds: f64| 2.0 * (SIDE as f64).powi(3) / seconds / 1e12;
    let copy_s = seconds(device, || long.copy().map(drop))?;
    let launch_s = seconds(device, || short.scale(1.0).map(drop))?;
    Ok(Ceilings {
        matrix_tflops_f32: tflops(product_s),
        matrix_tflops_tf32: tflops(tf32_s?),
        matrix_tflops_bf16: tflops(bf16_s?),
        copy_gb_per_s: 2.0 * COPIED_BYTES as f64 / copy_s / 1e9,
        launch_us: launch_s * 1e6,
    })
}

/// The shortest of three times, each the mean of many calls behind one wait. Ahead of them calls compile, and bring the device to the
/// pace that it holds.
fn seconds(device: Device, call: impl Fn() -> TensorResult<()>) -> Result<f64> {
    const WARM_UP: Duration = Duration::from_millis(100);
    let started = Instant::now();
    no_grad(&call)?;
    while started.elapsed() < WARM_UP {
        no_grad(&call)?;
        cuda::synchronise(device)?;
    }
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        cuda::synchronise(device)?;
        let start = Instant::now();
        (0..REPEATS).try_for_each(|_| no_grad(&call))?;
        cuda::synchronise(device)?;
        best = best.min(start.elapsed().as_secs_f64() / REPEATS as f64);
    }
    Ok(best)
}
