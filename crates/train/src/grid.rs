//! Sample grids as PNG files.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};

/// A picture of `rows` x `columns` tiles with a pixel of white between them.
#[derive(Clone, Debug)]
pub struct Grid {
    /// PNG bytes.
    pub png: Vec<u8>,
    /// Height and width in pixels.
    pub size: [usize; 2],
}

impl Grid {
    /// `images` are u8, `[rows * columns, C, H, W]`, C of 1 or 3; a row of the grid holds consecutive images.
    ///
    /// # Panics
    /// If the length does not fit, which is a caller's bug.
    pub fn new(images: &[u8], [channels, height, width]: [usize; 3], rows: usize, columns: usize) -> Self {
        let (rgb, size) = tiled(images, [channels, height, width], rows, columns);
        let canvas = RgbImage::from_raw(size[1] as u32, size[0] as u32, rgb).expect("three bytes a pixel");
        let mut png = Cursor::new(Vec::new());
        canvas.write_to(&mut png, ImageFormat::Png).expect("a PNG in memory");
        Self { png: png.into_inner(), size }
    }
}

/// The pixels of a [`Grid`], `[height, width, 3]`, and its height and width.
///
/// # Panics
/// As [`Grid::new`].
pub fn tiled(
    images: &[u8],
    [channels, height, width]: [usize; 3],
    rows: usize,
    columns: usize,
) -> (Vec<u8>, [usize; 2]) {
    assert_eq!(images.len(), rows * columns * channels * height * width, "{rows}x{columns} tiles");
    let size = [rows * (height + 1) + 1, columns * (width + 1) + 1];
    let mut rgb = vec![255; 3 * size[0] * size[1]];
    let area = height * width;
    for (tile, image) in images.chunks_exact(channels * area).enumerate() {
        let (top, left) = (1 + tile / columns * (height + 1), 1 + tile % columns * (width + 1));
        for at in 0..area {
            let pixel = (top + at / width) * size[1] + left + at % width;
            for c in 0..3 {
                rgb[3 * pixel + c] = image[c.min(channels - 1) * area + at];
            }
        }
    }
    (rgb, size)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use image::Rgb;

    use super::*;

    #[test]
    fn tiles_land_where_they_belong() {
        let images: Vec<u8> = (0..4 * 3 * 2 * 2).map(|i| (i / 12 * 50) as u8).collect();
        let grid = Grid::new(&images, [3, 2, 2], 2, 2);
        assert_eq!(grid.size, [7, 7]);
        let picture = image::load_from_memory(&grid.png).unwrap().to_rgb8();
        assert_eq!(picture.get_pixel(0, 0), &Rgb([255; 3]));
        assert_eq!(picture.get_pixel(5, 1), &Rgb([50; 3]));
        assert_eq!(picture.get_pixel(1, 5), &Rgb([100; 3]));
    }
}
