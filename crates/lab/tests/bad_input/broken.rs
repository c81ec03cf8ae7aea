//! Files that are not what they should be.

use std::fs::{self, File};

use crate::support::Scratch;

/// A PNG of one grey pixel.
pub(crate) const PIXEL: &[u8] = &[
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 58, 126, 155,
    85, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 104, 0, 0, 0, 130, 0, 129, 119, 205, 114, 182, 0, 0, 0, 0, 73, 69,
    78, 68, 174, 66, 96, 130,
];

pub(crate) fn truncated_cifar(scratch: &Scratch) {
    scratch.write("cifar/data_batch_1.bin", [3u8; 1000]);
}

pub(crate) fn zero_cifar(scratch: &Scratch) {
    fs::create_dir(scratch.path("cifar")).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
        File::create(scratch.path("cifar").join(format!("{name}.bin"))).unwrap().set_len(30_730_000).unwrap();
    }
}

pub(crate) fn broken_images(scratch: &Scratch) {
    scratch.write("images/a.png", b"\x89PNG\r\n\x1a\nno more");
    scratch.write("images/b.png", "no picture");
}

/// A state that a crash of the disk, not of the program, left behind.
pub(crate) fn damaged_state(scratch: &Scratch) {
    scratch.write("run/state-2.safetensors", [1u8; 100]);
}

pub(crate) fn foreign_key(scratch: &Scratch) {
    scratch.write("mine/model/odd.toml", "# odd\n[optim]\nbatch = 3\n");
}

/// A valid safetensors file with one tensor that no network of ours has.
pub(crate) fn other_weights(scratch: &Scratch) {
    let head = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
    bytes.extend(head);
    bytes.extend(1f32.to_le_bytes());
    scratch.write("w.safetensors", bytes);
}

/// Two images in one folder, one of another size in the other.
pub(crate) fn two_sizes(scratch: &Scratch) {
    for (path, side) in [("small/a.png", 8), ("small/b.png", 8), ("large/a.png", 16)] {
        let path = scratch.write(path, "");
        image::RgbImage::from_fn(side, side, |x, y| image::Rgb([(x * y) as u8; 3])).save(path).unwrap();
    }
}
