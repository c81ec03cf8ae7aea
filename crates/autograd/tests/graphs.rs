//! Work that is put off and run as graphs, on the emulated device: the bits of eager work, in far fewer requests.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use frugan_autograd::check::spread;
use frugan_autograd::{
    Conv2dConfig, DType, Device, GraphMode, Readings, Result, Tensor, Var, cuda, fetch, grad_of_scalar,
};

/// The tests count what one device is asked for, so one runs at a time; none where there is no C++ compiler.
fn alone() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    match Device::Emulated.open() {
        Ok(_) => Some(TURN.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(error) => {
            // Past the test harness, which would swallow it.
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            None
        }
    }
}

/// A small discriminator with a gradient penalty: convolution, norm, activation, sum; first and second gradients.
fn penalised(x: &Var, w: &Var) -> Result<Vec<Var>> {
    let x = x.as_leaf();
    let y = x.conv2d(w, None, Conv2dConfig::same(3))?.leaky_relu(0.2)?.avg_pool2()?;
    let scale = y.sum_keep(&[2, 3])?.reshape(&[y.dims()[0], y.dims()[1]])?.sigmoid()?;
    let logits = y.batch_norm(&scale, &scale, 1e-5, true)?.sum()?;
    let by_image = &grad_of_scalar(&logits, &[&x], GraphMode::Create)?[0];
    let loss = logits.add(&by_image.square()?.sum()?)?;
    Ok([vec![loss.detach()], grad_of_scalar(&loss, &[w], GraphMode::Free)?].concat())
}

fn array(shape: &[usize], salt: u64) -> Var {
    let numbers = spread(shape, -1.0, 1.0, salt).unwrap().to_dtype(DType::F32).unwrap();
    Var::leaf(numbers).to_device(&Device::Emulated).unwrap()
}

#[test]
fn work_as_graphs_gives_the_bits_of_eager_work() {
    let Some(_alone) = alone() else { return };
    // Uploads, a read in the middle, kernels with other numbers in each round, memory used over again.
    let round = |salt: u64| -> Result<Vec<Vec<f64>>> {
        let (x, w) = (array(&[3, 4, 8, 6], salt), array(&[5, 4, 3, 3], salt + 10));
        let scale = penalised(&x, &w)?[0].item()?;
        let more = penalised(&x.scale(1.0 / (1.0 + scale.abs()))?, &w)?;
        fetch(&more.iter().collect::<Vec<_>>())
    };
    let before = cuda::counters(Device::Emulated).unwrap();
    let as_graphs: Vec<_> =
        (1..6).map(|salt| cuda::as_graphs(Device::Emulated, || round(salt)).unwrap().unwrap()).collect();
    let after = cuda::counters(Device::Emulated).unwrap();
    let eager: Vec<_> = (1..6).map(|salt| round(salt).unwrap()).collect();
    assert_eq!(as_graphs, eager);
    assert!(after.recordings > before.recordings, "nothing was recorded");
    assert!(after.changes > before.changes, "no number changed");
}

#[test]
fn a_row_that_repeats_becomes_one_request() {
    let Some(_alone) = alone() else { return };
    let (x, w) = (array(&[3, 4, 8, 6], 1), array(&[5, 4, 3, 3], 2));
    let round = || {
        let before = cuda::counters(Device::Emulated).unwrap();
        cuda::as_graphs(Device::Emulated, || drop(penalised(&x, &w).unwrap())).unwrap();
        let after = cuda::counters(Device::Emulated).unwrap();
        [after.launches - before.launches, after.recordings - before.recordings]
    };
    let rounds: Vec<_> = (0..4).map(|_| round()).collect();
    assert!(rounds[0][0] > 20 && rounds[0][1] == 0, "the first runs kernel by kernel: {rounds:?}");
    assert_eq!(rounds[1..], [[1, 1], [1, 0], [1, 0]], "recorded, then replayed");
}

#[test]
fn work_that_fails_does_not_stay_put_off() {
    let Some(_alone) = alone() else { return };
    let x = array(&[3], 1);
    let failed = cuda::as_graphs(Device::Emulated, || {
        let y = x.affine(0.0, 2.0)?;
        y.reshape(&[4]).map(|_| y)
    });
    assert!(failed.unwrap().is_err());
    // Outside, work runs when it is asked for.
    let before = cuda::counters(Device::Emulated).unwrap().launches;
    let y = x.affine(0.0, 2.0).unwrap();
    assert_eq!(cuda::counters(Device::Emulated).unwrap().launches, before + 1);
    assert_eq!(y.to_vec::<f32>().unwrap(), [2.0; 3]);
}

#[test]
fn readings_wait_once_and_keep_their_order() {
    let Some(_alone) = alone() else { return };
    let [a, b] = [array(&[3], 1), array(&[2, 2], 2)];
    let want: Vec<f64> = [&a, &b, &a].iter().flat_map(|v| fetch(&[*v]).unwrap().concat()).collect();
    let before = cuda::counters(Device::Emulated).unwrap().synchronisations;
    let mut readings = Readings::default();
    readings.put(&[&a, &b]).unwrap();
    readings.put(&[&a]).unwrap();
    assert_eq!(cuda::counters(Device::Emulated).unwrap().synchronisations, before, "putting waits for nothing");
    assert_eq!(readings.take().unwrap(), want);
    assert_eq!(cuda::counters(Device::Emulated).unwrap().synchronisations, before + 1);
    // More than the memory that they have, an array larger than all of it, and the host's own numbers among them.
    let many = array(&[40_000], 3);
    let large = array(&[100_000], 4);
    let host = Var::constant(Tensor::new(&[7.0f32], &candle_core::Device::Cpu).unwrap());
    for var in [&many, &many, &host, &large, &a] {
        readings.put(&[var]).unwrap();
    }
    let want: Vec<f64> =
        [&many, &many, &host, &large, &a].iter().flat_map(|v| fetch(&[*v]).unwrap().concat()).collect();
    assert!(readings.take().unwrap() == want);
    assert!(readings.take().unwrap().is_empty());
}
