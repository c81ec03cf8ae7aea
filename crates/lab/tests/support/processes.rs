//! Other processes of a run: waited for, found and told.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Waits for something that is there within a minute.
pub(crate) fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
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
pub(crate) fn follower_of(out: &Path) -> Option<u32> {
    let out = out.as_os_str().as_encoded_bytes();
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let entry = entry.ok()?;
        let process = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        (words.nth(1) == Some(b"rank") && words.any(|word| word == out)).then_some(process)
    })
}

pub(crate) fn kill(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}
