//! Decodes every image, in parallel, and keeps what fits.

use super::listing::Listing;
use super::report::{Fault, Offender, Report};
use super::{jpeg, relative};
use crate::error::{Error, Result};
use image::error::ImageError;
use image::{ColorType, DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;

pub(super) struct Images {
    pub(super) shape: [usize; 3],
    /// `[N, C, H, W]` in the listing's order.
    pub(super) pixels: Vec<u8>,
}

/// What a file's header says.
#[derive(Clone, Copy)]
struct Header {
    width: usize,
    height: usize,
    colour: ColorType,
}

type Defect = (Fault, String);

/// Two passes: headers give the side and the channels that all should have; then every file is decoded, so that one
/// report names the wrong and the broken together.
pub(super) fn read(root: &Path, listing: &Listing, resolution: Option<usize>) -> Result<Images> {
    let headers: Vec<Option<Header>> = listing.files.par_iter().map(|path| header(path)).collect();
    let known: Vec<Header> = headers.iter().copied().flatten().collect();
    let side = resolution.unwrap_or_else(|| most_common_side(&known));
    let channels = if known.iter().any(|header| header.colour.has_color()) { 3 } else { 1 };
    let misfits: Vec<Vec<Defect>> =
        headers.iter().map(|header| header.map_or_else(Vec::new, |header| defects(header, side, channels))).collect();
    let all_fit = known.len() == headers.len() && misfits.iter().all(Vec::is_empty);
    // One image that does not fit is enough to keep none: then only defects are collected.
    let mut pixels = vec![0; if all_fit { listing.files.len() * channels * side * side } else { 0 }];
    let mut slots: Vec<&mut [u8]> = if all_fit {
        pixels.chunks_exact_mut(channels * side * side).collect()
    } else {
        listing.files.iter().map(|_| &mut [][..]).collect()
    };
    let broken: Vec<Option<Defect>> =
        listing.files.par_iter().zip(&mut slots).map(|(path, slot)| decode(path, channels, slot).err()).collect();

    let mut offenders = listing.offenders.clone();
    for ((misfits, broken), path) in misfits.into_iter().zip(broken).zip(&listing.files) {
        let offender = |(fault, detail)| Offender::new(fault, relative(path, root), detail);
        offenders.extend(misfits.into_iter().chain(broken).map(offender));
    }
    if offenders.is_empty() {
        return Ok(Images { shape: [channels, side, side], pixels });
    }
    let count = listing.files.len() + listing.offenders.iter().filter(|o| o.fault == Fault::Format).count();
    Err(Error::Folder(Box::new(Report::new(root, count, side, offenders))))
}

fn header(path: &Path) -> Option<Header> {
    let decoder = ImageReader::open(path).ok()?.with_guessed_format().ok()?.into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    Some(Header { width: width as usize, height: height as usize, colour: decoder.color_type() })
}

/// Of the square images; the larger of two that are as common.
fn most_common_side(headers: &[Header]) -> usize {
    let mut sides: Vec<usize> = headers.iter().filter(|h| h.width == h.height).map(|h| h.width).collect();
    sides.sort_unstable();
    let groups = sides.chunk_by(|a, b| a == b);
    groups.max_by_key(|group| group.len()).map_or(32, |group| group[0])
}

fn defects(header: Header, side: usize, channels: usize) -> Vec<Defect> {
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
    if channels == 3 && !colour.has_color() {
        add(Fault::Grey, "");
    }
    if width != height {
        add(Fault::NonSquare, &size);
    } else if width != side {
        add(Fault::Size, &size);
    }
    defects
}

/// Decodes a whole file, and writes its planes `[C, H, W]` into `slot` unless that is empty.
fn decode(path: &Path, channels: usize, slot: &mut [u8]) -> Result<(), Defect> {
    let unreadable = |reason: String| (Fault::Unreadable, format!("({reason})"));
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
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
    let planes = planes(&image, channels);
    if planes.len() != slot.len() {
        return Err(unreadable("it changed while it was read".to_owned()));
    }
    slot.copy_from_slice(&planes);
    Ok(())
}

fn planes(image: &DynamicImage, channels: usize) -> Vec<u8> {
    if channels == 1 {
        return image.to_luma8().into_raw();
    }
    let pixels = image.to_rgb8().into_raw();
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}
