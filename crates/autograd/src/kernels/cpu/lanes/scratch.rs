//! Buffers that live as long as their thread.

use std::cell::RefCell;
use std::thread::LocalKey;

use super::LANES;

/// A floor of 64-byte lines, so that every vector of 16 lanes is aligned.
#[derive(Default)]
pub(in crate::kernels::cpu) struct Scratch(Vec<Line>);

/// 16 lanes, aligned as a vector of them.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(in crate::kernels::cpu) struct Line(pub(in crate::kernels::cpu) [f32; LANES]);

impl Scratch {
    /// At least `len` floats, whose content is whatever the last use left.
    pub(in crate::kernels::cpu) fn floats(&mut self, len: usize) -> *mut f32 {
        let lines = len.div_ceil(LANES);
        if self.0.len() < lines {
            self.0 = vec![Line([0.0; LANES]); lines];
        }
        self.0.as_mut_ptr().cast()
    }
}

thread_local! {
    /// Of one block of groups.
    pub(in crate::kernels::cpu) static BLOCK: RefCell<[Scratch; 2]> = RefCell::default();
    /// Of a whole convolution.
    pub(in crate::kernels::cpu) static WHOLE: RefCell<[Scratch; 3]> = RefCell::default();
}

/// Lends a thread's scratch to `f`. Taken out, not borrowed: while it waits for its tasks, a
/// thread may be given another convolution to do.
#[inline(always)]
pub(in crate::kernels::cpu) fn with_scratch<const N: usize, R>(
    key: &'static LocalKey<RefCell<[Scratch; N]>>,
    f: impl FnOnce(&mut [Scratch; N]) -> R,
) -> R
where
    [Scratch; N]: Default,
{
    let mut scratch = key.take();
    let result = f(&mut scratch);
    key.set(scratch);
    result
}

/// Distance between transform points: padded, for 36 streams a power of two apart share cache sets.
pub(in crate::kernels::cpu) fn point_stride(floats: usize) -> usize {
    floats.next_multiple_of(1024) + 5 * LANES
}
