//! Which kernels this process uses.

use std::sync::OnceLock;

/// What kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// The target's baseline.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, VL and DQ.
    Avx512,
}

/// The machine's widest, or less if `FRUGAN_KERNELS` is `portable` or `avx2`. Looked up once.
pub(crate) fn width() -> Width {
    static WIDTH: OnceLock<Width> = OnceLock::new();
    *WIDTH.get_or_init(|| {
        let limit = match std::env::var("FRUGAN_KERNELS").as_deref() {
            Ok("portable") => Width::Portable,
            Ok("avx2") => Width::Avx2,
            _ => Width::Avx512,
        };
        Width::detected().min(limit)
    })
}

impl Width {
    /// The machine's widest.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn detected() -> Self {
        if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma") {
            return Self::Portable;
        }
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq");
        if avx512 { Self::Avx512 } else { Self::Avx2 }
    }

    /// The machine's widest.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn detected() -> Self {
        Self::Portable
    }
}
