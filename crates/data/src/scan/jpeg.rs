//! Whether a JPEG is whole: decoders fill what is missing with grey and say nothing.

/// Follows the segments to the end-of-image marker (ITU-T T.81, annex B).
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2;
    loop {
        let Some(marker) = next_marker(bytes, &mut at) else { return false };
        match marker {
            END_OF_IMAGE => return true,
            // Without a length: TEM and restarts.
            0x01 | 0xd0..=0xd7 => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..at + 2) else { return false };
                at += usize::from(u16::from_be_bytes([high, low]));
                if marker == START_OF_SCAN {
                    skip_entropy_coded(bytes, &mut at);
                }
            }
        }
    }
}

/// Reads `ff .. ff marker`.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    if *bytes.get(*at)? != 0xff {
        return None;
    }
    while *bytes.get(*at)? == 0xff {
        *at += 1;
    }
    *at += 1;
    Some(bytes[*at - 1])
}

/// Stops at the first marker that is neither a stuffed zero nor a restart.
fn skip_entropy_coded(bytes: &[u8], at: &mut usize) {
    while let Some(&byte) = bytes.get(*at) {
        let next = bytes.get(*at + 1).copied().unwrap_or_default();
        if byte == 0xff && !matches!(next, 0x00 | 0xd0..=0xd7) {
            return;
        }
        *at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg() -> Vec<u8> {
        let image = image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([x as u8 * 16, y as u8 * 16, (x * y) as u8]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("in memory");
        bytes.into_inner()
    }

    #[test]
    fn every_cut_is_seen() {
        let mut bytes = jpeg();
        assert!(is_whole(&bytes));
        for length in 0..bytes.len() {
            assert!(!is_whole(&bytes[..length]), "cut to {length} bytes");
        }
        bytes.extend(b"a camera's own data");
        assert!(is_whole(&bytes));
    }
}
