//! Which C library a binary asks for.

use std::fmt;

/// A version of glibc: major, minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// The newest version among the names `GLIBC_2.34` of a dynamically linked ELF file; `None` where it has none.
///
/// The names stand in its string table as they are; a name inside other data could only make the answer too new.
pub(crate) fn needed_by(elf: &[u8]) -> Option<Version> {
    const PREFIX: &[u8] = b"GLIBC_";
    elf.windows(PREFIX.len())
        .enumerate()
        .filter(|(_, window)| *window == PREFIX)
        .filter_map(|(at, _)| version(&elf[at + PREFIX.len()..]))
        .max()
}

/// `2.34` up to the first byte that is neither a digit nor a dot.
fn version(text: &[u8]) -> Option<Version> {
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').unwrap_or(text.len());
    let mut parts = std::str::from_utf8(&text[..end]).ok()?.split('.').map(|part| part.parse().ok());
    Some(Version(parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_name_counts_by_number() {
        let elf = b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.3.4\0GLIBC_PRIVATE\0";
        assert_eq!(needed_by(elf), Some(Version(2, 34)));
        assert!(Version(2, 4) < Version(2, 34));
        assert_eq!(needed_by(b"static"), None);
    }
}
