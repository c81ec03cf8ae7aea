//! Images of any size as squares of one size, byte for byte as Pillow makes them.
//!
//! The data set tools of StyleGAN crop and resize by Pillow, and the published few-shot numbers rest on what it gives.
//! The crate `image` has the same filter, but rounds once where Pillow rounds after each axis, so its bytes differ.

use image::{DynamicImage, GrayImage, RgbImage};
use std::f64::consts::PI;

/// Lobes of the filter on each side.
const RADIUS: f64 = 3.0;
/// Bits behind the point of a weight.
const PRECISION: u32 = 22;

/// The central square of an image, resized to `side` by Lanczos' filter, which is widened where the image shrinks
/// (antialiased): Pillow's `Image.crop`, then `Image.resize(.., LANCZOS)`. Grey images stay grey, others become RGB.
///
/// An image that is such a square stays as it is.
///
/// # Panics
/// When `side` is 0.
///
/// ```
/// use frugan_data::to_square;
/// let wide = image::RgbImage::from_pixel(31, 20, image::Rgb([10, 20, 30]));
/// let square = to_square(wide.into(), 16).into_rgb8();
/// assert_eq!((square.dimensions(), square.get_pixel(3, 4).0), ((16, 16), [10, 20, 30]));
/// ```
pub fn to_square(image: DynamicImage, side: usize) -> DynamicImage {
    assert!(side > 0, "a square of side 0");
    let (width, height) = (image.width(), image.height());
    let crop = width.min(height);
    let square = match width == height {
        true => image,
        false => image.crop_imm((width - crop) / 2, (height - crop) / 2, crop, crop),
    };
    let from = crop as usize;
    if from == side {
        return square;
    }
    let channels = if square.color().has_color() { 3 } else { 1 };
    let pixels = if channels == 3 { square.into_rgb8().into_raw() } else { square.into_luma8().into_raw() };
    let taps = taps(from, side);
    // Rows first: the order is part of the result, for each axis rounds to bytes.
    let narrowed = along_axis(&pixels, [from, from, channels], &taps);
    let pixels = along_axis(&narrowed, [1, from, side * channels], &taps);
    let side = side as u32;
    let image = match channels {
        3 => RgbImage::from_raw(side, side, pixels).map(DynamicImage::from),
        _ => GrayImage::from_raw(side, side, pixels).map(DynamicImage::from),
    };
    image.expect("side times side pixels")
}

/// The inputs of one output, and their weights, which sum to one.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let widening = scale.max(1.0);
    let reach = RADIUS * widening;
    let taps = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(from);
        let weight = |input: usize| lanczos((input as f64 - centre + 0.5) * (1.0 / widening));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: &f64| (weight / sum * f64::from(1 << PRECISION)).round() as i32;
        Taps { first, weights: weights.iter().map(fixed).collect() }
    };
    (0..to).map(taps).collect()
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    if (-RADIUS..RADIUS).contains(&x) { sinc(x) * sinc(x / RADIUS) } else { 0.0 }
}

/// Filters the middle axis of `[outer, length, inner]` bytes.
fn along_axis(pixels: &[u8], [outer, length, inner]: [usize; 3], taps: &[Taps]) -> Vec<u8> {
    let mut out = Vec::with_capacity(outer * taps.len() * inner);
    let mut sums = vec![0; inner];
    for block in pixels.chunks_exact(length * inner) {
        for Taps { first, weights } in taps {
            sums.fill(1 << (PRECISION - 1));
            for (line, weight) in block[first * inner..].chunks_exact(inner).zip(weights) {
                sums.iter_mut().zip(line).for_each(|(sum, pixel)| *sum += i32::from(*pixel) * weight);
            }
            out.extend(sums.iter().map(|sum| (sum >> PRECISION).clamp(0, 255) as u8));
        }
    }
    out
}
