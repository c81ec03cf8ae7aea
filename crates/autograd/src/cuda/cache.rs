//! Compiled kernels on disk, by a hash of all that went into them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use candle_core::{Result, bail};
use sha2::{Digest, Sha256};

/// Where they lie: `FRUGAN_KERNEL_CACHE`, or the user's cache folder.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("FRUGAN_KERNEL_CACHE") {
        return Ok(given.into());
    }
    match dirs::cache_dir() {
        Some(cache) => Ok(cache.join("frugan").join("kernels")),
        None => bail!("no folder for compiled kernels: set FRUGAN_KERNEL_CACHE to one"),
    }
}

/// A compiled kernel that came with the program: of this name in the folder `kernels` beside it.
#[cfg(feature = "driver")]
pub(crate) fn beside_program(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().and_then(std::fs::canonicalize).ok()?;
    Some(program.parent()?.join("kernels").join(name)).filter(|path| path.is_file())
}

/// The name of what is compiled from `parts` (source, options, compiler): their hash, and an ending.
pub(crate) fn name(parts: &[&str], ending: &str) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{digits}.{ending}")
}

/// The file of that name, made by `make` at a temporary path if it is not there yet. Two processes that make the same
/// file both succeed: the rename of the second replaces equal bytes.
pub(crate) fn file(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let folder = folder()?;
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let unwritable = |error: std::io::Error| {
        let folder = folder.display();
        candle_core::Error::Msg(format!(
            "{folder}: {error}; compiled kernels go there: set FRUGAN_KERNEL_CACHE to a folder that can be written"
        ))
    };
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    // Processes of two containers may share a folder and a number.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let partial = folder.join(format!("{name}.{}.{now}.part", std::process::id()));
    make(&partial)?;
    // Ahead of the rename, so that the name never stands for less than all of it.
    File::open(&partial).and_then(|file| file.sync_all()).map_err(unwritable)?;
    std::fs::rename(&partial, &path).map_err(unwritable)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_depends_on_every_part_and_on_their_bounds() {
        let names =
            [name(&["ab", "c"], "x"), name(&["a", "bc"], "x"), name(&["ab", "d"], "x"), name(&["ab", "c"], "y")];
        for (i, a) in names.iter().enumerate() {
            assert_eq!(names.iter().position(|b| a == b), Some(i));
        }
    }
}
