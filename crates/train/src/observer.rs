//! What a run tells while it goes, for whoever shows it.

use crate::monitor::Warning;
use crate::stats::Record;

/// How fast a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Seconds of a thousand real images, over the last tick.
    pub sec_per_kimg: f64,
    /// Seconds until the last step, at this rate, evaluations left out.
    pub sec_left: f64,
}

/// Gets what happens. Every method may be left out.
pub trait Observer {
    /// A line for the log: what runs on what, where it resumes.
    fn note(&self, _line: &str) {}
    /// G steps done and in all.
    fn step(&self, _done: u64, _total: u64) {}
    /// A tick's values.
    fn tick(&self, _record: &Record, _speed: Speed) {}
    /// A threshold was crossed.
    fn warning(&self, _step: u64, _warning: &Warning) {}
    /// Fakes made for an evaluation, and in all.
    fn evaluating(&self, _done: usize, _total: usize) {}
    /// An evaluation's values.
    fn evaluated(&self, _record: &Record) {}
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
