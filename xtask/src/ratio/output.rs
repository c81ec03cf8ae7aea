//! Running one side, within a limit where there is one, and what it printed.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How much of a failed run is shown.
const TAIL_LINES: usize = 30;
/// Between two looks whether a run has ended.
const PAUSE: Duration = Duration::from_millis(50);

/// What a run that succeeded printed.
#[derive(Debug)]
pub(super) struct Output {
    text: String,
    errors: String,
}

impl Output {
    /// Runs a program to its end, or ends it at the limit; shows the end of what it printed where it fails.
    pub(super) fn of(what: &str, command: &mut Command, limit: Option<Duration>) -> Result<Self> {
        // Files, for a pipe that nobody reads holds a program up once it is full.
        let (mut text, mut errors) = (tempfile::tempfile()?, tempfile::tempfile()?);
        command.stdin(Stdio::null()).stdout(text.try_clone()?).stderr(errors.try_clone()?);
        let mut child = command.spawn().with_context(|| format!("{what} did not start"))?;
        let status = wait(&mut child, limit)?;
        let output = Self { text: whole(&mut text)?, errors: whole(&mut errors)? };
        if status.is_some_and(|status| status.success()) {
            return Ok(output);
        }
        output.show();
        let seconds = limit.unwrap_or_default().as_secs();
        let Some(status) = status else { bail!("{what} took more than {seconds} s and was ended") };
        bail!("{what} failed ({status}): {}", last(&output.errors, 1).concat())
    }

    /// The numbers behind `KEY ` at the beginning of lines.
    pub(super) fn values(&self, key: &str) -> Result<Vec<f64>> {
        self.texts(key).map(|value| value.parse().with_context(|| format!("{key} {value}: not a number"))).collect()
    }

    /// What stands behind `KEY ` at the beginning of lines.
    pub(super) fn texts(&self, key: &str) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(move |line| Some(line.strip_prefix(key)?.strip_prefix(' ')?.trim()))
    }

    /// Prints the last lines.
    pub(super) fn show(&self) {
        for line in last(&self.text, TAIL_LINES / 3).into_iter().chain(last(&self.errors, TAIL_LINES)) {
            println!("    {line}");
        }
    }
}

#[cfg(test)]
impl From<&str> for Output {
    fn from(text: &str) -> Self {
        Self { text: text.into(), errors: String::new() }
    }
}

fn last(text: &str, count: usize) -> Vec<&str> {
    let lines: Vec<_> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// How it ended; `None` if it was ended at the limit.
fn wait(child: &mut Child, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
    let Some(limit) = limit else { return Ok(Some(child.wait()?)) };
    let start = Instant::now();
    while start.elapsed() < limit {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// From the beginning: the file's place is shared with the program that wrote it.
fn whole(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Option<Duration>) -> Result<Output> {
        Output::of("the script", Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn lines_are_found_by_their_key() -> Result<()> {
        let output = shell("echo a 1; echo ab 2; echo a 3; echo note of two words", Some(Duration::from_secs(60)))?;
        assert_eq!(output.values("a")?, [1.0, 3.0]);
        assert_eq!(output.texts("note").collect::<Vec<_>>(), ["of two words"]);
        assert!(output.values("note").is_err());
        Ok(())
    }

    #[test]
    fn a_failure_ends_in_the_last_line_of_its_messages() {
        let error = shell("echo first >&2; echo second >&2; exit 3", None).expect_err("it fails").to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("second"), "{error}");
    }

    #[test]
    fn a_run_is_ended_at_its_limit() {
        let start = Instant::now();
        let error = shell("exec sleep 60", Some(Duration::from_secs(1))).expect_err("it takes too long").to_string();
        assert!(error.contains("more than 1 s"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
