//! Short proofs that a device and its libraries work.

use std::time::Duration;

use candle_core::{DType, Result, Tensor, bail};

use super::{Others, RanksId, as_graphs, counters, join};
use crate::check::spread;
use crate::device::Device;
use crate::ops::conv::Conv2dConfig;
use crate::ranks::{Communicator, Ranks, Rows};
use crate::var::Var;

/// Proves that a device works: a convolution, a bias with activation, and a sum, against the CPU's.
///
/// # Errors
/// If the device fails or its results are not the CPU's.
pub fn prove(device: Device) -> Result<()> {
    let on = |device: Device| -> Result<Vec<f32>> {
        let array = |shape: &[usize], salt| {
            Var::constant(spread(shape, -1.0, 1.0, salt)?.to_dtype(DType::F32)?).to_device(&device)
        };
        let (x, w, b) = (array(&[2, 5, 9, 7], 1)?, array(&[6, 5, 3, 3], 2)?, array(&[6], 3)?);
        let y = x.conv2d(&w, Some(&b), Conv2dConfig::same(3))?.leaky_relu(0.2)?;
        y.sum_keep(&[3])?.to_vec()
    };
    let (got, want) = (on(device)?, on(Device::Cpu)?);
    let worst = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if got.len() == want.len() && worst < 1e-2 && got.iter().all(|v| v.is_finite()) {
        return Ok(());
    }
    bail!("a convolution on {device} differs from the CPU's by {worst}")
}

/// A rank without others.
struct Only;

impl Communicator for Only {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn sum(&self, _: &mut [f64]) -> Result<()> {
        bail!("numbers of a device that was joined go through the host")
    }
}

impl Others for Only {
    fn watch(&self, _: Duration) -> Result<()> {
        Ok(())
    }

    fn votes(&self, own: [u64; 2]) -> Result<Vec<[u64; 2]>> {
        Ok(vec![own])
    }
}

/// Proves that NCCL is called rightly as far as one GPU can: a rank without others has the means that it had, kernel by kernel and
/// as a graph whose numbers change.
///
/// # Errors
/// If NCCL is not found or fails, a mean is another, or nothing was recorded.
pub fn prove_sums(device: Device) -> Result<()> {
    const TIMES: usize = 4;
    let joined = join(device, &RanksId::new()?, 0, 1, Box::new(Only))?;
    let ranks = Ranks::new(Only, Rows::Blocks);
    let before = counters(device)?.recordings;
    for salt in 0..TIMES as u64 {
        let host: Vec<Tensor> = [&[37][..], &[5, 3, 2], &[1]]
            .iter()
            .map(|shape| spread(shape, -1.0, 1.0, salt)?.to_dtype(DType::F32))
            .collect::<Result<_>>()?;
        let means = as_graphs(device, || {
            let mut arrays = host
                .iter()
                .map(|tensor| Var::constant(tensor.clone()).to_device(&device)?.scale(2.0)?.scale(0.5))
                .collect::<Result<Vec<_>>>()?;
            ranks.mean_all(&mut arrays)?;
            Ok::<_, candle_core::Error>(arrays)
        })??;
        for (mean, tensor) in means.iter().zip(&host) {
            if mean.to_vec::<f32>()? != tensor.flatten_all()?.to_vec1::<f32>()? {
                bail!("NCCL on {device}: a rank without others has another mean than its own, the {}th time", salt + 1)
            }
        }
    }
    let recorded = counters(device)?.recordings - before;
    drop(joined);
    if recorded == 1 {
        Ok(())
    } else {
        bail!("NCCL on {device}: {recorded} graphs of a row that repeats, expected one")
    }
}
