//! Images in a grid as a PNG, or one grid after another as an animated GIF.

use std::path::Path;

use anyhow::Result;
use frugan_train::{Grid, tiled};
use gif::{Encoder, Frame, Repeat};

use crate::failure::input;
use crate::runs::lift;

/// A byte of a tile with nothing in it.
pub(crate) const WHITE: u8 = 255;
/// Time of a frame, in hundredths of a second.
const DELAY: u16 = 8;
/// Of the search for 256 colours, 1 (careful) to 30.
const SPEED: i32 = 3;

/// Bytes `[rows * columns, C, H, W]` as a grid; the file is whole or not there.
pub(crate) fn write_png(path: &Path, pixels: &[u8], shape: [usize; 3], rows: usize, columns: usize) -> Result<()> {
    let grid = Grid::new(pixels, shape, rows, columns);
    frugan_train::write_atomic(path, &grid.png).map_err(lift)
}

/// Each moment, bytes `[n, C, H, W]`, as one picture of about as many rows as columns; from the first to the last, back, and
/// again.
pub(crate) fn write_gif(path: &Path, moments: &[Vec<u8>], shape: [usize; 3]) -> Result<()> {
    let image: usize = shape.iter().product();
    let count = moments.iter().map(|moment| moment.len() / image).max().unwrap_or(0);
    let columns = (1..=count).find(|columns| columns * columns >= count).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let picture = |moment: &Vec<u8>| {
        let mut tiles = moment.clone();
        tiles.resize(rows * columns * image, WHITE);
        tiled(&tiles, shape, rows, columns)
    };
    let pictures: Vec<(Vec<u8>, [usize; 2])> = moments.iter().map(picture).collect();
    let [height, width] = pictures.first().map_or([1, 1], |(_, size)| *size);
    let side = |side: usize| {
        let most = u16::MAX;
        u16::try_from(side).map_err(|_| {
            input(format!("a GIF of {width}x{height} pixels: its sides end at {most}; draw fewer samples"))
        })
    };
    let (width, height) = (side(width)?, side(height)?);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    let frame = |(rgb, _): &(Vec<u8>, [usize; 2])| {
        let mut frame = Frame::from_rgb_speed(width, height, rgb, SPEED);
        frame.delay = DELAY;
        frame
    };
    let there: Vec<Frame<'_>> = pictures.iter().map(frame).collect();
    let back = there.iter().rev().skip(1).take(there.len().saturating_sub(2));
    for frame in there.iter().chain(back) {
        encoder.write_frame(frame)?;
    }
    drop(encoder);
    frugan_train::write_atomic(path, &bytes).map_err(lift)
}
