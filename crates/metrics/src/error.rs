use std::path::PathBuf;

/// What can go wrong in a measurement. Every message names the value, what was expected and the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An operation of the feature network failed.
    #[error("feature network: {0}")]
    Network(#[from] candle_core::Error),

    /// Image bytes that do not fit their shape, or a shape that no network takes.
    #[error("images: {0}")]
    Images(String),

    /// Features, moments or draws that do not fit together.
    #[error("{metric}: {reason}")]
    Input {
        /// The metric that was asked for.
        metric: &'static str,
        /// What does not fit, and what would.
        reason: String,
    },

    /// A setting out of its range.
    #[error("eval.{key} = {value}: {expected}")]
    Config {
        /// The field of [`crate::EvalConfig`].
        key: &'static str,
        /// Its value, as given.
        value: String,
        /// What the field takes.
        expected: String,
    },

    /// A weights file that is not the network's.
    #[error("{}: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        reason: String,
    },

    /// No weights file was found and none could be brought.
    #[error("no weights of the Inception network: {0}")]
    NoWeights(String),

    /// No weights file of LPIPS was found.
    #[error("no weights of LPIPS: {0}")]
    NoLpipsWeights(String),

    /// A download that failed or did not match its checksum.
    #[error("{url}: {reason}")]
    Download {
        /// Where it was fetched from.
        url: String,
        /// What went wrong.
        reason: String,
    },

    /// Reading or writing a file failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
}

/// The result of a measurement.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn input(metric: &'static str, reason: impl Into<String>) -> Self {
        Self::Input { metric, reason: reason.into() }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    pub(crate) fn weights(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Weights { path: path.into(), reason: reason.into() }
    }
}
