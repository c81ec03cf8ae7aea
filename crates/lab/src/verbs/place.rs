//! Where a verb is to write a file: what can be known of the place before the work that the file holds.

use std::path::Path;

use anyhow::Result;

use crate::failure::{InputContext, input};

/// Refuses a place that cannot take a file, or that holds one of the files which are read. `option` leads the sentence: `--out `.
pub(super) fn check_file(option: &str, path: &Path, inputs: &[&Path]) -> Result<()> {
    let place = format!("{option}{}", path.display());
    if path.is_dir() {
        return Err(input(format!("{place}: that is a folder; give the name of a file")));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return Err(input(format!("{place}: there is no folder {}; make it first", folder.display())));
    }
    refuse_inputs(option, path, inputs)?;
    tempfile::tempfile_in(folder).input(format!("{place}: cannot write there"))?;
    Ok(())
}

/// [`check_file`] where the name has to end in what the file will be.
pub(super) fn check_ending(ending: &str, option: &str, path: &Path, inputs: &[&Path]) -> Result<()> {
    if path.extension().is_none_or(|own| !own.eq_ignore_ascii_case(ending)) {
        let (place, kind) = (path.display(), ending.to_uppercase());
        return Err(input(format!(
            "{option}{place}: expected a name that ends in .{ending}; name the {kind} that is to be written"
        )));
    }
    check_file(option, path, inputs)
}

/// Refuses to write over what is read.
pub(super) fn refuse_inputs(option: &str, path: &Path, inputs: &[&Path]) -> Result<()> {
    let Ok(place) = path.canonicalize() else { return Ok(()) };
    if inputs.iter().any(|read| read.canonicalize().is_ok_and(|read| read == place)) {
        return Err(input(format!("{option}{}: that file is read here; give another place", path.display())));
    }
    Ok(())
}
