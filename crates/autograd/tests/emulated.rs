//! The GPU layer with its kernels run by the host: every op against the CPU's.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;

use frugan_autograd::check::spread;
use frugan_autograd::cuda::{self, Parity, ThreadOrder};
use frugan_autograd::update::AdamStep;
use frugan_autograd::{DType, Device, Tensor, Var, fetch, nonfinite_counts, sums, update};

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
            let Parity { name, errors, tolerance, failure, .. } = parity;
            bad.push(format!("{name}: {errors:?}, at most {tolerance}; {failure:?}"));
        }
    })
    .unwrap();
    assert!(count > 100, "{count} cases");
    assert!(bad.is_empty(), "{} of {count} differ: {bad:#?}", bad.len());
}

#[test]
fn every_op_is_near_the_cpu_s_results_in_bf16() {
    compare(DType::BF16);
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
        let scaled: Vec<_> = rows.iter().zip([1.0, 1.5, -0.5, 2.0]).map(|([_, m, _, g], by)| (g, m, by)).collect();
        update::lerp_scaled_all(&scaled, 0.4).unwrap();
        let vars: Vec<&Var> = rows.iter().flatten().collect();
        [fetch(&vars).unwrap(), fetch(&[&sums(&vars).unwrap(), &nonfinite_counts(&vars).unwrap()]).unwrap()].concat()
    };
    for (got, want) in after(Device::Emulated).iter().zip(after(Device::Cpu)) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() <= 2e-5 * (1.0 + want.abs()), "{got} for {want}");
        }
    }
}

#[test]
fn values_that_are_not_finite_are_counted_and_mended() {
    if !has_compiler() {
        return;
    }
    for device in [Device::Cpu, Device::Emulated] {
        // In the first chunk, at its end and past it.
        let mut values = vec![2e5f32; 9001];
        for (place, value) in [(0, f32::NAN), (4095, f32::INFINITY), (4096, f32::NEG_INFINITY), (9000, f32::NAN)] {
            values[place] = value;
        }
        let array = |values: Vec<f32>| {
            let len = values.len();
            let tensor = Tensor::from_vec(values, len, &candle_core::Device::Cpu).unwrap();
            Var::constant(tensor).to_device(&device).unwrap()
        };
        let (bad, good) = (array(values.clone()), array(vec![1.0, -3e38]));
        assert_eq!(fetch(&[&nonfinite_counts(&[&bad, &good]).unwrap()]).unwrap(), [[4.0, 0.0]], "{device}");
        update::mend_all(&[&bad, &good], 1e5).unwrap();
        for (place, value) in [(0, 0.0), (4095, 1e5), (4096, -1e5), (9000, 0.0)] {
            values[place] = value;
        }
        assert!(bad.to_vec::<f32>().unwrap() == values, "{device}: finite values stay, also large ones");
        assert_eq!(good.to_vec::<f32>().unwrap(), [1.0, -3e38], "{device}");
    }
}
