//! Decodes every image of a listing, in parallel, and keeps what fits.
//!
//! Everything is looked at before anything is trained on: every image is decoded, and all that do not fit are
//! reported together, with what to do about each kind. Folders and archives share it.

mod jpeg;
mod listing;
mod report;

pub(crate) use listing::{Kind, Listing};
pub use report::{Fault, Offender, Report};

use crate::error::{Error, Result};
use crate::memory;
use crate::resize::to_square;
use image::error::ImageError;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use rayon::prelude::*;
use std::io::{BufRead, Cursor, Seek};
use std::path::Path;

/// Where the bytes of the listed files come from; files are asked for by their place in the listing.
pub(crate) trait Source: Sync {
    /// What the file's header says; none where it has none.
    fn header(&self, index: usize) -> Option<Header>;
    /// All of it.
    fn bytes(&self, index: usize) -> std::io::Result<Vec<u8>>;
}

pub(crate) struct Images {
    pub(crate) shape: [usize; 3],
    /// `[N, C, H, W]` in the listing's order.
    pub(crate) pixels: Vec<u8>,
    /// How many were cropped or resized.
    resized: usize,
}

impl Images {
    /// What the data set is called: the place's own name, and what was done to its images.
    pub(crate) fn name_of(&self, place: &Path) -> String {
        let name = place.file_name().map_or_else(|| "images".into(), |name| name.to_string_lossy());
        let [_, side, _] = self.shape;
        match self.resized {
            0 => name.into_owned(),
            resized => format!("{name} ({resized} images resized to {side}x{side})"),
        }
    }
}

/// What a file's header says.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    width: usize,
    height: usize,
    colour: ColorType,
}

impl Header {
    /// Reads no more than the header of a PNG or JPEG.
    pub(crate) fn read(file: impl BufRead + Seek) -> Option<Self> {
        let decoder = ImageReader::new(file).with_guessed_format().ok()?.into_decoder().ok()?;
        let (width, height) = decoder.dimensions();
        Some(Self { width: width as usize, height: height as usize, colour: decoder.color_type() })
    }

    fn is_square_of(&self, side: usize) -> bool {
        [self.width, self.height] == [side; 2]
    }
}

/// What all images should have, and what is done to those of another size.
#[derive(Clone, Copy)]
struct Target {
    side: usize,
    channels: usize,
    /// Whether images of another size are cropped and resized; else they are offenders.
    resize: bool,
}

type Defect = (Fault, String);

/// Two passes: headers give the side and the channels that all should have; then every file is decoded, so that one
/// report names the wrong and the broken together. With a `resolution`, images of another size are cropped to their
/// central square and resized to it ([`to_square`]); without, the side is that of most images, and others do not fit.
/// `root` is what the report calls the place.
pub(crate) fn read(root: &Path, listing: &Listing, source: &dyn Source, resolution: Option<usize>) -> Result<Images> {
    let count = listing.names.len();
    let headers: Vec<Option<Header>> = (0..count).into_par_iter().map(|index| source.header(index)).collect();
    let known: Vec<Header> = headers.iter().copied().flatten().collect();
    let target = Target {
        side: resolution.unwrap_or_else(|| most_common_side(&known)),
        channels: if known.iter().any(|header| header.colour.has_color()) { 3 } else { 1 },
        resize: resolution.is_some(),
    };
    let misfits: Vec<Vec<Defect>> =
        headers.iter().map(|header| header.map_or_else(Vec::new, |header| defects(header, target))).collect();
    let all_fit = known.len() == count && misfits.iter().all(Vec::is_empty);
    let shape = [target.channels, target.side, target.side];
    // One image that does not fit is enough to keep none: then only defects are collected.
    let mut pixels = if all_fit { memory::zeros(count, shape)? } else { Vec::new() };
    let mut slots: Vec<&mut [u8]> = match all_fit {
        true => pixels.chunks_exact_mut(shape.iter().product()).collect(),
        false => (0..count).map(|_| &mut [][..]).collect(),
    };
    let decoded = slots.par_iter_mut().enumerate().map(|(index, slot)| decode(source.bytes(index), target, slot).err());
    let broken: Vec<Option<Defect>> = decoded.collect();

    let mut offenders = listing.offenders.clone();
    for ((misfits, broken), name) in misfits.into_iter().zip(broken).zip(&listing.names) {
        offenders.extend(misfits.into_iter().chain(broken).map(|(fault, detail)| Offender::new(fault, name, detail)));
    }
    if offenders.is_empty() {
        let resized = known.iter().filter(|header| !header.is_square_of(target.side)).count();
        return Ok(Images { shape, pixels, resized });
    }
    let named = count + listing.offenders.iter().filter(|o| matches!(o.fault, Fault::Format | Fault::Missing)).count();
    Err(Error::Folder(Box::new(Report::new(root, named, target.side, offenders))))
}

/// Of the square images; the larger of two that are as common.
fn most_common_side(headers: &[Header]) -> usize {
    let mut sides: Vec<usize> = headers.iter().filter(|h| h.width == h.height).map(|h| h.width).collect();
    sides.sort_unstable();
    let groups = sides.chunk_by(|a, b| a == b);
    groups.max_by_key(|group| group.len()).map_or(32, |group| group[0])
}

fn defects(header: Header, target: Target) -> Vec<Defect> {
    let Header { width, height, colour } = header;
    let size = format!("{width}x{height}");
    let mut defects = Vec::new();
    let mut add = |fault, detail: &str| defects.push((fault, detail.to_owned()));
    if colour.has_alpha() {
        add(Fault::Alpha, "");
    }
    if colour.bits_per_pixel() > 8 * u16::from(colour.channel_count()) {
        add(Fault::Depth, "");
    }
    if target.channels == 3 && !colour.has_color() {
        add(Fault::Grey, "");
    }
    match target.resize {
        true => {}
        false if width != height => add(Fault::NonSquare, &size),
        false if width != target.side => add(Fault::Size, &size),
        false => {}
    }
    defects
}

/// Decodes a whole file, and writes its planes `[C, H, W]` into `slot` unless that is empty.
fn decode(file: std::io::Result<Vec<u8>>, target: Target, slot: &mut [u8]) -> Result<(), Defect> {
    let unreadable = |reason: String| (Fault::Unreadable, format!("({reason})"));
    let bytes = file.map_err(|error| unreadable(error.to_string()))?;
    if bytes.is_empty() {
        return Err((Fault::Truncated, "(empty)".to_owned()));
    }
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let reader = reader.map_err(|error| unreadable(error.to_string()))?;
    match reader.format() {
        Some(ImageFormat::Jpeg) if !jpeg::is_whole(&bytes) => return Err((Fault::Truncated, String::new())),
        Some(ImageFormat::Jpeg | ImageFormat::Png) => {}
        _ => return Err(unreadable("its content is neither PNG nor JPEG".to_owned())),
    }
    let image = reader.decode().map_err(|error| match &error {
        ImageError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => (Fault::Truncated, String::new()),
        _ => unreadable(error.to_string()),
    })?;
    if slot.is_empty() {
        return Ok(());
    }
    let planes = planes(image, target);
    if planes.len() != slot.len() {
        return Err(unreadable("it changed while it was read".to_owned()));
    }
    slot.copy_from_slice(&planes);
    Ok(())
}

fn planes(image: DynamicImage, target: Target) -> Vec<u8> {
    let image: DynamicImage = if target.channels == 1 { image.into_luma8().into() } else { image.into_rgb8().into() };
    let image = if target.resize { to_square(image, target.side) } else { image };
    let pixels = image.into_bytes();
    let channels = target.channels;
    (0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect()
}
