//! Augmentations, forward and backward.

use std::time::Instant;

use anyhow::Result;
use frugan_augment::Policy;
use frugan_augment::ada::Pipe;
use frugan_autograd::{GraphMode, Tensor, Var, grad};
use frugan_nn::{Purpose, Stream};

use super::print_iteration;

const SIDE: usize = 32;
const DRAWS: Purpose = Purpose::new("bench.draws");

/// ADA's pipe at full strength.
pub(super) fn ada(iterations: u32, batch: usize) -> Result<()> {
    let pipe = Pipe::parse("bgc")?;
    repeat(iterations, 10, batch, |images, stream| {
        Ok(pipe.apply(images, &pipe.draw(batch, [3, SIDE, SIDE], stream), 1.0)?)
    })
}

/// DiffAugment's whole policy.
pub(super) fn diffaugment(iterations: u32, batch: usize) -> Result<()> {
    let policy = Policy::parse("color,translation,cutout")?;
    repeat(iterations, 200, batch, |images, stream| Ok(policy.apply(images, &policy.draw(batch, SIDE, SIDE, stream))?))
}

/// An iteration is the mean of `calls` calls, each with draws of its own: the images through T, and a cotangent back.
fn repeat(iterations: u32, calls: u64, batch: usize, augment: impl Fn(&Var, &mut Stream) -> Result<Var>) -> Result<()> {
    const PIXELS: Purpose = Purpose::new("bench.pixels");
    let mut pixels = Stream::new(0, PIXELS, 0);
    let mut make = |scale: f64| -> Result<Tensor> {
        let values = pixels.normals(batch * 3 * SIDE * SIDE);
        let dims = (batch, 3, SIDE, SIDE);
        Ok(Tensor::from_vec(values, dims, &candle_core::Device::Cpu)?.affine(scale, 0.0)?)
    };
    let (images, cotangent) = (Var::leaf(make(0.5)?), Var::constant(make(1.0)?));
    let mut last = [0.0; 2];
    for i in 0..u64::from(iterations) {
        let start = Instant::now();
        for call in 0..calls {
            let augmented = augment(&images, &mut Stream::new(0, DRAWS, i * calls + call))?;
            let gradient = grad(&[&augmented], &[&cotangent], &[&images], GraphMode::Free)?;
            if call + 1 == calls {
                last = [rms(&augmented)?, rms(&gradient[0])?];
            }
        }
        print_iteration(start.elapsed().as_secs_f64() / calls as f64);
    }
    println!("rms_output {:.4}\nrms_gradient {:.4}", last[0], last[1]);
    Ok(())
}

fn rms(x: &Var) -> Result<f64> {
    Ok(x.detach().square()?.mean()?.item()?.sqrt())
}
