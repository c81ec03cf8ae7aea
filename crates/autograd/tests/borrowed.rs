//! Arrays of another library: its memory read where it lies, and results copied into it.
#![allow(clippy::unwrap_used, clippy::explicit_write)]

use std::io::Write;
use std::sync::Arc;

use frugan_autograd::check::spread;
use frugan_autograd::{DType, Device, GraphMode, Ints, Result, Var, cuda, grad};

/// False where there is no C++ compiler; says so.
fn has_compiler() -> bool {
    let opened = Device::Emulated.open();
    if let Err(error) = &opened {
        // Past the test harness, which would swallow it.
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
    }
    opened.is_ok()
}

fn augment(x: &Var) -> Result<Var> {
    let shifted = x.shift(&Ints::from(vec![1, -1]), &Ints::from(vec![0, 2]))?;
    shifted.sub(&shifted.mean_keep(&[1])?)?.scale(1.5)?.tanh()
}

/// The emulated device's addresses are the host's.
fn borrow(values: &Arc<Vec<f32>>, dims: &[usize]) -> Result<Var> {
    let address = values.as_ptr() as u64;
    // SAFETY: the owner keeps the values, which nobody changes.
    unsafe { cuda::borrow(Device::Emulated, address, dims, DType::F32, Box::new(values.clone())) }
}

#[test]
fn values_and_gradients_are_those_of_an_array_of_ours() -> Result<()> {
    if !has_compiler() {
        return Ok(());
    }
    let host = spread(&[2, 3, 5, 4], -1.0, 1.0, 1)?.to_dtype(DType::F32)?;
    let cotangent = Var::constant(spread(&[2, 3, 5, 4], -1.0, 1.0, 2)?.to_dtype(DType::F32)?);
    let values = Arc::new(host.flatten_all()?.to_vec1::<f32>()?);
    let ours = Var::leaf(host).to_device(&Device::Emulated)?;
    let theirs = borrow(&values, &[2, 3, 5, 4])?.as_leaf();
    let cotangent = cotangent.to_device(&Device::Emulated)?;
    let mut results = Vec::new();
    for x in [&ours, &theirs] {
        let y = augment(x)?;
        let gradient = grad(&[&y], &[&cotangent], &[x], GraphMode::Free)?.remove(0);
        // Into memory of another library's.
        let mut copies = [vec![0f32; 120], vec![0f32; 120]];
        for (var, copy) in [&y, &gradient].into_iter().zip(&mut copies) {
            // SAFETY: room for as many numbers, read after the device is done.
            unsafe { cuda::copy_to(var, copy.as_mut_ptr() as u64)? };
        }
        cuda::synchronise(Device::Emulated)?;
        assert_eq!(copies[0], y.to_vec::<f32>()?);
        assert_eq!(copies[1], gradient.to_vec::<f32>()?);
        results.push(copies);
    }
    assert_eq!(results[0], results[1]);
    assert!(results[0][1].iter().any(|slope| *slope != 0.0));
    Ok(())
}

#[test]
fn memory_is_not_copied_and_kept_as_long_as_it_is_needed() -> Result<()> {
    if !has_compiler() {
        return Ok(());
    }
    let values = Arc::new(vec![0.5f32; 24]);
    let x = borrow(&values, &[2, 3, 2, 2])?.as_leaf();
    assert_eq!(Arc::strong_count(&values), 2);
    let y = x.square()?;
    drop(x);
    assert_eq!(Arc::strong_count(&values), 2, "the tape needs it for the gradient");
    drop(y);
    assert_eq!(Arc::strong_count(&values), 1);
    Ok(())
}

#[test]
fn what_cannot_be_borrowed_is_said() {
    // SAFETY: no device is open that could read the address.
    let on_cpu = unsafe { cuda::borrow(Device::Cpu, 0, &[1], DType::F32, Box::new(())) };
    assert!(on_cpu.unwrap_err().to_string().contains("cpu"));
    // SAFETY: as above.
    let integers = unsafe { cuda::borrow(Device::Emulated, 0, &[1], DType::U32, Box::new(())) };
    assert!(integers.unwrap_err().to_string().contains("U32"));
    let host = Var::constant(spread(&[1], 0.0, 1.0, 0).unwrap());
    // SAFETY: nothing is copied from the CPU.
    let from_cpu = unsafe { cuda::copy_to(&host, 0) };
    assert!(from_cpu.unwrap_err().to_string().contains("expected a GPU"));
    let unknown = Device::Adopted(7).open().unwrap_err().to_string();
    assert!(unknown.contains("adopted") && unknown.contains('7'), "{unknown}");
}
