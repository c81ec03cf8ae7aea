//! A global allocator for training: tensors come from a pool of huge-page mappings.

use std::alloc::{GlobalAlloc, Layout, System};

/// A global allocator that keeps large blocks.
///
/// A training step frees and asks for the same large sizes again and again, and a fresh page costs
/// about as much as the arithmetic on it (fault, zeroing). On Linux, blocks of 256 KiB and more are
/// kept by size class and never given back; each is aligned to 2 MiB and asks for transparent huge
/// pages. All else, and other systems, go to [`System`]. For binaries:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: frugan_autograd::Allocator = frugan_autograd::Allocator::new();
/// # fn main() {
/// let values = vec![1.0f32; 1 << 20];
/// assert_eq!(values.iter().sum::<f32>(), (1 << 20) as f32);
/// # }
/// ```
#[derive(Debug)]
pub struct Allocator {
    #[cfg(target_os = "linux")]
    pool: pool::Pool,
}

impl Allocator {
    /// An allocator with an empty pool.
    pub const fn new() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            pool: pool::Pool::new(),
        }
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(target_os = "linux"))]
// SAFETY: all calls go to System.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps GlobalAlloc's contract.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(target_os = "linux")]
// SAFETY: a block is pooled or System's by its layout alone, which alloc and dealloc both get; a
// pooled block is a mapping of its class's size, on exactly one owner or one stack.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match pool::class(layout) {
            Some(class) => self.pool.take(class).map_or_else(|| pool::map(class.size), |block| block.as_ptr()),
            // SAFETY: the caller keeps GlobalAlloc's contract.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(class) = pool::class(layout) else {
            // SAFETY: the caller keeps GlobalAlloc's contract.
            return unsafe { System.alloc_zeroed(layout) };
        };
        match self.pool.take(class) {
            Some(block) => {
                // SAFETY: the block has at least layout.size() bytes.
                unsafe { block.write_bytes(0, layout.size()) };
                block.as_ptr()
            }
            None => pool::map(class.size), // a fresh mapping is zero
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match (pool::class(layout), std::ptr::NonNull::new(block)) {
            // SAFETY: the block came from this class and is the caller's last use of it.
            (Some(class), Some(block)) => unsafe { self.pool.put(class, block) },
            // SAFETY: the caller keeps GlobalAlloc's contract.
            _ => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises a valid new size for this alignment.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (pool::class(layout), pool::class(new)) {
            // SAFETY: the caller keeps GlobalAlloc's contract.
            (None, None) => unsafe { System.realloc(block, layout, size) },
            (Some(old), Some(new)) if old == new => block,
            // SAFETY: the new block does not overlap the old one; both have the bytes copied.
            _ => unsafe {
                let to = self.alloc(new);
                if !to.is_null() {
                    std::ptr::copy_nonoverlapping(block, to, size.min(layout.size()));
                    self.dealloc(block, layout);
                }
                to
            },
        }
    }
}

#[cfg(target_os = "linux")]
mod pool {
    use std::alloc::Layout;
    use std::ptr::NonNull;
    use std::sync::Mutex;

    const SMALLEST: usize = 1 << 18;
    const LARGEST: usize = 1 << 40;
    const HUGE_PAGE: usize = 1 << 21;
    /// Eight classes an octave: at most 1/8 of a block is slack.
    const STEPS: usize = 8;
    const CLASSES: usize = STEPS * 24;

    /// A size of blocks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Class {
        index: usize,
        pub(super) size: usize,
    }

    /// The class of a pooled layout.
    pub(super) fn class(layout: Layout) -> Option<Class> {
        let size = layout.size();
        if !(SMALLEST..=LARGEST).contains(&size) || layout.align() > HUGE_PAGE {
            return None;
        }
        // size is in (2^octave, 2^(octave + 1)], cut into STEPS.
        let octave = (size - 1).ilog2() as usize;
        let step = (1 << octave) / STEPS;
        let steps = (size - (1 << octave)).div_ceil(step);
        let index = (octave + 1 - SMALLEST.ilog2() as usize) * STEPS + steps - 1;
        Some(Class { index, size: (1 << octave) + steps * step })
    }

    /// Free blocks of one class, linked through their first word.
    #[derive(Debug)]
    struct Stack(Option<NonNull<u8>>);

    // SAFETY: the blocks belong to whoever holds the stack.
    unsafe impl Send for Stack {}

    #[derive(Debug)]
    pub(super) struct Pool {
        free: [Mutex<Stack>; CLASSES],
    }

    impl Pool {
        pub(super) const fn new() -> Self {
            Self { free: [const { Mutex::new(Stack(None)) }; CLASSES] }
        }

        pub(super) fn take(&self, class: Class) -> Option<NonNull<u8>> {
            let mut stack = self.free[class.index].lock().ok()?;
            let block = stack.0?;
            // SAFETY: a block on the stack starts with the link to the next.
            stack.0 = unsafe { block.cast::<Option<NonNull<u8>>>().read() };
            Some(block)
        }

        /// # Safety
        /// The block is one of this class, and nobody uses it any more.
        pub(super) unsafe fn put(&self, class: Class, block: NonNull<u8>) {
            if let Ok(mut stack) = self.free[class.index].lock() {
                // SAFETY: the block is aligned and larger than a word, and now the stack's.
                unsafe { block.cast::<Option<NonNull<u8>>>().write(stack.0) };
                stack.0 = Some(block);
            }
        }
    }

    /// A fresh mapping of `size` zero bytes, or null.
    pub(super) fn map(size: usize) -> *mut u8 {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let raw = unsafe { libc::mmap(std::ptr::null_mut(), size + HUGE_PAGE, protection, flags, -1, 0) };
        if raw == libc::MAP_FAILED {
            return std::ptr::null_mut();
        }
        let aligned = raw.cast::<u8>().wrapping_add(raw.cast::<u8>().align_offset(HUGE_PAGE));
        // SAFETY: the range is inside the mapping; the advice may fail, which only costs speed.
        unsafe { libc::madvise(aligned.cast(), size, libc::MADV_HUGEPAGE) };
        aligned
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn class_of(size: usize) -> Option<Class> {
            class(Layout::from_size_align(size, 16).expect("a valid layout"))
        }

        #[test]
        fn classes_hold_their_sizes_with_little_slack() {
            assert_eq!(class_of(SMALLEST - 1), None);
            assert_eq!(class_of(LARGEST + 1), None);
            let mut last = Class { index: 0, size: 0 };
            for exponent in 18..40 {
                for eighth in 0..64 {
                    let size = (1 << exponent) + eighth * (1 << exponent) / 64 + usize::from(eighth == 63);
                    let class = class_of(size).expect("pooled");
                    assert!(class.size >= size && class.size - size <= size / 8, "{size} in {class:?}");
                    assert!(class.index < CLASSES && class.index >= last.index && class.size >= last.size);
                    assert_eq!(class.index == last.index, class.size == last.size);
                    last = class;
                }
            }
            assert!(class_of(LARGEST).expect("pooled").index < CLASSES);
        }
    }
}
