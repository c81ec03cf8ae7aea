//! Builds into the binary: `configs/` and `experiments/`, the doc comments of all config fields, the commit.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let root = root.canonicalize().expect("the workspace's root exists");
    let mut text = String::from("&[\n");
    for folder in ["configs", "experiments"] {
        println!("cargo::rerun-if-changed={}", root.join(folder).display());
        for file in files(&root.join(folder), "toml") {
            let name = file.strip_prefix(&root).expect("it lies below the root").display().to_string();
            if name.contains("bounds") {
                continue; // what `cargo xtask bounds` reads: no table
            }
            text.push_str(&format!("    ({:?}, include_str!({:?})),\n", name.replace('\\', "/"), file));
        }
    }
    text.push(']');
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("files.rs");
    fs::write(out, text).expect("OUT_DIR is writable");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("docs.rs");
    fs::write(out, field_docs(&root)).expect("OUT_DIR is writable");
    println!("cargo::rustc-env=FRUGAN_COMMIT={}", commit(&root));
}

/// `(struct, field, doc)` of every public field of a config struct, as a Rust expression.
fn field_docs(root: &Path) -> String {
    let mut text = String::from("&[\n");
    for name in ["train", "models", "augment", "losses", "data", "metrics", "nn"] {
        let source = root.join("crates").join(name).join("src");
        println!("cargo::rerun-if-changed={}", source.display());
        for file in files(&source, "rs") {
            let code = fs::read_to_string(&file).expect("a source file can be read");
            let (mut of, mut doc) = (None, String::new());
            for line in code.lines().map(str::trim) {
                if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.strip_suffix(" {")) {
                    of = (name.ends_with("Config") || matches!(name, "On" | "Lazy")).then_some(name);
                } else if let Some(rest) = line.strip_prefix("/// ") {
                    doc.push_str(rest);
                    doc.push(' ');
                    continue;
                } else if let (Some(of), Some(rest)) = (of, line.strip_prefix("pub ")) {
                    let field = rest.split(':').next().unwrap_or_default();
                    text.push_str(&format!("    ({of:?}, {field:?}, {:?}),\n", doc.trim()));
                } else if line.starts_with("#[") {
                    continue;
                } else if line == "}" {
                    of = None;
                }
                doc.clear();
            }
        }
    }
    text + "]"
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot read {}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("a directory entry can be read").path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
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
