//! A run's progress: a bar with rate and time left on a terminal, plain lines elsewhere. All of it goes to stderr.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use frugan_train::{Observer, Record, Speed, Warning};
use indicatif::{ProgressBar, ProgressStyle};

use crate::report::number;

/// Plain lines come no closer than this.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// Shows one run.
pub(crate) struct Progress {
    label: String,
    bar: Option<ProgressBar>,
    total: u64,
    last_line: Cell<Option<Instant>>,
}

impl Progress {
    /// `label` starts every line: which run of how many.
    pub(crate) fn new(label: String, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total);
            let style =
                ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {wide_msg}").expect("a fixed template");
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(label.clone());
            bar
        });
        Self { label, bar, total, last_line: Cell::new(None) }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("{} {text}", self.label)),
            None => eprintln!("{} {text}", self.label),
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn note(&self, line: &str) {
        self.line(line);
    }

    fn step(&self, done: u64, _total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn tick(&self, record: &Record, speed: Speed) {
        let loss = |name: &str| record.get(name).map_or("-".into(), |v| format!("{v:.3}"));
        let text = format!(
            "loss/d {} loss/g {}, {:.1} s/kimg, {} left",
            loss("loss/d"),
            loss("loss/g"),
            speed.sec_per_kimg,
            duration(speed.sec_left)
        );
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => {
                let now = Instant::now();
                let due = self.last_line.get().is_none_or(|last| now - last >= PLAIN_INTERVAL);
                if due || record.step == self.total {
                    self.last_line.set(Some(now));
                    self.line(&format!("step {}/{}: {text}", record.step, self.total));
                }
            }
        }
    }

    fn warning(&self, step: u64, warning: &Warning) {
        self.line(&format!("warning at step {step}: {}", warning.text));
    }

    fn evaluating(&self, done: usize, total: usize) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("evaluating: {done}/{total} fakes"));
        }
    }

    fn evaluated(&self, record: &Record) {
        self.line(&format!("step {}/{}: {}", record.step, self.total, values(record)));
    }
}

/// A record's values in a line.
pub(crate) fn values(record: &Record) -> String {
    let all = record.values.iter().map(|(name, value)| match value {
        Some(value) => format!("{name} {}", number(*value)),
        None => format!("{name} n/a"),
    });
    all.collect::<Vec<_>>().join(", ")
}

/// `1:02:03`, `2:03`.
pub(crate) fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_clocks() {
        assert_eq!(duration(63.4), "1:03");
        assert_eq!(duration(3723.0), "1:02:03");
        assert_eq!(duration(-1.0), "0:00");
    }
}
