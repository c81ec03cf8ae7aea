//! The GPU layer with its kernels run by the host: every op against the CPU's.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use frugan_autograd::cuda::{self, Parity};
use frugan_autograd::{DType, Device};

/// False where there is no C++ compiler; says so.
fn has_compiler() -> bool {
    match Device::Emulated.open() {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
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
