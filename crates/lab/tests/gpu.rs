//! The binary on a GPU's driver and libraries, for which stand-ins answer that hold it to their documentation: it opens, calls and
//! records as on a GPU, and its kernels run thread by thread, as they are for one.
#![allow(clippy::unwrap_used, clippy::explicit_write, reason = "a test stops where something is missing")]

#[path = "../../autograd/tests/stand_ins/mod.rs"]
mod stand_ins;
mod support;

#[path = "support/processes.rs"]
mod processes;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use frugan_autograd::Device;
use processes::{follower_of, kill, wait_for};
use support::{Ran, Scratch, has_state, results, tiny};

/// The libraries, in a folder for all tests; `None` where there is no C++ compiler.
static LIBRARIES: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
    if let Err(error) = Device::Emulated.open() {
        // Past the test harness, which would swallow it.
        writeln!(std::io::stderr(), "skipped: {error}").unwrap();
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    stand_ins::build(folder.path(), &stand_ins::GPU);
    Some(folder)
});

/// The binary where there are so many GPUs.
fn on(libraries: &Path, gpus: usize, scratch: &Scratch, args: &[&str]) -> Command {
    // What the stand-in for the compiler made is kept as long as that is the same.
    let mut compiler = DefaultHasher::new();
    include_str!("../../autograd/tests/stand_ins/nvrtc.cpp").hash(&mut compiler);
    let kept = format!("{}/stand-in-{:x}", env!("CARGO_TARGET_TMPDIR"), compiler.finish());
    let mut command = scratch.frugan(args);
    command.env("LD_LIBRARY_PATH", libraries).env("FAKE_CUDA_DEVICES", gpus.to_string());
    command.env("FRUGAN_KERNEL_CACHE", kept).env_remove("RUST_BACKTRACE");
    command
}

/// A run's records, and the numbers of its states and snapshots without what is said ahead of them, where the device stands.
fn numbers(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let is_kept = |name: &str| name.ends_with(".jsonl") || name.ends_with(".safetensors");
    let mut files: BTreeMap<_, _> = results(run).into_iter().filter(|(name, _)| is_kept(name)).collect();
    for (_, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with(".safetensors")) {
        let said = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        bytes.drain(..8 + said as usize);
    }
    files
}

#[test]
fn the_doctor_finds_nothing() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let doctor = |args: &[&str]| {
        let mut command = on(libraries.path(), 1, &scratch, &[&["doctor"], args].concat());
        Ran::of(command.env("FAKE_NCCL", "alone")).succeeded()
    };
    let chosen = doctor(&[]);
    assert!(chosen.out.contains("device   cuda:0: its kernels and a convolution gave"), "{}", chosen.out);
    let Ran { out, err, .. } = doctor(&["--device", "cuda:0", "--quick"]);
    assert!(out.contains("PASS     5 iterations of stylegan2 as a graph"), "{out}");
    assert!(out.contains("PASS     means over one rank by NCCL, as graphs"), "{out}");
    assert!(out.contains(" 0 failed") && !out.contains("FAIL"), "{out}");
    let slower = out.lines().find(|line| line.starts_with("slower")).unwrap_or("nothing");
    assert!(slower.contains("5x3") && slower.ends_with("in this arithmetic; own kernels do it"), "{slower}");
    assert_eq!(err, "", "the stand-ins refuse nothing");
}

/// The real one would end the process when it is first called.
#[test]
fn a_cudnn_without_its_parts_is_passed_over() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let (scratch, some) = (Scratch::new(), tempfile::tempdir().unwrap());
    for file in std::fs::read_dir(libraries.path()).unwrap().map(Result::unwrap) {
        if file.file_name() != "libcudnn_graph.so.9" {
            std::fs::copy(file.path(), some.path().join(file.file_name())).unwrap();
        }
    }
    let Ran { out, .. } = Ran::of(&mut on(some.path(), 1, &scratch, &["doctor"])).succeeded();
    let cudnn = out.lines().find(|line| line.contains("cuDNN")).unwrap();
    assert!(cudnn.starts_with("missing") && cudnn.contains("its libcudnn_graph.so.9: "), "{cudnn}");
    assert!(out.contains("device   cuda:0: its kernels and a convolution gave the CPU's results"), "{out}");
}

/// One that fails does not keep the doctor from the others.
#[test]
fn the_doctor_tells_all_that_is_wrong() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let mut command = on(libraries.path(), 1, &scratch, &["doctor", "--device", "cuda:0", "--quick"]);
    let ran = Ran::of(command.env("FAKE_NCCL", "alone").env("FAKE_CUDA_KERNELS", "none"));
    assert_eq!(ran.code, Some(1), "{}", ran.err);
    for failed in
        ["conv2d", "batch_norm", "warp2d", "one iteration of stylegan2 in bf16", "means over one rank by NCCL"]
    {
        assert!(ran.out.contains(&format!("FAIL     {failed}")), "{failed}: {}", ran.out);
    }
}

