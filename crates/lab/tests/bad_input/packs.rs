//! `frugan data`.

use std::fs;

use crate::broken::{broken_images, truncated_cifar};
use crate::case::{Case, case, prepared};

pub(crate) fn packs() -> Vec<Case> {
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
