//! What can go wrong in a run.

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
    #[error("cannot {action} {}: {source}; check that the folder is writable and the disk has room", path.display())]
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
