//! Builds `configs/` and `experiments/` into the binary, and the commit into its version.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let root = root.canonicalize().expect("the workspace's root exists");
    let mut text = String::from("&[\n");
    for folder in ["configs", "experiments"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        for file in toml_files(&root.join(folder)) {
            let name = file.strip_prefix(&root).expect("it lies below the root").display().to_string();
            text.push_str(&format!("    ({:?}, include_str!({:?})),\n", name.replace('\\', "/"), file));
        }
    }
    text.push(']');
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("files.rs");
    fs::write(out, text).expect("OUT_DIR is writable");
    println!("cargo::rustc-env=FRUGAN_COMMIT={}", commit(&root));
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a directory entry can be read").path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(toml_files(&path));
        } else if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files
}

/// The commit's short hash, or `unknown` outside a git checkout.
fn commit(root: &Path) -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).current_dir(root).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_string())
    };
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        let log = root.join(log);
        if log.exists() {
            println!("cargo::rerun-if-changed={}", log.display());
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".into())
}
