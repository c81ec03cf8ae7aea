//! Virtual environments below the target folder, made once with the packages that a task names.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{input_error, workspace};

/// The python of the environment `name` with `packages` installed, each from PyPI by the ordinary client.
///
/// A stamp file with the list of packages marks a complete environment; one that an interrupted run left is completed.
pub(crate) fn environment(name: &str, packages: &[&str], pip_options: &[&str]) -> Result<PathBuf> {
    let dir = workspace::target_dir()?.join("xtask").join(name);
    let python = dir.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = dir.join("packages.txt");
    let wanted = packages.join("\n");
    if python.exists() && std::fs::read_to_string(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(python);
    }
    println!("making the Python environment {} ({})", dir.display(), packages.join(", "));
    let mut make = Command::new(base_python()?);
    run_quietly(make.args(["-m", "venv"]).arg(&dir), "python -m venv")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(pip_options).args(packages);
    run_quietly(&mut pip, "pip install")?;
    std::fs::write(&stamp, wanted).with_context(|| stamp.display().to_string())?;
    Ok(python)
}

/// The `python3` (or `python`) that the user's PATH holds.
fn base_python() -> Result<&'static Path> {
    ["python3", "python"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success()))
        .map(Path::new)
        .ok_or_else(|| input_error("Python 3 is needed and neither `python3` nor `python` was found on the PATH"))
}

fn run_quietly(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| format!("{what} did not start"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {}", words.trim().lines().last().unwrap_or("no message"));
    Ok(())
}
