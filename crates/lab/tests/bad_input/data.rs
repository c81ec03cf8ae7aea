//! Data sets that cannot be read.

use crate::broken::{broken_images, truncated_cifar, zero_cifar};
use crate::case::{Case, case, prepared, train};

pub(crate) fn data() -> Vec<Case> {
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
