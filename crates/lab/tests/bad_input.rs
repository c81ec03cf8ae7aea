//! Bad input ends in one clear sentence, exit code 2, and nothing half written.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells what it saw")]

mod support;

use std::fs::{self, File};
use std::path::Path;

use support::{Scratch, contents, tiny};

/// One bad input: how the scratch folder is prepared, what is run there, what the sentence must say.
struct Case {
    name: &'static str,
    prepare: fn(&Scratch),
    args: Vec<&'static str>,
    says: &'static [&'static str],
}

fn nothing(_: &Scratch) {}

fn case(name: &'static str, args: Vec<&'static str>, says: &'static [&'static str]) -> Case {
    Case { name, prepare: nothing, args, says }
}

fn prepared(name: &'static str, prepare: fn(&Scratch), args: Vec<&'static str>, says: &'static [&'static str]) -> Case {
    Case { name, prepare, args, says }
}

fn train(more: &[&'static str]) -> Vec<&'static str> {
    tiny("train", &[&["--out", "run"], more].concat())
}

fn overrides() -> Vec<Case> {
    vec![
        case(
            "unknown key",
            train(&["augment.polcy=color"]),
            &["unknown key `augment.polcy`", "did you mean `augment.policy`?"],
        ),
        case("unknown group choice", train(&["model=bigan"]), &["argument `model=bigan`", "did you mean `biggan`?"]),
        case("unknown value", train(&["loss.name=hing"]), &["`loss.name = \"hing\"`", "did you mean `hinge`?"]),
        case("unknown policy", train(&["augment.policy=translation,cutot"]), &["augment.policy", "cutot"]),
        case(
            "policy's places without a policy",
            train(&["augment=none", "augment.on.d_fake=false"]),
            &["augment.on.d_fake", "no effect"],
        ),
        case(
            "unknown key of an absent table",
            train(&["loss.bcr.reel=1.0"]),
            &["unknown key `loss.bcr.reel`", "did you mean `loss.bcr.real`?"],
        ),
        case("flips of every label", train(&["loss.label_flip=0.7"]), &["loss.label_flip = 0.7", "[0, 0.5)"]),
        case(
            "consistency twice",
            train(&["loss.bcr.real=5.0", "loss.cr.weight=10.0"]),
            &["loss.bcr beside loss.cr.weight = 10"],
        ),
        case(
            "classes that D does not name",
            train(&["loss.acgan.d_weight=1.0"]),
            &["loss.acgan with model.name = \"dcgan\"", "model.d_labels"],
        ),
        case("a classifier that learns nothing", train(&["model.d_labels=classifier"]), &["without loss.acgan"]),
        case(
            "unknown way of labels",
            train(&["model.d_labels=projecton"]),
            &["`model.d_labels", "did you mean `projection`?"],
        ),
        case("transfer from nowhere", train(&["transfer.freeze_d=2"]), &["transfer without transfer.from"]),
        case(
            "transfer from no file",
            train(&["--transfer", "no.safetensors"]),
            &["transfer.from = no.safetensors", "no such file"],
        ),
        prepared(
            "transfer from other weights",
            other_weights,
            train(&["--transfer", "w.safetensors"]),
            &["w.safetensors", "not a snapshot or state of Frugan"],
        ),
        case(
            "unknown part to transfer",
            train(&["transfer.mode=scale_shif"]),
            &["transfer.mode", "did you mean `scale_shift`?"],
        ),
        case(
            "waiting for what is not measured",
            train(&["train.early_stop.metric=recall"]),
            &["train.early_stop.metric = \"recall\"", "eval.metrics measures"],
        ),
        case("no patience", train(&["train.early_stop.patience=0"]), &["train.early_stop.patience = 0"]),
        case("unknown metric", train(&["eval.metrics=[\"fidd\"]"]), &["eval.metrics = fidd"]),
        case("negative steps", train(&["train.steps=-5"]), &["argument `train.steps=-5`"]),
        case("no steps", train(&["train.steps=0"]), &["train.steps = 0", "1 or more"]),
        case("NaN", train(&["optim.g.lr=nan"]), &["`optim.g.lr = nan`", "not a finite number"]),
        case("infinite", train(&["optim.d.lr=inf"]), &["not a finite number"]),
        case("negative rate", train(&["optim.g.lr=-0.1"]), &["optim.g.lr = -0.1"]),
        case("a word for a number", train(&["optim.batch=many"]), &["`optim.batch = \"many\"`", "expected"]),
        case("a table for a value", train(&["seed.x=1"]), &["`seed` is a value"]),
        case("no value", train(&["seed"]), &["`seed` is not an override", "key=value"]),
        case("not a key", train(&["a..b=1"]), &["is not a key"]),
        case("unknown nonfinite policy", train(&["train.nonfinite=skip"]), &["train.nonfinite", "skip:N"]),
        case("unknown device", train(&["--device", "gpu"]), &["gpu", "cuda"]),
        // Wherever the driver is, there are not so many.
        case("a device out of reach", train(&["--device", "cuda:4096"]), &["device cuda:4096", "--device cpu"]),
        case("a doctor without a patient", vec!["doctor", "--device", "cuda:4096"], &["device cuda:4096"]),
        case("unknown option", train(&["--stepz"]), &["--stepz"]),
        case("open quote in a sweep", vec!["train", "-m", "augment.policy=\"color"], &["not closed"]),
        case("a sweep of twins", vec!["train", "-m", "seed=1,1", "--out", "run"], &["the same"]),
    ]
}

fn data() -> Vec<Case> {
    vec![
        case("batch larger than data", train(&["optim.batch=65"]), &["optim.batch = 65", "64"]),
        case("more images than there are", train(&["data.num_images=900000"]), &["data.num_images = 900000"]),
        case("fraction 0", train(&["data.fraction=0.0"]), &["data.fraction"]),
        case("two sizes", train(&["data.fraction=0.5"]), &["data.num_images = 64", "data.fraction = 0.5"]),
        case(
            "CIFAR that is not there",
            train(&["data=cifar10", "data.download=false"]),
            &["cifar10 was not found", "FRUGAN_DATA"],
        ),
        prepared(
            "truncated batch file",
            truncated_cifar,
            train(&["data=cifar10", "data.root=cifar"]),
            &["truncated", "data_batch_1.bin"],
        ),
        prepared(
            "wrong checksum",
            zero_cifar,
            train(&["data=cifar10", "data.root=cifar"]),
            &["sha256", "data_batch_1.bin"],
        ),
        case("unknown way to mirror", train(&["data.mirror=dubble"]), &["`data.mirror", "did you mean `double`?"]),
        case(
            "unknown sampler",
            train(&["data.sampler=infinite"]),
            &["data.sampler = \"infinite\"", "`infinite` is not known"],
        ),
        case(
            "a seed that numpy has not",
            train(&["data.sampler=infinite_window", "seed=4294967296"]),
            &["seed = 4294967296", "below 2^32"],
        ),
        case("zip without root", train(&["data=zip"]), &["\"zip\" needs data.root"]),
        case("zip that is not there", train(&["data=zip", "data.root=no.zip"]), &["cannot read no.zip"]),
        prepared(
            "zip that is none",
            |s| drop(s.write("a.zip", "no zip")),
            train(&["data=zip", "data.root=a.zip"]),
            &["a.zip is not a whole zip file"],
        ),
        case("folder without root", train(&["data=folder"]), &["data.root"]),
        case("folder that is not there", train(&["data=folder", "data.root=nowhere"]), &["nowhere is not a folder"]),
        prepared(
            "folder without images",
            |s| drop(s.write("images/readme.txt", "none")),
            train(&["data=folder", "data.root=images"]),
            &["no PNG or JPEG"],
        ),
        prepared(
            "broken images, all named",
            broken_images,
            train(&["data=folder", "data.root=images"]),
            &["a.png", "b.png"],
        ),
    ]
}

fn places() -> Vec<Case> {
    vec![
        prepared("out is a file", |s| drop(s.write("run", "mine")), train(&[]), &["--out run", "that is a file"]),
        case("out cannot be made", tiny("train", &["--out", "/proc/frugan"]), &["--out /proc/frugan", "cannot write"]),
        prepared("damaged state", damaged_state, train(&[]), &["state-2.safetensors"]),
        case("no such folder of configs", train(&["--configs", "mine"]), &["--configs mine"]),
        prepared(
            "group file with a foreign key",
            foreign_key,
            train(&["--configs", "mine", "model=odd"]),
            &["does not belong to the group `model`"],
        ),
        prepared(
            "config that is no TOML",
            |s| drop(s.write("c.toml", "seed = = 1\n")),
            vec!["train", "--config", "c.toml"],
            &["c.toml:1"],
        ),
    ]
}

fn tables() -> Vec<Case> {
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
        case("manifest that is not there", vec!["reproduce", "t.toml"], &["t.toml"]),
        prepared(
            "weights of another network",
            other_weights,
            reproduce(&["data=synthetic", "eval.network=inception", "eval.weights=w.safetensors"]),
            &["w.safetensors"],
        ),
    ]
}

fn packs() -> Vec<Case> {
    let pack = |more: &[&'static str]| [&["data", "pack"], more].concat();
    vec![
        case("no such source", pack(&["cifar11", "a.zip"]), &["cifar11: no folder, no zip file", "`cifar10`?"]),
        case("output that is no zip", pack(&["synthetic", "a.png"]), &["a.png", "ends in .zip"]),
        case("output in no folder", pack(&["synthetic", "no/a.zip"]), &["no/a.zip", "there is no folder no"]),
        prepared(
            "output that is a folder",
            |s| fs::create_dir(s.path("a.zip")).unwrap(),
            pack(&["synthetic", "a.zip"]),
            &["a.zip", "that is a folder"],
        ),
        prepared(
            "broken images to pack, all named",
            broken_images,
            pack(&["images", "a.zip"]),
            &["2 of 2 images under images", "a.png", "b.png"],
        ),
        prepared(
            "images of no size",
            broken_images,
            pack(&["images", "a.zip", "--resolution", "0"]),
            &["resolution = 0"],
        ),
        prepared(
            "zip that is none to pack",
            |s| drop(s.write("b.zip", "no zip")),
            pack(&["b.zip", "a.zip"]),
            &["b.zip is not a whole zip file"],
        ),
        prepared(
            "test split of a folder",
            broken_images,
            pack(&["images", "a.zip", "--split", "test"]),
            &["--split test"],
        ),
        prepared(
            "root of a folder",
            broken_images,
            pack(&["images", "a.zip", "data.root=other"]),
            &["`data.root=other` has no effect", "images says where"],
        ),
        case(
            "CIFAR of another size",
            pack(&["cifar10", "a.zip", "--resolution", "64"]),
            &["--resolution 64", "cifar10 are 32x32"],
        ),
        case(
            "CIFAR that is not there to pack",
            pack(&["cifar10", "a.zip", "data.download=false"]),
            &["cifar10 was not found", "FRUGAN_DATA"],
        ),
        prepared(
            "truncated CIFAR to pack",
            truncated_cifar,
            pack(&["cifar10", "a.zip", "data.root=cifar"]),
            &["truncated"],
        ),
        case(
            "a subset of the test split",
            pack(&["synthetic", "a.zip", "--split", "test", "data.num_images=5"]),
            &["`data.num_images=5` has no effect", "--split test"],
        ),
        case(
            "a key that pack does not read",
            pack(&["synthetic", "a.zip", "data.mirror=false"]),
            &["`data.mirror=false` has no effect", "data.num_images"],
        ),
        case(
            "a key of another section",
            pack(&["synthetic", "a.zip", "optim.batch=3"]),
            &["unknown key `optim.batch`"],
        ),
        case("a misspelt key for pack", pack(&["synthetic", "a.zip", "data.num_image=3"]), &["`data.num_images`?"]),
        case("a subset too large to pack", pack(&["synthetic", "a.zip", "data.num_images=9999"]), &["9999", "5000"]),
    ]
}

fn measures() -> Vec<Case> {
    vec![
        case("no such snapshot", vec!["eval", "no.safetensors"], &["no.safetensors"]),
        prepared(
            "damaged snapshot",
            |s| drop(s.write("s.safetensors", [7u8; 40])),
            vec!["eval", "s.safetensors"],
            &["s.safetensors"],
        ),
        prepared(
            "weights for a snapshot",
            other_weights,
            vec!["eval", "w.safetensors", "eval.network=random"],
            &["w.safetensors"],
        ),
        prepared(
            "folder without images to measure",
            |s| drop(s.write("images/readme.txt", "none")),
            vec!["eval", "images", "eval.network=random"],
            &["images"],
        ),
        prepared("broken images to measure", broken_images, vec!["eval", "images", "eval.network=random"], &["a.png"]),
        prepared(
            "unknown key for eval",
            broken_images,
            vec!["eval", "images", "eval.num_fake=10"],
            &["did you mean `eval.num_fakes`?"],
        ),
        case("a key that eval does not read", vec!["eval", "no.safetensors", "optim.batch=10"], &["optim.batch"]),
        case("steps that belong to no way", vec!["generate", "no.safetensors", "--steps", "4"], &["--interpolate"]),
        case("a cutoff of no psi", vec!["generate", "no.safetensors", "--cutoff", "4"], &["--psi"]),
        case(
            "two pictures at once",
            vec!["generate", "no.safetensors", "--mix", "0", "--interpolate", "w"],
            &["--interpolate", "cannot be used with", "--mix"],
        ),
        case("no such way", vec!["generate", "no.safetensors", "--interpolate", "x"], &["--interpolate", "z, w"]),
        case("no such distance", vec!["eval", "no.safetensors", "--nearest", "l2"], &["--nearest", "l1, lpips"]),
        case("neighbours of nothing", vec!["eval", "no.safetensors", "--neighbours", "2"], &["--nearest"]),
        prepared(
            "near to nothing",
            |s| drop(s.write("images/a.png", PIXEL)),
            vec!["eval", "images", "--nearest", "l1", "--samples", "1"],
            &["near to what?", "data=cifar10"],
        ),
        prepared(
            "more samples than images",
            |s| drop(s.write("images/a.png", PIXEL)),
            vec!["eval", "images", "images", "--nearest", "l1"],
            &["--samples 10", "1 images"],
        ),
        case("no such snapshot to draw from", vec!["generate", "no.safetensors"], &["no.safetensors"]),
        prepared(
            "out of generate is a folder",
            |s| fs::create_dir(s.path("d")).unwrap(),
            vec!["generate", "no.safetensors", "--out", "d"],
            &["no.safetensors"],
        ),
    ]
}

/// A PNG of one grey pixel.
const PIXEL: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 58, 126, 155,
    85, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 104, 0, 0, 0, 130, 0, 129, 119, 205, 114, 182, 0, 0, 0, 0, 73, 69,
    78, 68, 174, 66, 96, 130,
];

fn truncated_cifar(scratch: &Scratch) {
    scratch.write("cifar/data_batch_1.bin", [3u8; 1000]);
}

fn zero_cifar(scratch: &Scratch) {
    fs::create_dir(scratch.path("cifar")).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        File::create(scratch.path("cifar").join(format!("{name}.bin"))).unwrap().set_len(30_730_000).unwrap();
    }
}

