//! Values and places of a training.

use crate::broken::{damaged_state, foreign_key, other_weights};
use crate::case::{Case, case, prepared, train};
use crate::support::tiny;

pub(crate) fn overrides() -> Vec<Case> {
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
            "transfer from a folder",
            |s| std::fs::create_dir(s.path("old")).unwrap(),
            train(&["--transfer", "old"]),
            &["--transfer old", "that is a folder", "snapshot-STEP.safetensors"],
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
        case(
            "a decay where a half-life averages",
            train(&["optim=stylegan2", "optim.ema.decay=0.99"]),
            &["`optim.ema.decay`", "has no effect", "set that in its place"],
        ),
        case(
            "more fakes than a life can see",
            train(&["eval.num_fakes=99999999"]),
            &["eval.num_fakes = 99999999: expected at most 10000000 images"],
        ),
        case("unknown precision", train(&["precision=f8"]), &["precision", "f8"]),
        case(
            "half precision on the CPU",
            train(&["precision=bf16", "--device", "cpu"]),
            &["precision = \"bf16\"", "--device cuda"],
        ),
        case("unknown device", train(&["--device", "gpu"]), &["gpu", "cuda"]),
        // Wherever the driver is, there are not so many.
        case("a device out of reach", train(&["--device", "cuda:4096"]), &["device cuda:4096", "--device cpu"]),
        case("a doctor without a patient", vec!["doctor", "--device", "cuda:4096"], &["device cuda:4096"]),
        case("unknown option", train(&["--stepz"]), &["--stepz"]),
        case("open quote in a sweep", vec!["train", "-m", "augment.policy=\"color"], &["not closed"]),
        case("a sweep of twins", vec!["train", "-m", "seed=1,1", "--out", "run"], &["the same: seed=1 and seed=1"]),
        case(
            "a sweep of one value written in two ways",
            vec!["train", "-m", "optim.g.lr=1e-3,0.001", "--out", "run"],
            &["the same: lr=1e-3 and lr=0.001"],
        ),
        case(
            "a key twice in a sweep",
            vec!["train", "-m", "optim.batch=8,16", "seed=0", "optim.batch=16", "--out", "run"],
            &["`optim.batch=8,16` and argument `optim.batch=16`", "optim.batch=A,B"],
        ),
        case(
            "more ranks than a machine has",
            train(&["optim.batch=1000", "data.num_images=1000", "--gpus", "1000", "--device", "cpu"]),
            &["ranks.count = 1000 on the CPU", "ranks at most"],
        ),
    ]
}

pub(crate) fn places() -> Vec<Case> {
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
