//! Whole runs on the GPU layer, its kernels run by the host: training, evaluation, states.
#![allow(clippy::unwrap_used, clippy::explicit_write, reason = "a test stops where something is missing")]

mod support;

use std::io::Write;
use std::path::Path;

use frugan_autograd::Device;
use support::{Ran, Scratch, results, tiny};

/// Too little memory is the user's to mend: the sentence names a batch, and that one runs.
#[test]
fn a_batch_that_does_not_fit_is_told_one_that_does() {
    if Device::Emulated.open().is_err() {
        return;
    }
    let scratch = Scratch::new();
    let run = |batch: &str| {
        let batch = format!("optim.batch={batch}");
        let more = ["data.num_images=200", "train.steps=2", "--device", "emulated", "--out", "run", &batch];
        let mut command = scratch.frugan(&tiny("train", &more));
        Ran::of(command.env("FRUGAN_EMULATED_MEMORY", (8 << 20).to_string()))
    };
    let refused = run("160");
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("error: out of memory: an array of "), "{}", refused.err);
    let batch = refused.err.split("optim.batch=").last().and_then(|rest| rest.split(" would fit").next()).unwrap();
    assert!((8..160).contains(&batch.parse::<usize>().unwrap()), "{batch}");
    assert_eq!(run(batch).succeeded().code, Some(0));
}

/// All numbers of a run's records, in order.
fn numbers(run: &Path, prefix: &str) -> Vec<f64> {
    let files = results(run);
    let texts = files.iter().filter(|(name, _)| name.starts_with(prefix) && name.ends_with(".jsonl"));
    let lines: Vec<u8> = texts.flat_map(|(_, bytes)| bytes.clone()).collect();
    let words = String::from_utf8(lines).unwrap();
    words.split([':', ',', '}', '{', '\n']).filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_run_on_a_device_is_the_cpu_s_and_goes_on_from_its_state() {
    if let Err(error) = Device::Emulated.open() {
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return;
    }
    let scratch = Scratch::new();
    let run = |device: &str, out: &str, steps: &str| {
        let more = ["augment.policy=\"translation\"", "--device", device, "--out", out, steps];
        scratch.run(&tiny("train", &more)).succeeded();
        scratch.path(out)
    };
    let (host, device) = (run("cpu", "host", "train.steps=12"), run("emulated", "device", "train.steps=12"));
    for prefix in ["stats", "metric-frd"] {
        let (host, device) = (numbers(&host, prefix), numbers(&device, prefix));
        assert!(host.len() == device.len() && host.len() >= 4, "{prefix}: {} and {}", host.len(), device.len());
        for (a, b) in host.iter().zip(&device) {
            assert!((a - b).abs() < 1e-3 * a.abs().max(1.0), "{prefix}: {a} and {b}");
        }
    }

    // As if the run had been killed before its last state.
    let broken = scratch.path("broken");
    for (name, bytes) in results(&device).into_iter().filter(|(name, _)| !name.contains("-12.")) {
        scratch.write(&format!("broken/{name}"), bytes);
    }
    run("emulated", "broken", "train.steps=12");
    let state = |run: &Path| std::fs::read(run.join("state-12.safetensors")).unwrap();
    assert!(state(&device) == state(&broken), "the resumed run ends with the same bytes");
}