/// Iterations as graphs on the driver are, bit for bit, those of the emulated device, and ranks whose sums are in the graphs are
/// those whose sums go through the host.
#[test]
fn a_run_is_the_emulated_device_s() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let run = |out: &str, more: &[&str], kernels: &str| {
        let short = ["train.steps=6", "eval.every_steps=6", "--out", out];
        let args = [&tiny("train", &["augment.policy=\"color,translation,cutout\""])[..], &short, more].concat();
        let ran = Ran::of(on(libraries.path(), 2, &scratch, &args).env("FRUGAN_KERNELS", kernels)).succeeded();
        assert!(!ran.err.contains("stand-in: "), "{}", ran.err);
        numbers(&scratch.path(out))
    };
    let emulated = run("emulated", &["--device", "emulated"], "");
    assert!(emulated.len() > 4, "{:?}", emulated.keys());
    assert!(emulated == run("gpu", &["--device", "cuda:1"], "portable"), "on a GPU's driver, by own kernels");
    let ranks =
        |through: &str| run(through, &["--device", "cuda", "--gpus", "2", &format!("ranks.through={through}")], "");
    assert!(ranks("nccl") == ranks("host"), "sums from GPU to GPU, and through the host");
}

/// What a driver cannot record runs kernel by kernel, and the run says so; the doctor takes it for a failure.
#[test]
fn a_run_goes_on_without_graphs() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let run = |out: &str, graphs: &str| {
        let args = tiny("train", &["train.steps=8", "eval.every_steps=8", "--out", out, "--device", "cuda"]);
        Ran::of(on(libraries.path(), 1, &scratch, &args).env("FAKE_CUDA_GRAPHS", graphs)).succeeded();
        (numbers(&scratch.path(out)), std::fs::read_to_string(scratch.path(out).join("log.txt")).unwrap())
    };
    let ((with, log), (without, noted)) = (run("with", ""), run("without", "none"));
    assert!(with == without, "the numbers are those of graphs");
    assert!(!log.contains("no capture") && noted.contains("no capture"), "{noted}");
}

/// What the driver of one rank does not record, no rank runs as a graph: NCCL wants a sum in the graphs of all or in none, and its
/// stand-in sees to that.
#[test]
fn ranks_record_together_or_not_at_all() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let run = |out: &str, graphs: &str| {
        let short = ["train.steps=5", "eval.every_steps=0", "train.sample_every_steps=0", "--out", out];
        let args = tiny("train", &[&short[..], &["--device", "cuda", "--gpus", "2", "ranks.through=nccl"]].concat());
        let ran = Ran::of(on(libraries.path(), 2, &scratch, &args).env("FAKE_CUDA_GRAPHS", graphs)).succeeded();
        assert!(!ran.err.contains("stand-in: "), "{}", ran.err);
        (numbers(&scratch.path(out)), std::fs::read_to_string(scratch.path(out).join("log.txt")).unwrap())
    };
    let said = "another rank could not record these requests as a graph";
    let (all, log) = run("all", "");
    assert!(!log.contains(said), "{log}");
    for (out, graphs) in [("none", "none:1"), ("once", "once:1")] {
        let (numbers, log) = run(out, graphs);
        assert!(numbers == all && log.contains(said), "{graphs}: {log}");
    }
}

/// A call of the driver that queues work waits where much is queued: behind a sum with a rank that hangs for ever, were nobody to see
/// that it does.
#[test]
fn a_rank_that_is_lost_while_the_driver_takes_no_more_is_named() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let long = ["train.steps=1000", "train.save_every_steps=1", "eval.every_steps=0", "train.sample_every_steps=0"];
    let ranks = ["--device", "cuda", "--gpus", "2", "ranks.through=nccl", "ranks.timeout_s=5", "train.graph=false"];
    let args = tiny("train", &[&long[..], &ranks, &["--out", "run"]].concat());
    let mut command = on(libraries.path(), 2, &scratch, &args);
    command.env("FAKE_CUDA_QUEUE", "1").stdout(Stdio::null()).stderr(Stdio::piped());
    let (first, run) = (command.spawn().unwrap(), scratch.path("run"));
    wait_for("state", || has_state(&run).then_some(()));
    let follower = wait_for("follower", || follower_of(&run));
    kill("-STOP", follower);
    let ran = Ran::to_the_end(first);
    let named = format!("error: rank 1 (process {follower}) has not answered for 5 s at step ");
    assert!(ran.err.contains(&named), "{}", ran.err);
}

#[test]
fn a_gpu_that_is_not_there_is_one_sentence() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let told = |more: &[&str]| {
        let ran = Ran::of(&mut on(libraries.path(), 1, &scratch, &tiny("train", &[more, &["--out", "run"]].concat())));
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(!scratch.path("run").exists());
        ran.err.lines().last().unwrap().to_owned()
    };
    let one = told(&["--device", "cuda:3"]);
    assert_eq!(one, "error: device cuda:3: no CUDA device 3: 1 here, counted from 0; or use --device cpu");
    let two = told(&["--device", "cuda", "--gpus", "2"]);
    assert_eq!(two, "error: ranks.count = 2 with device cuda:0: want 2 CUDA devices, a rank each, and there is 1");
}

#[test]
fn networks_that_do_not_fit_are_told_so() {
    let Some(libraries) = LIBRARIES.as_ref() else { return };
    let scratch = Scratch::new();
    let args = tiny("train", &["--device", "cuda:0", "--out", "run"]);
    let ran = Ran::of(on(libraries.path(), 1, &scratch, &args).env("FAKE_CUDA_MEMORY", (1 << 20).to_string()));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("error: out of memory: an array of "), "{}", ran.err);
    assert!(ran.err.trim_end().ends_with("no batch of these networks fits; use narrower ones"), "{}", ran.err);
}
