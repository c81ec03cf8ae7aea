//! Why a config does not make a network.

/// A setting, or a combination of settings, that no network can be built from.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A resolution without a table of widths.
    #[error(
        "model {model} has no architecture for {resolution}x{resolution} images{at}; supported are {supported}: set data.resolution"
    )]
    Resolution {
        /// Name of the model.
        model: &'static str,
        /// Side of the images, in pixels.
        resolution: usize,
        /// What else decided, such as ` at bottom_width = 4`, or nothing.
        at: String,
        /// What is supported.
        supported: String,
    },
    /// A setting out of its range.
    #[error("model.{setting} = {value}: want {want}")]
    Setting {
        /// Name of the field.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What it must be.
        want: String,
    },
    /// A failed tensor operation.
    #[error(transparent)]
    Tensor(#[from] frugan_autograd::Error),
}

impl ModelError {
    pub(crate) fn setting(setting: &'static str, value: impl ToString, want: impl Into<String>) -> Self {
        Self::Setting { setting, value: value.to_string(), want: want.into() }
    }

    /// `Ok` if `value` is at least 1.
    pub(crate) fn positive(setting: &'static str, value: usize) -> Result<(), Self> {
        if value > 0 { Ok(()) } else { Err(Self::setting(setting, value, "at least 1")) }
    }
}
