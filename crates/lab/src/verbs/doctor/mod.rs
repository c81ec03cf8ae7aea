//! `frugan doctor`: what was found of CUDA, and whether a device computes what the CPU does.

mod ceilings;
mod draws;
mod graph;
mod rates;
mod report;
mod steps;

use std::process::ExitCode;

use anyhow::Result;
use frugan_autograd::{DType, Device, cuda};

use crate::failure::InputContext;
use report::{Check, DeviceReport, LibraryReport, Report};

/// With a device, PASS or FAIL a line: libraries, every op's value, gradient and second gradient against the CPU in F64, a
/// replayed graph, a training step of each model; then what the device can do at most.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device to examine: cuda, cuda:N or cpu [default: only say what is there]
    #[arg(long)]
    device: Option<String>,
    /// Only the comparisons: no ceilings, no rates
    #[arg(long)]
    quick: bool,
    /// Everything as one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks, compares, reports; exit code 2 if the device is not there, 1 if a check fails.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let device =
        args.device.as_deref().map(|name| name.parse::<Device>().input(format!("--device {name}"))).transpose()?;
    if let Some(device) = device {
        device.open().or_input()?;
    }
    let mut report = Report::new(args.json);
    for part in cuda::Part::ALL {
        report.library(LibraryReport::of(part));
    }
    report.kernels(cuda::beside_program());
    match device {
        None => report.choice(&Device::choose().1),
        Some(Device::Cpu) => report.choice("cpu: the reference that other devices are compared with"),
        Some(device) => examine(device, args.quick, &mut report)?,
    }
    report.finish()
}

fn examine(device: Device, quick: bool, report: &mut Report) -> Result<()> {
    let (free, total) = cuda::memory(device)?;
    let emulated = device == Device::Emulated;
    report.device(DeviceReport {
        device: device.to_string(),
        name: cuda::describe(device)?,
        memory_bytes: (!emulated).then_some(total as u64),
        free_bytes: (!emulated).then_some(free as u64),
    });
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        cuda::compare(device, dtype, |parity| report.check(Check::of_op(parity)))?;
    }
    report.check(draws::compare(device));
    steps::compare(device, |check| report.check(check));
    graph::compare(device, |check| report.check(check));
    // The emulator has no NCCL, and what a machine without a GPU has does not start.
    if cuda::find(cuda::Part::Nccl).is_ok() && !emulated {
        let name = "means over one rank by NCCL, as graphs";
        report.check(match cuda::prove_sums(device) {
            Ok(()) => Check { name: name.to_owned(), passed: true, errors: vec![0.0], tolerance: 0.0 },
            Err(error) => Check::failed(name, &error.into()),
        });
    }
    let usage = cuda::usage(device)?;
    report.arena(usage.peak as u64, usage.reserved as u64);
    let compared = cuda::notes(device)?.len();
    if emulated {
        report.note("no ceilings: the kernels ran on the host");
    } else if !quick && let Err(error) = measure(device, report) {
        report.check(Check::failed("ceilings and rates", &error));
    }
    report.slower(cuda::notes(device)?, compared);
    Ok(())
}

fn measure(device: Device, report: &mut Report) -> Result<()> {
    let ceilings = ceilings::measure(device)?;
    let rates = rates::measure(device, &ceilings);
    report.ceilings(ceilings);
    for rate in rates? {
        report.rate(rate);
    }
    Ok(())
}
