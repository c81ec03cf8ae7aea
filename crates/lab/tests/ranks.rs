//! Processes that share each batch of a run: started, killed, stopped and started again.
#![allow(clippy::unwrap_used, clippy::explicit_write, reason = "a test stops where something is missing")]

#[path = "../../autograd/tests/stand_ins/mod.rs"]
mod stand_ins;
mod support;

#[path = "support/processes.rs"]
mod processes;

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use frugan_autograd::Device;
use processes::{follower_of, kill, wait_for};
use support::{Ran, Scratch, code, has_state, results, tiny};

/// Long enough to be met at work, with a state after every second step.
const LONG: [&str; 3] = ["train.steps=120", "eval.every_steps=0", "train.sample_every_steps=0"];

fn on_two<'a>(more: &[&'a str]) -> Vec<&'a str> {
    tiny("train", &[&["--device", "cpu", "--gpus", "2"], more].concat())
}

fn spawn(scratch: &Scratch, args: &[&str]) -> Child {
    scratch.frugan(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_killed_rank_is_named_and_the_same_command_ends_as_an_unbroken_one() {
    let scratch = Scratch::new();
    let args = |out: &'static str| on_two(&[&["--out", out], &LONG[..]].concat());
    let (broken, whole) = (scratch.path("broken"), scratch.path("whole"));
    let first = spawn(&scratch, &args("broken"));
    wait_for("state", || has_state(&broken).then_some(()));
    let follower = wait_for("follower", || follower_of(&broken));
    let killed = Instant::now();
    kill("-KILL", follower);
    let first = Ran::to_the_end(first);
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    assert_eq!(first.code, Some(1), "{}", first.err);
    let named = format!("error: rank 1 (process {follower}) ended at step ");
    assert!(first.err.contains(&named) && first.err.contains("the same command goes on"), "{}", first.err);

    let second = scratch.run(&args("broken")).succeeded();
    assert!(second.err.contains("resumed at step"), "{}", second.err);
    scratch.run(&args("whole")).succeeded();
    let (broken, whole) = (results(&broken), results(&whole));
    assert!(whole.contains_key("state-120.safetensors"), "{:?}", whole.keys());
    let names: Vec<_> = whole.keys().filter(|name| whole.get(*name) != broken.get(*name)).collect();
    assert!(names.is_empty() && whole.len() == broken.len(), "{names:?}");
}

#[test]
fn a_signal_stops_all_ranks_at_a_state_and_a_killed_first_rank_leaves_no_process() {
    let scratch = Scratch::new();
    let args = on_two(&["--out", "run", "train.steps=100000", "eval.every_steps=0", "train.sample_every_steps=0"]);
    let run = scratch.path("run");
    let mut first = spawn(&scratch, &args);
    wait_for("state", || has_state(&run).then_some(()));
    // As what ends a job does: all its processes are told, in any order.
    kill("-TERM", wait_for("follower", || follower_of(&run)));
    kill("-TERM", first.id());
    assert_eq!(code(&mut first), Some(128 + 15));
    wait_for("end of the follower", || follower_of(&run).is_none().then_some(()));

    let mut second = spawn(&scratch, &args);
    wait_for("follower", || follower_of(&run));
    second.kill().unwrap();
    second.wait().unwrap();
    wait_for("end of the follower", || follower_of(&run).is_none().then_some(()));
}

/// Two ranks on emulated GPUs, with a stand-in for NCCL.
struct Joined {
    scratch: Scratch,
}

impl Joined {
    /// `None` where there is no C++ compiler.
    fn new() -> Option<Self> {
        if let Err(error) = Device::Emulated.open() {
            // Past the test harness, which would swallow it.
            writeln!(std::io::stderr(), "skipped: {error}").unwrap();
            return None;
        }
        let scratch = Scratch::new();
        let folder = scratch.path("lib");
        std::fs::create_dir(&folder).unwrap();
        stand_ins::build(&folder, &[stand_ins::NCCL]);
        Some(Self { scratch })
    }

    fn command(&self, out: &str, more: &[&str]) -> Command {
        let args = ["--device", "emulated", "--gpus", "2", "--out", out];
        let mut command = self.scratch.frugan(&tiny("train", &[&args, more].concat()));
        command.env("LD_LIBRARY_PATH", self.scratch.path("lib"));
        command
    }

    fn run(&self, out: &str, more: &[&str]) -> Ran {
        Ran::of(&mut self.command(out, more)).succeeded()
    }

    /// The words of a run whose second rank was sent a signal once it had a state, and how long they took.
    fn lose_the_second(&self, signal: &str, more: &[&str]) -> (u32, String, Duration) {
        let run = self.scratch.path(signal);
        let mut command = self.command(signal, &[&LONG[..], &["ranks.through=nccl"], more].concat());
        let first = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("state", || has_state(&run).then_some(()));
        let follower = wait_for("follower", || follower_of(&run));
        let sent = Instant::now();
        kill(&format!("-{signal}"), follower);
        let first = Ran::to_the_end(first);
        assert_eq!(first.code, Some(1), "{}", first.err);
        (follower, first.err, sent.elapsed())
    }
}

/// Takes a file's header away, which holds the run's configuration.
fn cut_header(file: &mut Vec<u8>) {
    let len = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    assert!(file.len() > 8 + len);
    file.drain(..8 + len);
}

#[test]
fn sums_from_device_to_device_are_those_through_the_host() {
    let Some(joined) = Joined::new() else { return };
    for more in [vec!["train.graph=true"], vec!["train.graph=false"], vec!["train.graph=true", "ranks.sync_bn=true"]] {
        let through = |way: &str| {
            let ran = joined.run(way, &[&more[..], &["train.steps=6", &format!("ranks.through={way}")]].concat());
            let words =
                if way == "nccl" { "2 ranks, whose sums go through NCCL 2.27.7" } else { "through memory of the host" };
            assert!(ran.err.contains(words), "{}", ran.err);
            let mut files = results(&joined.scratch.path(way));
            files.remove("config.toml");
            files.iter_mut().filter(|(name, _)| name.ends_with(".safetensors")).for_each(|(_, file)| cut_header(file));
            std::fs::remove_dir_all(joined.scratch.path(way)).unwrap();
            files
        };
        let [nccl, host] = ["nccl", "host"].map(through);
        assert!(nccl.contains_key("state-6.safetensors"), "{:?}", nccl.keys());
        let names: Vec<_> = nccl.keys().filter(|name| nccl.get(*name) != host.get(*name)).collect();
        assert!(names.is_empty() && nccl.len() == host.len(), "{more:?}: {names:?}");
    }
}

#[test]
fn a_rank_that_is_lost_while_sums_stay_on_devices_is_named() {
    let Some(joined) = Joined::new() else { return };
    let (follower, err, took) = joined.lose_the_second("KILL", &[]);
    assert!(err.contains(&format!("error: rank 1 (process {follower}) ended at step ")), "{err}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let (follower, err, took) = joined.lose_the_second("STOP", &["ranks.timeout_s=8"]);
    let named = format!("error: rank 1 (process {follower}) has not answered for 8 s at step ");
    assert!(err.contains(&named), "{err}");
    assert!(took < Duration::from_secs(60), "{took:?}");
    wait_for("end of the follower", || follower_of(&joined.scratch.path("STOP")).is_none().then_some(()));
}

#[test]
fn a_batch_that_cannot_be_shared_is_refused() {
    let scratch = Scratch::new();
    let refused = |more: &[&str], words: &str| {
        let ran = scratch.run(&tiny("train", &[&["--device", "cpu"], more].concat()));
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains(words) && !scratch.path("runs").exists(), "{}", ran.err);
    };
    refused(
        &["--gpus", "3"],
        "ranks.count = 3 with optim.batch = 8: the ranks share each batch, so want a divisor of it",
    );
    refused(&["--gpus", "0"], "ranks.count = 0 with optim.batch = 8");
    refused(&["--gpus", "2", "ranks.timeout_s=0"], "ranks.timeout_s = 0: want seconds above 0, 86400 (a day) at most");
    refused(&["--gpus", "2", "ranks.through=wires"], "ranks.through");
    refused(&["--gpus", "2", "ranks.sync_bn=true", "model.bn_group=4"], "ranks.sync_bn with model.bn_group = 4");
}
