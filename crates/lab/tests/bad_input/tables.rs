//! Tables and their manifests.

use crate::broken::other_weights;
use crate::case::{Case, case, prepared};

pub(crate) fn tables() -> Vec<Case> {
    let reproduce = |more: &[&'static str]| [&["reproduce", "table1", "--out", "run"], more].concat();
    vec![
        case("unknown table", vec!["reproduce", "tabel1"], &["no table `tabel1`", "did you mean `table1`?"]),
        case("unknown scale", reproduce(&["--scale", "smok"]), &["--scale smok", "did you mean `smoke`?"]),
        case(
            "unknown row",
            reproduce(&["--rows", "real only"]),
            &["there is no row `real only`", "did you mean `reals only`?"],
        ),
        case("unknown column", reproduce(&["--columns", "colour"]), &["there is no column `colour`"]),
        case("override of what the table varies", reproduce(&["augment.policy=cutout"]), &["rows and columns"]),
        case("seed as an override", reproduce(&["seed=1"]), &["--seeds"]),
        case("seeds that are no numbers", reproduce(&["--seeds", "a"]), &["--seeds"]),
        case("a seed twice", reproduce(&["--seeds", "1,0,1"]), &["--seeds: 1 stands there twice"]),
        case("a negative seed", reproduce(&["--seeds", "-1"]), &["'-1' for '--seeds", "0 or more"]),
        case("a cell that cannot be run", reproduce(&["data=synthetic", "data.num_images=10"]), &["optim.batch"]),
        prepared(
            "table's out is a file",
            |s| drop(s.write("run", "mine")),
            reproduce(&["data=synthetic"]),
            &["that is a file"],
        ),
        prepared(
            "manifest with an unknown key",
            |s| drop(s.write("t.toml", "nmae = \"x\"\n")),
            vec!["reproduce", "t.toml"],
            &["t.toml:1", "nmae"],
        ),
        prepared(
            "manifest that names a place",
            |s| drop(s.write("t.toml", manifest("../../x"))),
            vec!["reproduce", "t.toml"],
            &["t.toml: name = \"../../x\"", "letters, digits"],
        ),
        case("manifest that is not there", vec!["reproduce", "t.toml"], &["t.toml"]),
        prepared(
            "weights of another network",
            other_weights,
            reproduce(&["data=synthetic", "eval.network=inception", "eval.weights=w.safetensors"]),
            &["w.safetensors"],
        ),
    ]
}

/// A whole manifest of this name.
fn manifest(name: &str) -> String {
    format!(
        r#"name = "{name}"
title = "t"
source = "s"
metrics = [{{ name = "fid", label = "FID", select = true }}]
base = {{}}
rows = [{{ name = "r" }}]
columns = [{{ name = "c" }}]
scales.smoke = {{ summary = "minutes" }}
"#
    )
}
