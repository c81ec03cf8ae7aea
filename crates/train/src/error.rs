//! What can go wrong in a run.

use std::fmt::Display;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// An error of a run. [`Error::is_input`] tells the user's mistakes from ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value of the configuration that cannot be used; the text names it, the rule and the fix.
    #[error("{0}")]
    Config(String),
    /// A file or folder of the run that cannot be read or written.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(action, source))]
    File {
        /// What was tried, as a verb: `write`, `read`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process trains in the run directory.
    #[error(
        "{} is in use by another process ({holder}): two processes cannot train in one run directory; wait for it, or choose another --out",
        dir.display()
    )]
    Locked {
        /// The run directory.
        dir: PathBuf,
        /// Who holds the lock, as it wrote itself down.
        holder: String,
    },
    /// A state or snapshot file that is damaged or of another run.
    #[error("{}: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        reason: String,
    },
    /// A value that is not finite, under the policy `nonfinite = "stop"` (or `skip:N` used up).
    #[error("{0}")]
    NonFinite(String),
    /// A device's memory that does not hold an iteration: need, limit and the batch that would fit.
    #[error("{0}")]
    Memory(String),
    /// A rank that is gone or does not answer: its number, and the step that it was in.
    #[error("{0}")]
    Ranks(String),
    /// From the data set.
    #[error(transparent)]
    Data(#[from] frugan_data::Error),
    /// From the metrics.
    #[error(transparent)]
    Metrics(#[from] frugan_metrics::Error),
    /// From the tensors: a bug of ours, or memory.
    #[error(transparent)]
    Tensor(#[from] frugan_autograd::Error),
}

/// What to look at where a file was not to be had.
fn advice(action: &str, source: &std::io::Error) -> &'static str {
    match (action, source.kind()) {
        ("read", _) => "; check that it is there and may be read",
        ("open", _) => "",
        (_, ErrorKind::NotFound) => "; its folder is not there, make it first",
        _ => "; check that the folder is writable and the disk has room",
    }
}

/// An error without the backtrace that tensors' errors end in under `RUST_BACKTRACE`.
pub(crate) fn first_line(error: &impl Display) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl Error {
    /// Whether the user can mend it (exit code 2) or it is ours (exit code 1).
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Tensor(_) | Self::NonFinite(_) | Self::Ranks(_))
    }

    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }

    pub(crate) fn state(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::State { path: path.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_was_tried() {
        let error = |action, kind: ErrorKind| Error::file(action, "a/b")(kind.into()).to_string();
        assert_eq!(
            error("read", ErrorKind::NotFound),
            "cannot read a/b: entity not found; check that it is there and may be read"
        );
        assert!(error("write", ErrorKind::NotFound).ends_with("its folder is not there, make it first"));
        assert!(error("write", ErrorKind::StorageFull).ends_with("writable and the disk has room"));
    }

    #[test]
    fn a_backtrace_is_no_part_of_the_first_line() {
        assert_eq!(first_line(&"op `exp`: NaN\n   0: candle_core::bt\n"), "op `exp`: NaN");
    }
}
