//! A run's results do not depend on when it was killed, nor on the number of threads, nor on who else wants its folder.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it saw")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::{Ran, Scratch, code, contents, has_state, results, tiny};

fn spawn(scratch: &Scratch, args: &[&str]) -> Child {
    scratch.frugan(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Names of files that are not equal.
fn differences(scratch: &Scratch, a: &str, b: &str) -> Vec<String> {
    let (a, b) = (results(&scratch.path(a)), results(&scratch.path(b)));
    assert!(a.keys().any(|name| name.starts_with("state-")) && a.contains_key("stats.jsonl"), "{:?}", a.keys());
    let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names.into_iter().filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

/// Trains once unbroken and once killed at up to eight random moments; every file has to have the same bytes.
fn ends_like_an_unbroken_one_under_kills(overrides: &[&str]) -> Scratch {
    let scratch = Scratch::new();
    let args = |out| [&["train", "--out", out], overrides].concat();
    let started = Instant::now();
    scratch.run(&args("whole")).succeeded();
    let length = started.elapsed();
    // Moments that spread over half a run's length and are not the same from one CI run to the next.
    let mut word = std::process::id().wrapping_mul(2_654_435_769);
    let mut kills = 0;
    for attempt in 0.. {
        let mut child = spawn(&scratch, &args("broken"));
        word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wait = length.mul_f64(0.05 + 0.5 * f64::from(word >> 16) / 65536.0);
        let started = Instant::now();
        let mut done = None;
        while done.is_none() && (started.elapsed() < wait || kills >= 8) {
            sleep(Duration::from_millis(5));
            done = child.try_wait().unwrap();
        }
        match done {
            Some(status) => {
                assert!(status.success(), "attempt {attempt} ended with {status}");
                break;
            }
            None => {
                // SIGKILL: no handler runs.
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
            }
        }
    }
    println!("killed {kills} times");
    assert_eq!(differences(&scratch, "whole", "broken"), [""; 0], "after {kills} kills");
    scratch
}

#[test]
fn a_run_killed_at_random_moments_ends_as_an_unbroken_one() {
    ends_like_an_unbroken_one_under_kills(&tiny("", &[])[1..]);
}

/// A p that moves, R1 and path length due at intervals of their own, w's average, style mixing and noise.
#[test]
fn a_stylegan2_run_with_ada_killed_at_random_moments_ends_as_an_unbroken_one() {
    let scratch = ends_like_an_unbroken_one_under_kills(&[
        "model=stylegan2",
        "model.channel_max=8",
        "model.latent_dim=16",
        "model.w_dim=16",
        "model.mapping_layers=2",
        "augment=ada",
        "augment.ada.target=-0.9",
        "augment.ada.kimg=0.3",
        "augment.ada.interval=2",
        "loss=stylegan2",
        "loss.r1.gamma=1",
        "optim=stylegan2",
        "optim.batch=8",
        "optim.lazy.g_interval=2",
        "optim.lazy.d_interval=3",
        "optim.ema.halflife_kimg=0.05",
        "data.num_images=64",
        "eval.num_fakes=32",
        "eval.batch=16",
        "eval.every_steps=6",
        "train.steps=12",
        "train.tick_steps=2",
        "train.save_every_steps=2",
        "train.monitor_images=16",
    ]);
    let stats = std::fs::read_to_string(scratch.path("broken/stats.jsonl")).unwrap();
    let p = |line: &str| {
        line.split("\"augment/p\":").nth(1).and_then(|rest| rest.split([',', '}']).next()).map(String::from)
    };
    let p: Vec<String> = stats.lines().filter_map(p).collect();
    assert!(p.len() == 6 && p.windows(2).any(|pair| pair[0] != pair[1]), "{p:?}");
    assert!(stats.contains("\"loss/r1\"") && stats.contains("\"loss/path_length\""), "{stats}");
}

#[test]
fn one_and_two_threads_give_the_same_bytes() {
    let scratch = Scratch::new();
    for threads in ["1", "2"] {
        let args = tiny("train", &["--out", threads]);
        Ran::of(scratch.frugan(&args).env("RAYON_NUM_THREADS", threads)).succeeded();
    }
    assert_eq!(differences(&scratch, "1", "2"), [""; 0]);
}

#[test]
fn a_run_directory_has_one_owner_and_a_signal_leaves_a_state() {
    let scratch = Scratch::new();
    let args =
        tiny("train", &["--out", "run", "train.steps=100000", "eval.every_steps=0", "train.sample_every_steps=0"]);
    let mut first = spawn(&scratch, &args);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_state(&scratch.path("run")) {
        assert!(Instant::now() < deadline, "no state after a minute");
        sleep(Duration::from_millis(20));
    }
    let second = scratch.run(&args);
    assert_eq!(second.code, Some(2), "{}", second.err);
    assert!(second.err.contains("is in use by another process"), "{}", second.err);

    let pid = first.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(code(&mut first), Some(128 + 15));
    let states = contents(&scratch.path("run")).into_keys().filter(|name| name.starts_with("state-"));
    let last =
        states.filter_map(|name| name.strip_prefix("state-")?.strip_suffix(".safetensors")?.parse::<u64>().ok()).max();
    let mut third = scratch.frugan(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(third.stderr.take().unwrap()).lines().map(Result::unwrap);
    let resumed = lines.find(|line| line.contains("resumed at step")).expect("the run goes on");
    assert!(resumed.ends_with(&format!("resumed at step {}", last.unwrap())), "{resumed}");
    assert!(std::process::Command::new("kill").args(["-INT", &third.id().to_string()]).status().unwrap().success());
    assert!(lines.any(|line| line.contains("stopped at step")));
    assert_eq!(code(&mut third), Some(128 + 2));
}
