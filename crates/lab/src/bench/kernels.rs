//! What iterations ask of a GPU, and how long each kind of it takes.

use anyhow::Result;
use frugan_autograd::{Device, cuda};
use frugan_train::Trainer;

/// Takes so many iterations kernel by kernel, and lists what they asked for, the longest first. All numbers are of all of them.
pub(super) fn print(trainer: &mut Trainer, device: Device, iterations: u32) -> Result<()> {
    let (stepped, kinds) = cuda::profile(device, || (0..iterations).try_for_each(|_| trainer.step()))?;
    stepped?;
    let total = |of: fn(&cuda::Spent) -> f64| kinds.iter().map(of).sum::<f64>();
    let (seconds, times) = (total(|kind| kind.seconds), total(|kind| kind.times as f64));
    let what = if iterations == 1 { "an iteration".to_owned() } else { format!("{iterations} iterations") };
    println!("kernels and library calls of {what}, one by one: {times}, {:.3} ms", 1e3 * seconds);
    println!("{:>9} {:>6} {:>6} {:>9} {:>12} {:>9}  what", "ms", "%", "times", "us each", "elements", "TFLOP/s");
    for cuda::Spent { what, times, elements, flops, seconds: own } in kinds {
        let rate = if flops == 0 { "-".to_owned() } else { format!("{:.1}", flops as f64 / own / 1e12) };
        let (ms, share, each) = (1e3 * own, 100.0 * own / seconds, 1e6 * own / times as f64);
        println!("{ms:>9.3} {share:>6.1} {times:>6} {each:>9.1} {elements:>12} {rate:>9}  {what}");
    }
    Ok(())
}
