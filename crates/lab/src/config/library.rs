//! The config groups and experiment manifests: built into the binary, or in a folder that the user names.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::did_you_mean;
use super::layer::Layer;
use crate::failure::{InputContext, input};

/// The groups in the order in which their files are laid over each other; a `scale` file may set any key, the others
/// only their own.
pub(crate) const GROUPS: [&str; 7] = ["model", "augment", "loss", "data", "optim", "eval", "scale"];

/// `configs/` and `experiments/` as they were when the binary was built.
const BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// All group files and manifests that can be named.
#[derive(Clone, Debug)]
pub(crate) struct Library {
    /// By their built-in names, `configs/GROUP/CHOICE.toml`.
    files: BTreeMap<String, File>,
    /// One line on where files come from, when a folder of the user's is in use.
    pub(crate) notice: Option<String>,
}

/// A file's text, and what the user calls the file.
#[derive(Clone, Debug)]
struct File {
    path: String,
    text: String,
}

impl Library {
    /// The built-in files, and over them those of `folder` (`<folder>/<group>/<choice>.toml`).
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let built_in =
            |(name, text): &(&str, &str)| (name.to_string(), File { path: name.to_string(), text: text.to_string() });
        let mut files: BTreeMap<String, File> = BUILT_IN.iter().map(built_in).collect();
        let Some(folder) = folder else { return Ok(Self { files, notice: None }) };
        let (mut added, mut replaced) = (0, 0);
        for group in GROUPS.iter().copied().chain([""]) {
            for (path, name) in toml_files(&folder.join(group)).input(format!("--configs {}", folder.display()))? {
                let key = if group.is_empty() { format!("configs/{name}") } else { format!("configs/{group}/{name}") };
                let text = fs::read_to_string(&path).input(path.display())?;
                match files.insert(key, File { path: path.display().to_string(), text }) {
                    Some(_) => replaced += 1,
                    None => added += 1,
                }
            }
        }
        if added + replaced == 0 {
            return Err(input(format!(
                "--configs {}: no <group>/<choice>.toml there (groups are {})",
                folder.display(),
                GROUPS.join(", ")
            )));
        }
        let notice =
            format!("configs: {} ({added} files added, {replaced} in place of built-in ones)", folder.display());
        Ok(Self { files, notice: Some(notice) })
    }

    /// The choices of a group, sorted.
    pub(crate) fn choices(&self, group: &str) -> Vec<&str> {
        let folder = format!("configs/{group}/");
        let names = self.files.keys().filter_map(|name| name.strip_prefix(&folder)?.strip_suffix(".toml"));
        names.collect()
    }

    /// The file of one choice of a group, checked to set only the group's keys.
    pub(crate) fn choice(&self, group: &str, choice: &str, source: &str) -> Result<Layer> {
        let file = self.files.get(&format!("configs/{group}/{choice}.toml")).ok_or_else(|| {
            let near = did_you_mean(choice, self.choices(group));
            input(format!("`{group}={choice}` ({source}): the group `{group}` has no such choice{near}"))
        })?;
        let layer = Layer::from_toml(&file.path, &file.text)?;
        if group != "scale"
            && let Some((key, _)) = layer.leaves().into_iter().find(|(key, _)| key.split('.').next() != Some(group))
        {
            return Err(input(format!("{}: `{key}` does not belong to the group `{group}`", layer.source(&key))));
        }
        Ok(layer)
    }

    /// The first comment line of a choice's file.
    pub(crate) fn summary(&self, group: &str, choice: &str) -> &str {
        let text = self.files.get(&format!("configs/{group}/{choice}.toml")).map_or("", |file| file.text.as_str());
        text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default()
    }

    /// The path and the text of `configs/<name>.toml`.
    pub(crate) fn root_file(&self, name: &str) -> Result<(String, &str)> {
        let name = format!("configs/{name}.toml");
        let file = self.files.get(&name).ok_or_else(|| anyhow::anyhow!("{name} is not built in"))?;
        Ok((file.path.clone(), &file.text))
    }

    /// The names of the built-in manifests: `diffaugment/table1`.
    pub(crate) fn experiments(&self) -> Vec<&str> {
        self.files.keys().filter_map(|name| name.strip_prefix("experiments/")?.strip_suffix(".toml")).collect()
    }

    /// A manifest by its name (`table1`, `diffaugment/table1`) or by a path that ends in `.toml`: its path and text.
    pub(crate) fn experiment(&self, name: &str) -> Result<(String, String)> {
        if name.ends_with(".toml") {
            return Ok((name.to_string(), fs::read_to_string(name).input(name)?));
        }
        let all = self.experiments();
        let found: Vec<&str> =
            all.iter().copied().filter(|e| *e == name || e.rsplit('/').next() == Some(name)).collect();
        match found.as_slice() {
            [one] => {
                let file = &self.files[&format!("experiments/{one}.toml")];
                Ok((file.path.clone(), file.text.clone()))
            }
            [] => {
                let short = all.iter().map(|e| e.rsplit('/').next().unwrap_or(e));
                Err(input(format!("there is no table `{name}`{}", did_you_mean(name, short))))
            }
            several => Err(input(format!("`{name}` is not one table: choose among {}", several.join(", ")))),
        }
    }
}

/// The `.toml` files right inside a folder, sorted by name; none where the folder is missing.
fn toml_files(folder: &Path) -> std::io::Result<Vec<(std::path::PathBuf, String)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|e| e == "toml") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((path, name));
        }
    }
    files.sort();
    Ok(files)
}
