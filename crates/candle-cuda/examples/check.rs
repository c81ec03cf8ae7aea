//! What only a GPU can show: PASS or FAIL a line, exit code 1 if one fails.
//!
//! `cargo run --release --example check`
#![allow(clippy::print_stdout, reason = "an example speaks")]

use std::process::ExitCode;
use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor, Var};
use frugan_augment::{Policy, ada};
use frugan_nn::{Purpose, Stream};

const BATCH: usize = 64;
const SIDE: usize = 32;
const SHAPE: [usize; 4] = [BATCH, 3, SIDE, SIDE];

type Anyhow<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn stream(purpose: &str) -> Stream {
    Stream::new(0, Purpose::new(purpose), 0)
}

fn array(purpose: &str) -> Result<Tensor> {
    let values = stream(purpose).uniforms(SHAPE.iter().product()).iter().map(|u| 2.0 * u - 1.0).collect::<Vec<f32>>();
    Tensor::from_vec(values, SHAPE.as_slice(), &Device::Cpu)
}

/// An augmentation of candle's tensors.
type Augment<'a> = Box<dyn Fn(&Tensor) -> Result<Tensor> + 'a>;

/// Values and gradients of `T(x)`, with `x` as the slice of a larger array, so that it neither starts at its storage's start nor
/// is one op away from a leaf.
fn run(augment: &Augment<'_>, device: &Device, dtype: DType) -> Result<[Vec<f32>; 2]> {
    let images = array("images")?;
    let leaf = Var::from_tensor(&Tensor::cat(&[&images, &images], 1)?.to_device(device)?.to_dtype(dtype)?)?;
    let y = augment(&leaf.narrow(1, 2, 3)?)?;
    let cotangent = array("cotangent")?.to_device(device)?.to_dtype(dtype)?;
    let gradients = (&y * cotangent)?.sum_all()?.backward()?;
    let gradient = gradients.get(&leaf).ok_or_else(|| candle_core::Error::Msg("no gradient".to_string()))?;
    let host = |x: &Tensor| x.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>();
    Ok([host(&y)?, host(gradient)?])
}

fn worst(got: &[f32], want: &[f32]) -> f32 {
    let largest = want.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let error = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if got.len() == want.len() && got.iter().all(|v| v.is_finite()) { error / largest } else { f32::INFINITY }
}

/// Milliseconds of `T` on a batch that lies on the GPU.
fn time(device: &Device, augment: impl Fn(&Tensor) -> Result<Tensor>) -> Result<f64> {
    const TIMES: u32 = 50;
    let x = array("images")?.to_device(device)?;
    augment(&x)?;
    device.synchronize()?;
    let start = Instant::now();
    for _ in 0..TIMES {
        augment(&x)?;
    }
    device.synchronize()?;
    Ok(start.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES))
}

fn main() -> Anyhow<ExitCode> {
    let gpu = Device::new_cuda(0)?;
    let policy = Policy::parse("color,translation,cutout")?;
    let draws = policy.draw(BATCH, SIDE, SIDE, &mut stream("diffaugment"));
    let pipe = ada::Pipe::parse("bgcfnc")?;
    let pipe_draws = pipe.draw(BATCH, [3, SIDE, SIDE], &mut stream("ada"));
    let augmentations: [(&str, Augment<'_>); 2] = [
        ("DiffAugment", Box::new(|x| frugan_candle_cuda::diffaugment(&policy, x, &draws))),
        ("ADA", Box::new(|x| frugan_candle_cuda::ada(&pipe, x, &pipe_draws, 0.6))),
    ];
    let mut failed = 0;
    for (name, augment) in &augmentations {
        let want = run(augment, &Device::Cpu, DType::F32)?;
        for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F64, 1e-4), (DType::BF16, 0.1), (DType::F16, 0.02)] {
            let got = run(augment, &gpu, dtype)?;
            let errors = [0, 1].map(|i| worst(&got[i], &want[i]));
            let passes = errors.iter().all(|error| *error < tolerance);
            failed += u32::from(!passes);
            let verdict = if passes { "PASS" } else { "FAIL" };
            println!(
                "{verdict} {name} in {dtype:?}: value {:.1e}, gradient {:.1e}, at most {tolerance}",
                errors[0], errors[1]
            );
        }
        let direct = time(&gpu, augment)?;
        let through_host = time(&gpu, |x| augment(&x.to_device(&Device::Cpu)?)?.to_device(&gpu))?;
        println!("     {name} of {BATCH} images: {direct:.3} ms; through the host {through_host:.3} ms");
    }
    Ok(ExitCode::from(u8::from(failed > 0)))
}
