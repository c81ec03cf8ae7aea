//! Cropping and resizing: the bytes that Pillow makes of the same images (`Image.resize` with `LANCZOS`).
#![allow(clippy::unwrap_used)]

use frugan_data::checksum::sha256;
use frugan_data::to_square;
use image::{Rgb, RgbImage};

/// 23x17 to 8x8: the red, green and blue planes.
#[rustfmt::skip]
const SHRUNK: [u8; 192] = [
    42, 96, 193, 129, 102, 89, 105, 150, 49, 120, 150, 69, 127, 96, 115, 159, 60, 131, 157, 76, 138, 107, 128, 179,
    71, 142, 167, 88, 148, 122, 119, 100, 81, 152, 188, 99, 156, 135, 121, 69, 91, 165, 149, 106, 180, 143, 132, 89,
    101, 181, 75, 108, 132, 163, 147, 97, 111, 191, 96, 115, 72, 130, 130, 114, 26, 41, 56, 71, 85, 100, 115, 130,
    39, 54, 69, 84, 98, 113, 127, 140, 72, 84, 98, 113, 128, 142, 164, 189, 119, 144, 167, 181, 192, 213, 194, 164,
    203, 166, 142, 171, 89, 74, 63, 31, 80, 60, 47, 65, 86, 113, 135, 160, 142, 145, 164, 185, 167, 113, 132, 143,
    146, 63, 71, 91, 90, 72, 89, 103, 61, 84, 108, 95, 95, 115, 150, 106, 151, 158, 149, 107, 134, 128, 128, 188,
    141, 99, 95, 106, 127, 119, 107, 91, 107, 107, 92, 123, 112, 88, 112, 123, 97, 103, 124, 132, 109, 136, 120,
    121, 124, 128, 108, 111, 121, 115, 107, 140, 150, 91, 135, 116, 148, 131, 98, 135, 110, 113, 85, 118, 91, 117,
    150, 106,
];

/// Rough and of any size, with jumps that make the filter overshoot.
fn picture(width: u32, height: u32) -> RgbImage {
    let value = |x, y| [(x * x * 3 + y * 5) % 251, (x * 7 + y * y * 2) % 241, (x * y * 11 + 40) % 239];
    RgbImage::from_fn(width, height, |x, y| Rgb(value(x, y).map(|v: u32| v as u8)))
}

fn planes(image: &RgbImage) -> Vec<u8> {
    (0..3).flat_map(|c| image.pixels().map(move |pixel| pixel.0[c])).collect()
}

#[test]
fn a_small_image_is_pillows() {
    assert_eq!(planes(&to_square(picture(23, 17).into(), 8).into_rgb8()), SHRUNK);
}

/// SHA-256 of Pillow's pixels, interleaved.
#[test]
fn images_of_many_sizes_are_pillows() {
    let table = [
        (300, 260, 64, "81f461e803549a3ecdc372b30f79a43822393caccbaddd8bc590e114562e1ad7"),
        (128, 129, 64, "75a988514cecc9c369039a567142502819c43251b43463d898b4bcc9177c31b3"),
        (33, 33, 32, "b736f68efe8a5c2f66807e709375412f3ea10b3c386edd6b94348ff4cc08acdc"),
        (50, 70, 333, "d6540165300c06f57f4e5369673d5ab7d0dc034ba92844dadcd035317a4a36da"),
        (256, 256, 256, "1d99af7d9e661a6b2fde311094b2f60db7530ae048bf5adefeb83432895b46e3"),
    ];
    for (width, height, side, expected) in table {
        let square = to_square(picture(width, height).into(), side).into_rgb8();
        assert_eq!(sha256(square.as_raw()), expected, "{width}x{height} to {side}");
    }
}

#[test]
fn a_grey_image_is_resized_as_each_of_three_equal_planes() {
    let grey = image::GrayImage::from_fn(40, 31, |x, y| image::Luma([(x * y * 3 % 256) as u8]));
    let colour = image::DynamicImage::from(grey.clone()).into_rgb8();
    let (grey, colour) = (to_square(grey.into(), 12).into_luma8(), to_square(colour.into(), 12).into_rgb8());
    assert!(grey.pixels().zip(colour.pixels()).all(|(grey, rgb)| rgb.0 == [grey.0[0]; 3]));
}

#[test]
fn a_square_of_the_side_stays_and_others_lose_their_ends() {
    assert_eq!(to_square(picture(12, 12).into(), 12).into_rgb8(), picture(12, 12));
    let tall = to_square(picture(9, 14).into(), 9).into_rgb8();
    assert_eq!(tall, image::imageops::crop_imm(&picture(9, 14), 0, 2, 9, 9).to_image());
}