fn broken_images(scratch: &Scratch) {
    scratch.write("images/a.png", b"\x89PNG\r\n\x1a\nno more");
    scratch.write("images/b.png", "no picture");
}

/// A state that a crash of the disk, not of the program, left behind.
fn damaged_state(scratch: &Scratch) {
    scratch.write("run/state-2.safetensors", [1u8; 100]);
}

fn foreign_key(scratch: &Scratch) {
    scratch.write("mine/model/odd.toml", "# odd\n[optim]\nbatch = 3\n");
}

/// A valid safetensors file with one tensor that no network of ours has.
fn other_weights(scratch: &Scratch) {
    let head = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head);
    bytes.extend(1f32.to_le_bytes());
    scratch.write("w.safetensors", bytes);
}

/// The sentence, and the files before and after.
fn check(case: &Case) -> Result<String, String> {
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

fn check_all(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        match check(case) {
            Ok(sentence) => println!("{}: {sentence}", case.name),
            Err(why) => failures.push(format!("{}: {why}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

#[test]
fn overrides_that_cannot_be() {
    check_all(&overrides());
}

#[test]
fn data_that_cannot_be() {
    check_all(&data());
}

#[test]
fn places_that_cannot_be() {
    check_all(&places());
}

#[test]
fn tables_that_cannot_be() {
    check_all(&tables());
}

#[test]
fn packs_that_cannot_be() {
    check_all(&packs());
}

#[test]
fn measures_that_cannot_be() {
    check_all(&measures());
}

/// Needs the right to mount; elsewhere it says that it did not run.
#[test]
fn a_full_disk_ends_in_a_sentence_and_leaves_whole_files() {
    let scratch = Scratch::new();
    let disk = scratch.path("disk");
    fs::create_dir(&disk).unwrap();
    let Some(_mount) = Mount::tmpfs(&disk, "size=200k") else {
        println!("skipped: mounting a tmpfs is not permitted here");
        return;
    };
    let ran = scratch.run(&tiny("train", &["--out", "disk/run"]));
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    let errors: Vec<&str> = ran.err.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && errors[0].contains("No space left"), "{}", ran.err);
    let files = contents(&disk);
    assert!(!files.keys().any(|name| name.contains(".part") || name.contains(".tmp")), "{:?}", files.keys());
    assert!(files.iter().all(|(name, bytes)| !name.ends_with(".safetensors") || !bytes.is_empty()));
}

struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(dir: &'a Path, options: &str) -> Option<Self> {
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir)
            .output()
            .is_ok_and(|out| out.status.success());
        mounted.then_some(Self(dir))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_table_of_cases() {
    let count = overrides().len() + data().len() + places().len() + tables().len() + packs().len() + measures().len();
    assert!(count >= 25, "{count}");
}
