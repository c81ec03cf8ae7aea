//! Data and weights for machines without a network: the second archive of `cargo xtask dist`.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::assets::Folders;
use crate::dist::{Entry, files};
use crate::input_error;

/// The names under which `cargo xtask assets` and users keep FID's network.
const INCEPTION: [&str; 4] = [
    "inception-2015-12-05.safetensors",
    "inception-2015-12-05.pth",
    "pt_inception-2015-12-05-6726825d.pth",
    "weights-inception-2015-12-05-6726825d.pth",
];

/// A subset of a data set, as the command line spells it: `cifar10:0.1,test`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    set: String,
    fraction: f64,
}

impl Wanted {
    /// The test images always come with a subset; `,test` may say so.
    pub(crate) fn parse(text: &str) -> Result<Wanted, String> {
        let wrong = || format!("`{text}`: expected SET:FRACTION as in cifar10:0.1,test");
        let (set, rest) = text.split_once(':').ok_or_else(wrong)?;
        let fraction: f64 = rest.strip_suffix(",test").unwrap_or(rest).parse().map_err(|_| wrong())?;
        match (set, fraction > 0.0 && fraction <= 1.0) {
            ("cifar10" | "cifar100", true) => Ok(Wanted { set: set.into(), fraction }),
            (_, true) => Err(format!("`{set}`: only cifar10 and cifar100 are carried")),
            (_, false) => Err(format!("`{fraction}`: a fraction is above 0 and at most 1")),
        }
    }
}

/// What the archive is to hold, and the folder of what was made for it, which goes when it is dropped.
pub(crate) fn entries(program: &Path, data: Option<&Wanted>, weights: bool) -> Result<(Vec<Entry>, tempfile::TempDir)> {
    let made = tempfile::tempdir()?;
    let mut entries = Vec::new();
    if let Some(Wanted { set, fraction }) = data {
        let mut keep = Command::new(program);
        keep.args(["data", "keep", set]).arg(made.path()).arg(format!("data.fraction={fraction}"));
        let status = keep.stdout(std::process::Stdio::null()).status()?;
        ensure!(status.success(), "frugan data keep {set} failed; its message stands above");
        for extension in ["json", "png"] {
            for source in files(made.path(), extension)? {
                let name = source.strip_prefix(made.path())?.to_string_lossy().replace('\\', "/");
                entries.push(Entry { name, source, executable: false });
            }
        }
    }
    if weights {
        let folder = Folders::find(None, |name| std::env::var_os(name))?.weights;
        let found = INCEPTION.into_iter().find(|name| folder.join(name).is_file()).ok_or_else(|| {
            input_error(format!("{}: no {} there; `cargo xtask assets` brings it", folder.display(), INCEPTION[0]))
        })?;
        entries.push(Entry { name: format!("weights/{found}"), source: folder.join(found), executable: false });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((entries, made))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_is_read_with_and_without_its_test_images() {
        let tenth = Wanted { set: "cifar10".into(), fraction: 0.1 };
        assert_eq!(Wanted::parse("cifar10:0.1,test"), Ok(tenth.clone()));
        assert_eq!(Wanted::parse("cifar10:0.1"), Ok(tenth));
        for (bad, word) in [
            ("cifar10", "SET:FRACTION"),
            ("cifar10:x", "SET:FRACTION"),
            ("stl:0.1", "only cifar10"),
            ("cifar10:0", "above 0"),
            ("cifar10:NaN", "above 0"),
        ] {
            let error = Wanted::parse(bad).expect_err(bad);
            assert!(error.contains(word), "{error}");
        }
    }
}
