//! The GPU layer with its kernels run by the host: every op against the CPU's.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;

use frugan_autograd::check::spread;
use frugan_autograd::cuda::{self, Parity, ThreadOrder};
use frugan_autograd::update::AdamStep;
use frugan_autograd::{Conv2dConfig, DType, Device, GraphMode, Result, Var, fetch, grad_of_scalar, sums, update};

/// False where there is no C++ compiler; says so.
fn has_compiler() -> bool {
    match Device::Emulated.open() {
        Ok(_) => true,
        Err(error) => {
            // Past the test harness, which would swallow it.
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            false
        }
    }
}

fn compare(dtype: DType) {
    if !has_compiler() {
        return;
    }
    let (mut count, mut bad): (usize, Vec<String>) = (0, Vec::new());
    cuda::compare(Device::Emulated, dtype, |parity| {
        count += 1;
        if !parity.passes() {
            let Parity { name, errors, tolerance, .. } = parity;
            bad.push(format!("{name}: {errors:?}, at most {tolerance}"));
        }
    })
    .unwrap();
    assert!(count > 100, "{count} cases");
    assert!(bad.is_empty(), "{} of {count} differ: {bad:#?}", bad.len());
}

#[test]
fn every_op_gives_the_cpu_s_results_in_f64() {
    compare(DType::F64);
}

#[test]
fn every_op_gives_the_cpu_s_results_in_f32() {
    compare(DType::F32);
}

/// A GPU runs blocks, and threads between two meetings, at once: a result that depends on their order is a race's.
#[test]
fn results_do_not_depend_on_the_order_of_threads() {
    if !has_compiler() {
        return;
    }
    let errors = |order: ThreadOrder| {
        cuda::run_threads(order);
        let mut errors = Vec::new();
        cuda::compare(Device::Emulated, DType::F32, |parity| errors.push((parity.name.clone(), parity.errors)))
            .unwrap();
        cuda::run_threads(ThreadOrder::Forward);
        errors
    };
    let forward = errors(ThreadOrder::Forward);
    for order in [ThreadOrder::Backward, ThreadOrder::Scattered] {
        for (there, here) in errors(order).iter().zip(&forward) {
            assert_eq!(there, here, "{order:?}");
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

#[test]
fn a_replayed_graph_is_the_eager_run_bit_for_bit() {
    if !has_compiler() {
        return;
    }
    let array = |shape: &[usize], salt| {
        let numbers = spread(shape, -1.0, 1.0, salt).unwrap().to_dtype(DType::F32).unwrap();
        Var::leaf(numbers).to_device(&Device::Emulated).unwrap()
    };
    let (x, w) = (array(&[3, 4, 8, 6], 1), array(&[5, 4, 3, 3], 2));
    let graph = cuda::capture(Device::Emulated, || penalised(&x, &w)).unwrap();
    for salt in 3..6 {
        update::assign(&x, &array(&[3, 4, 8, 6], salt)).unwrap();
        update::assign(&w, &array(&[5, 4, 3, 3], salt + 10)).unwrap();
        let eager = penalised(&x, &w).unwrap();
        // Eager work between two replays lives in other memory than the graph's.
        graph.replay().unwrap();
        let read = |vars: &[Var]| vars.iter().map(|v| v.to_vec::<f32>().unwrap()).collect::<Vec<_>>();
        assert_eq!(read(&graph.outputs), read(&eager));
    }
}

#[test]
fn what_cannot_be_recorded_is_an_error() {
    if !has_compiler() {
        return;
    }
    let x = Var::zeros(&[3], DType::F32, &Device::Emulated).unwrap();
    let error = cuda::capture(Device::Emulated, || x.sum()?.item()).unwrap_err().to_string();
    assert!(error.contains("a value is read on the host"), "{error}");
    let host = Var::zeros(&[3], DType::F32, &Device::Cpu).unwrap();
    let error = cuda::capture(Device::Emulated, || host.to_device(&Device::Emulated)).unwrap_err().to_string();
    assert!(error.contains("numbers are uploaded"), "{error}");
    // The device goes on as before.
    assert_eq!(x.affine(1.0, 2.0).unwrap().to_vec::<f32>().unwrap(), [2.0; 3]);
}

#[test]
fn updates_in_place_are_the_cpu_s() {
    if !has_compiler() {
        return;
    }
    let after = |device: Device| -> Vec<Vec<f64>> {
        let array = |len: usize, salt| {
            let numbers = spread(&[len], -1.0, 1.0, salt).unwrap().to_dtype(DType::F32).unwrap();
            Var::constant(numbers).to_device(&device).unwrap()
        };
        // Longer and shorter than a chunk; an array of none.
        let lens = [5, 4096, 9001, 0];
        let rows: Vec<[Var; 4]> = (0..4u64).map(|i| [0, 1, 2, 3].map(|j| array(lens[i as usize], 4 * i + j))).collect();
        rows.iter().for_each(|[_, _, square, _]| update::assign(square, &square.square().unwrap()).unwrap());
        let step = AdamStep { lr: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-8, step: 3 };
        let all: Vec<[&Var; 4]> = rows.iter().map(|row| row.each_ref()).collect();
        update::adam_all(&step, &all).unwrap();
        let pairs: Vec<[&Var; 2]> = rows.iter().map(|[p, m, ..]| [m, p]).collect();
        update::lerp_all(&pairs, 0.3).unwrap();
        update::lerp(&rows[2][3], &rows[2][0], 0.25).unwrap();
        let vars: Vec<&Var> = rows.iter().flatten().collect();
        [fetch(&vars).unwrap(), vec![sums(&vars).unwrap()]].concat()
    };
    for (got, want) in after(Device::Emulated).iter().zip(after(Device::Cpu)) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= 2e-5 * (1.0 + want.abs()), "{got} for {want}");
        }
    }
}
