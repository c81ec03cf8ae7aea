//! Whose fault an error is, and so the exit code: 2 the user's input, 1 ours.

use std::fmt;

/// An error that the user can mend: one sentence that names the value, what was expected and the fix.
#[derive(Debug)]
pub(crate) struct InputError(String);

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InputError {}

/// The user's error with this sentence.
pub(crate) fn input(sentence: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(InputError(sentence.into()))
}

/// Marks errors as the user's.
pub(crate) trait InputContext<T> {
    /// The error's whole chain as one sentence of the user's, after `place: `.
    fn input(self, place: impl fmt::Display) -> anyhow::Result<T>;
    /// The error's whole chain as one sentence of the user's.
    fn or_input(self) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> InputContext<T> for Result<T, E> {
    fn input(self, place: impl fmt::Display) -> anyhow::Result<T> {
        self.map_err(|e| input(format!("{place}: {}", sentence(&e.into()))))
    }

    fn or_input(self) -> anyhow::Result<T> {
        self.map_err(|e| input(sentence(&e.into())))
    }
}

/// An error's chain in one line; a cause that its parent has already told is not told twice.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = cause.to_string();
        if text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the user's input caused the error.
pub(crate) fn is_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<InputError>().is_some())
}
