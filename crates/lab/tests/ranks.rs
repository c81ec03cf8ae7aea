//! Processes that share each batch of a run: started, killed, stopped and started again.
#![allow(clippy::unwrap_used, reason = "a test stops where something is missing")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{Ran, Scratch, contents, results, tiny};

/// Long enough to be met at work, with a state after every second step.
const LONG: [&str; 3] = ["train.steps=120", "eval.every_steps=0", "train.sample_every_steps=0"];

fn on_two<'a>(more: &[&'a str]) -> Vec<&'a str> {
    tiny("train", &[&["--device", "cpu", "--gpus", "2"], more].concat())
}

fn spawn(scratch: &Scratch, args: &[&str]) -> Child {
    scratch.frugan(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for something that is there within a minute.
fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "no {what} after a minute");
        sleep(Duration::from_millis(5));
    }
}

/// The process of the run's other rank: the program's only child that was told to be one.
fn follower_of(out: &Path) -> Option<u32> {
    let out = out.as_os_str().as_encoded_bytes();
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let entry = entry.ok()?;
        let process = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        (words.nth(1) == Some(b"rank") && words.any(|word| word == out)).then_some(process)
    })
}

fn has_state(run: &Path) -> Option<()> {
    contents(run).keys().any(|name| name.starts_with("state-") && !name.starts_with("state-0")).then_some(())
}

fn kill(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

#[test]
fn a_killed_rank_is_named_and_the_same_command_ends_as_an_unbroken_one() {
    let scratch = Scratch::new();
    let args = |out: &'static str| on_two(&[&["--out", out], &LONG[..]].concat());
    let (broken, whole) = (scratch.path("broken"), scratch.path("whole"));
    let first = spawn(&scratch, &args("broken"));
    wait_for("state", || has_state(&broken));
    let follower = wait_for("follower", || follower_of(&broken));
    let killed = Instant::now();
    kill("-KILL", follower);
    let first = Ran::of(first.wait_with_output().unwrap());
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
    wait_for("state", || has_state(&run));
    kill("-TERM", first.id());
    assert_eq!(first.wait().unwrap().code(), Some(128 + 15));
    wait_for("end of the follower", || follower_of(&run).is_none().then_some(()));

    let mut second = spawn(&scratch, &args);
    wait_for("follower", || follower_of(&run));
    second.kill().unwrap();
    second.wait().unwrap();
    wait_for("end of the follower", || follower_of(&run).is_none().then_some(()));
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
    refused(&["--gpus", "2", "ranks.timeout_s=0"], "ranks.timeout_s = 0: want a finite number of seconds above 0");
    refused(&["--gpus", "2", "ranks.sync_bn=true", "model.bn_group=4"], "ranks.sync_bn with model.bn_group = 4");
}
