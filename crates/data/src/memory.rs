//! Room for a set's pixels, asked for before they are read.

use crate::error::{Error, Result};

/// Copies of the pixels that are held at once while a set is read: what was decoded, the whole set, a split.
const COPIES: f64 = 3.0;

/// Zeros for `images` images of `[C, H, W]`, if the machine's memory holds what becomes of them.
pub(crate) fn zeros(images: usize, shape: [usize; 3]) -> Result<Vec<u8>> {
    let wanted = COPIES * shape.iter().fold(images as f64, |bytes, n| bytes * *n as f64);
    let free = free();
    let too_large = || Error::Memory { images, side: shape[1], wanted, free };
    if free.is_some_and(|free| wanted > free) {
        return Err(too_large());
    }
    let bytes = shape.iter().try_fold(images, |bytes, n| bytes.checked_mul(*n)).ok_or_else(too_large)?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(bytes).map_err(|_| too_large())?;
    pixels.resize(bytes, 0);
    Ok(pixels)
}

/// Bytes that programs may still take, where the system says so (Linux).
fn free() -> Option<f64> {
    free_of(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn free_of(meminfo: &str) -> Option<f64> {
    let kilobytes = |name: &str| -> Option<f64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some((kilobytes("MemAvailable")? + kilobytes("SwapFree").unwrap_or(0.0)) * 1024.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_systems_answer_is_read() {
        let text = "MemTotal:       8000000 kB\nMemAvailable:    4000000 kB\nSwapFree:         100 kB\n";
        assert_eq!(free_of(text), Some(4_000_100.0 * 1024.0));
        assert_eq!(free_of("MemTotal: 8 kB\n"), None);
    }

    #[test]
    fn what_no_machine_holds_is_refused() {
        assert_eq!(zeros(2, [3, 4, 4]).unwrap(), [0; 96]);
        for side in [1_000_000, usize::MAX] {
            let error = zeros(40, [3, side, side]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("40 images of {side}x{side} want ")), "{error}");
            assert!(error.contains("lower data.resolution"), "{error}");
        }
    }
}
