//! A case, and what is asked of it.

use crate::support::{Scratch, contents, tiny};

/// One bad input: how the scratch folder is prepared, what is run there, what the sentence must say.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) prepare: fn(&Scratch),
    pub(crate) args: Vec<&'static str>,
    pub(crate) says: &'static [&'static str],
}

pub(crate) fn nothing(_: &Scratch) {}

pub(crate) fn case(name: &'static str, args: Vec<&'static str>, says: &'static [&'static str]) -> Case {
    Case { name, prepare: nothing, args, says }
}

pub(crate) fn prepared(
    name: &'static str,
    prepare: fn(&Scratch),
    args: Vec<&'static str>,
    says: &'static [&'static str],
) -> Case {
    Case { name, prepare, args, says }
}

/// A tiny training into `run`.
pub(crate) fn train(more: &[&'static str]) -> Vec<&'static str> {
    tiny("train", &[&["--out", "run"], more].concat())
}

/// The sentence, and the files before and after.
pub(crate) fn check(case: &Case) -> Result<String, String> {
    let scratch = Scratch::new();
    (case.prepare)(&scratch);
    let before = contents(&scratch.path("."));
    let ran = scratch.run(&case.args);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
    let told = || format!("code {:?}, stderr:\n{}", ran.code, ran.err);
    if ran.code != Some(2) || errors.len() != 1 || ran.err.contains("panicked") {
        return Err(told());
    }
    if let Some(missing) = case.says.iter().find(|part| !errors[0].contains(**part)) {
        return Err(format!("does not say {missing:?}: {}", told()));
    }
    let mut after = contents(&scratch.path("."));
    // A lock's file says only that a run was tried.
    after.retain(|name, _| !name.ends_with("/lock"));
    if after.keys().ne(before.keys()) {
        return Err(format!("left {:?} behind, there was {:?}", after.keys(), before.keys()));
    }
    Ok(errors[0].to_string())
}

pub(crate) fn check_all(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        match check(case) {
            Ok(sentence) => println!("{}: {sentence}", case.name),
            Err(why) => failures.push(format!("{}: {why}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
