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

/// An error's chain in one line; a cause that its parent has already told is not told twice. The lines that tensors' errors have
/// under `RUST_BACKTRACE` are left out.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let part = in_a_line(&cause.to_string());
        if text.contains(&part) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&part);
    }
    text
}

/// A message's lines one behind another, with semicolons between those that are a list's items.
fn in_a_line(message: &str) -> String {
    let mut text = String::new();
    let lines = message.lines().filter(|line| !(line.trim().is_empty() || is_of_backtrace(line)));
    for line in lines {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        // What a backtrace kept apart is together again.
        let goes_on = text.is_empty() || line.starts_with([';', ',']);
        text.push_str(match text.ends_with([':', ';', ',']) {
            _ if goes_on => "",
            true => " ",
            false => "; ",
        });
        text.push_str(&line);
    }
    text
}

/// The lines of an error's chain that [`sentence`] leaves out.
pub(crate) fn backtrace(error: &anyhow::Error) -> String {
    // Each cause repeats those of the one below.
    let longest = error.chain().map(ToString::to_string).max_by_key(String::len).unwrap_or_default();
    longest.lines().filter(|line| is_of_backtrace(line)).map(|line| format!("{line}\n")).collect()
}

/// Whether a line is one of those that [`std::backtrace::Backtrace`] shows: `  12: function` or `      at file:line:column`.
fn is_of_backtrace(line: &str) -> bool {
    let shown = line.trim_start();
    let is_function = shown.split_once(": ").is_some_and(|(number, _)| number.parse::<usize>().is_ok());
    shown.len() < line.len() && (is_function || shown.starts_with("at "))
}

/// Whether the user's input caused the error.
pub(crate) fn is_input(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<InputError>().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backtrace_is_no_part_of_the_sentence() {
        let trace = "   0: candle_core::error::Error::bt\n             at ./src/error.rs:12:5\n  12: main\n";
        let inner = format!("no device 3\n{trace}");
        let error = anyhow::anyhow!("{inner}").context(format!("device cuda:3: {inner}; or use --device cpu"));
        assert_eq!(sentence(&error), "device cuda:3: no device 3; or use --device cpu");
        assert_eq!(backtrace(&error), trace);
    }

    #[test]
    fn a_list_keeps_its_items_apart() {
        let list = "2 of 9 images cannot be used:\n  1 truncated (a.png): remove it\n  1 grey (b.png): convert it";
        let told = "images: 2 of 9 images cannot be used: 1 truncated (a.png): remove it; 1 grey (b.png): convert it";
        assert_eq!(sentence(&anyhow::anyhow!(list).context("images")), told);
    }
}
