//! Random numbers that a device makes against those of the host.

use anyhow::{Result, ensure};
use frugan_autograd::Device;
use frugan_nn::{Purpose, Stream};

use super::report::Check;

/// How far normals may be from the host's: both round a logarithm, a sine and a cosine, each in its own way.
const TOLERANCE: f64 = 1e-6;

/// Words, integers and uniforms are the same bits; normals are near.
pub(super) fn compare(device: Device) -> Check {
    let name = "random words, integers, uniforms, normals".to_owned();
    match normals_apart(device) {
        Ok(error) => Check { name, passed: error <= TOLERANCE, errors: vec![error], tolerance: TOLERANCE },
        Err(error) => Check::failed(name, &error),
    }
}

/// The largest difference of normals, over the larger of the number and 1.
fn normals_apart(device: Device) -> Result<f64> {
    const PURPOSE: Purpose = Purpose::new("doctor.draws");
    const COUNT: usize = 100_003;
    const BOUND: u32 = 1000;
    let stream = || Stream::new(u64::MAX - 1, PURPOSE, 1 << 40);
    let as_signed = |words: Vec<u32>| words.into_iter().map(|word| word as i32).collect::<Vec<_>>();
    let words = stream().place().words(COUNT, device)?.to_vec()?;
    ensure!(words == as_signed(stream().words(COUNT)), "words are not the host's");
    let integers = stream().place().integers(COUNT, BOUND, device)?.to_vec()?;
    ensure!(integers == as_signed(stream().integers(COUNT, BOUND)), "integers are not the host's");
    let uniforms = stream().place().uniforms(&[COUNT], device)?.to_vec::<f32>()?;
    ensure!(uniforms == stream().uniforms(COUNT), "uniforms are not the host's");
    let normals = stream().normals_on(&[COUNT], &device)?.to_vec::<f32>()?;
    let apart = |(a, b): (&f32, f32)| f64::from((a - b).abs()) / f64::from(b.abs().max(1.0));
    // A number that is not one is an infinite difference.
    let most = |most: f64, apart: f64| if apart.is_nan() { f64::INFINITY } else { most.max(apart) };
    Ok(normals.iter().zip(stream().normals(COUNT)).map(apart).fold(0.0, most))
}
