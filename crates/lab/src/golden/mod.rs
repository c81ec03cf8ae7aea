//! `frugan golden DIR`: golden vectors, made with the reference implementations, against this implementation.
//!
//! One safetensors file a case: inputs, random draws, weights, and what the reference computed from them. A kind has
//! one file here, which feeds the inputs and draws to the crates' public functions and hands the results to [`Check`].

mod ada;
mod ada_r1;
mod biggan;
mod biggan_step;
mod check;
mod data;
mod diffaug;
mod file;
mod formula;
mod inception;
mod losses;
mod lpips;
mod metrics;
mod optim;
mod sg2_models;
mod sg2_ops;
mod sg2_phase;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use crate::failure::{InputContext, input};
use check::Check;
use file::GoldenFile;

/// Hold this implementation against golden vectors
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of golden files (*.safetensors)
    dir: PathBuf,
}

/// Exit code 0 if no file that can be checked failed.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let summary = check_folder(&args.dir)?;
    Ok(if summary.all_passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How a file ended.
#[derive(Debug, PartialEq)]
enum Verdict {
    Passed,
    /// One line for every tensor out of tolerance.
    Failed(Vec<String>),
    /// Why there is nothing here to hold against the file.
    Unsupported(String),
}

/// Counts over a folder of golden files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Summary {
    num_files: usize,
    num_passed: usize,
    num_unsupported: usize,
}

impl Summary {
    /// Whether every file that could be checked passed.
    fn all_passed(self) -> bool {
        self.num_passed + self.num_unsupported == self.num_files
    }
}

/// Checks every golden file of a folder, in the order of their names, and prints the failures and a last line.
fn check_folder(dir: &Path) -> Result<Summary> {
    let mut summary = Summary::default();
    for path in golden_files(dir)? {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        summary.num_files += 1;
        match verdict(&path) {
            Verdict::Passed => summary.num_passed += 1,
            Verdict::Failed(lines) => lines.iter().for_each(|line| println!("FAILED {name}: {line}")),
            Verdict::Unsupported(why) => {
                summary.num_unsupported += 1;
                println!("unsupported {name}: {why}");
            }
        }
    }
    let Summary { num_files, num_passed, num_unsupported } = summary;
    println!("golden: {num_files} files, {num_passed} passed, {num_unsupported} unsupported");
    Ok(summary)
}

fn golden_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).input(dir.display())?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().input(dir.display())?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    paths.sort();
    if paths.is_empty() {
        return Err(input(format!("{}: no golden file (*.safetensors) is in this folder", dir.display())));
    }
    Ok(paths)
}

fn verdict(path: &Path) -> Verdict {
    let checked = GoldenFile::read(path).and_then(|file| {
        let Some(check_kind) = check_of(&file) else {
            return Ok(Verdict::Unsupported(format!("kind {}, case {}", file.kind, file.case)));
        };
        let mut check = Check::new(&file);
        check_kind(&file, &mut check)?;
        let failures = check.finish();
        Ok(if failures.is_empty() { Verdict::Passed } else { Verdict::Failed(failures) })
    });
    checked.unwrap_or_else(|error| Verdict::Failed(vec![format!("{error:#}")]))
}

type CheckKind = fn(&GoldenFile, &mut Check) -> Result<()>;

/// The check of a file's kind and case, if there is one.
fn check_of(file: &GoldenFile) -> Option<CheckKind> {
    match file.kind.as_str() {
        "diffaug" => Some(diffaug::check),
        "ada" => ada::check_of(&file.case),
        "data" => data::check_of(&file.case),
        "optim" => optim::check_of(&file.case),
        "losses" => losses::check_of(&file.case),
        "biggan" if file.case == "step" => Some(biggan_step::check),
        "biggan" => biggan::check_of(&file.case),
        "metrics" => {
            let case = &file.case;
            metrics::check_of(case).or_else(|| inception::check_of(case)).or_else(|| lpips::check_of(case))
        }
        "sg2" => sg2_ops::check_of(&file.case).or_else(|| sg2_models::check_of(&file.case)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

    use super::*;

    /// The verdict on a file with one I64 tensor, of the case "which 3 of 100 images does seed 0 draw?"
    fn verdict_on(kind: &str, tensor: &str, indices: [i64; 3]) -> Verdict {
        let metadata = [
            ("kind", kind),
            ("case", "subset_biggan"),
            ("config", r#"{"seed": 0, "total": 100, "n": 3}"#),
            ("tol_mode", "maxabs"),
            ("rtol", "1e-5"),
            ("atol", "1e-6"),
        ];
        let metadata: HashMap<String, String> = metadata.map(|(key, value)| (key.into(), value.into())).into();
        let bytes: Vec<u8> = indices.iter().flat_map(|index| index.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::I64, vec![3], &bytes).expect("the bytes fit the shape");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("case.safetensors");
        let bytes = safetensors::serialize([(tensor, view)], Some(metadata)).expect("a small file");
        std::fs::write(&path, bytes).expect("a writable folder");
        verdict(&path)
    }

    #[test]
    fn right_results_pass() {
        assert_eq!(verdict_on("data", "out.idx", [26, 86, 2]), Verdict::Passed);
    }

    #[test]
    fn a_wrong_result_fails_with_its_error_and_tolerance() {
        let line = "out.idx: error 1.000e0, tolerance 8.610e-4".to_owned();
        assert_eq!(verdict_on("data", "out.idx", [26, 86, 3]), Verdict::Failed(vec![line]));
    }

    #[test]
    fn a_tensor_that_no_check_computes_fails() {
        let Verdict::Failed(lines) = verdict_on("data", "out.other", [0; 3]) else { panic!("the file has no out.idx") };
        assert_eq!(lines, ["out.idx is missing"]);
    }

    #[test]
    fn an_unknown_kind_is_unsupported_and_not_passed() {
        let verdict = verdict_on("sg2", "out.y", [0; 3]);
        assert_eq!(verdict, Verdict::Unsupported("kind sg2, case subset_biggan".to_owned()));
    }

    #[test]
    fn an_empty_folder_is_the_users_error() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = check_folder(dir.path()).expect_err("there is no golden file");
        assert!(crate::failure::is_input(&error), "{error}");
    }
}
