//! Why a set of tensors is not the state that was asked for.

use frugan_autograd::{DType, Error};

/// A set of named tensors does not fit. Nothing has been changed when it is returned.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Names that the network has and the set has not.
    #[error("the tensors lack {}; they are of another network: check the model's settings", listing(.0))]
    Missing(Vec<String>),
    /// Names that the set has and the network has not.
    #[error("the tensors hold {}, which the network lacks; they are of another network: check the model's settings", listing(.0))]
    Unexpected(Vec<String>),
    /// A tensor of another shape.
    #[error(
        "`{name}` has shape {got:?}, and the network wants {want:?}: check the model's widths and number of classes"
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// The network's shape.
        want: Vec<usize>,
        /// The shape in the set.
        got: Vec<usize>,
    },
    /// A tensor whose numbers are not of the kind that is wanted.
    #[error("`{name}` holds {got:?}, want {want}")]
    DType {
        /// Name of the tensor.
        name: String,
        /// What is wanted.
        want: &'static str,
        /// What the set has.
        got: DType,
    },
    /// Bytes that are not a safetensors file.
    #[error("not a safetensors file: {0}; it may be cut short, fetch or save it again")]
    Format(String),
    /// A failed tensor operation.
    #[error(transparent)]
    Tensor(#[from] Error),
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Tensor(error) => error,
            other => Error::Msg(other.to_string()),
        }
    }
}

/// The first three names, and how many more there are.
fn listing(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(3).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(3) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
