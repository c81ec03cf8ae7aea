//! Elementwise maps: parallel over fixed chunks, vectorised for the machine's widest registers.

use rayon::prelude::*;

use super::parallel::{Shared, filled};

const CHUNK: usize = 1 << 14;

/// Runs `f` compiled for AVX-512 or AVX2 where the machine has them.
#[inline(always)]
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,fma")]
        fn avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        if super::winograd::available() {
            // SAFETY: the features were detected.
            return unsafe { avx512(f) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the features were detected.
            return unsafe { avx2(f) };
        }
    }
    f()
}

/// Splits `len` into chunks whose bounds depend on `len` only.
pub fn chunks(len: usize, f: impl Fn(std::ops::Range<usize>) + Sync) {
    if len <= CHUNK {
        return f(0..len);
    }
    (0..len.div_ceil(CHUNK)).into_par_iter().for_each(|i| f(i * CHUNK..len.min((i + 1) * CHUNK)));
}

pub fn map<T: Copy + Send + Sync>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    filled(x.len(), |out: Shared<T>| {
        chunks(x.len(), |range| {
            vectorised(
                #[inline(always)]
                || {
                    for i in range {
                        // SAFETY: chunks are disjoint and inside.
                        unsafe { out.pointer().add(i).write(f(*x.get_unchecked(i))) };
                    }
                },
            )
        })
    })
}

pub fn zip<T: Copy + Send + Sync>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    assert_eq!(x.len(), y.len());
    filled(x.len(), |out: Shared<T>| {
        chunks(x.len(), |range| {
            vectorised(
                #[inline(always)]
                || {
                    for i in range {
                        // SAFETY: as above.
                        unsafe { out.pointer().add(i).write(f(*x.get_unchecked(i), *y.get_unchecked(i))) };
                    }
                },
            )
        })
    })
}
