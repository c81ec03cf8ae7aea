//! The kernels' texts, and how one is put together for an element type.

use candle_core::{DType, Result, bail};

/// A kernel file and what stands before it.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) name: &'static str,
    parts: &'static [(&'static str, &'static str)],
}

const PRELUDE: (&str, &str) = ("prelude.cu", include_str!("kernels/prelude.cu"));
const PREIMAGE: (&str, &str) = ("preimage.cu", include_str!("kernels/preimage.cu"));
const CHUNKS: (&str, &str) = ("chunks.cu", include_str!("kernels/chunks.cu"));
const PLACE: (&str, &str) = ("place.cu", include_str!("kernels/place.cu"));
const TILE: (&str, &str) = ("tile.cu", include_str!("kernels/tile.cu"));

macro_rules! texts {
    ($($constant:ident: $name:literal [$($before:expr),*]),+ $(,)?) => {
        $(pub(crate) static $constant: Text = Text {
            name: $name,
            parts: &[PRELUDE, $($before,)* (concat!($name, ".cu"), include_str!(concat!("kernels/", $name, ".cu")))],
        };)+

        /// Every text, by name.
        #[cfg(feature = "cuda")]
        pub(crate) static ALL: &[&Text] = &[$(&$constant),+];
    };
}

texts! {
    AFFINE_SAMPLE: "affine_sample" [PREIMAGE],
    BIAS_ACT: "bias_act" [],
    COLOR: "color" [],
    CONV: "conv" [TILE],
    ELEMENTWISE: "elementwise" [],
    FILTER: "filter" [PLACE],
    FOLD: "fold" [],
    GROUP: "group" [],
    INDEX: "index" [CHUNKS],
    LAYOUT: "layout" [],
    LOSS: "loss" [],
    MATMUL: "matmul" [TILE],
    NORM: "norm" [],
    PHILOX: "philox" [],
    PLANES: "planes" [],
    POOL: "pool" [],
    REDUCE: "reduce" [CHUNKS],
    SPECTRAL: "spectral" [CHUNKS, PLACE],
    UPDATE: "update" [CHUNKS],
    UPFIRDN: "upfirdn" [],
    WARP: "warp" [PREIMAGE],
}

impl Text {
    /// All its parts, for one element type; lines are counted from each part's own start.
    pub(crate) fn source(&self, element: Element) -> String {
        let mut source = format!("#define FRUGAN_T {}\n", element.c_name());
        for (file, part) in self.parts {
            source += &format!("#line 1 \"{file}\"\n{part}");
        }
        source
    }
}

/// What an array on a GPU may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Element {
    F32,
    F64,
    Bf16,
    F16,
}

impl Element {
    #[cfg(feature = "cuda")]
    pub(crate) const ALL: [Self; 4] = [Self::F32, Self::F64, Self::Bf16, Self::F16];

    pub(crate) fn of(op: &str, dtype: DType) -> Result<Self> {
        Ok(match dtype {
            DType::F32 => Self::F32,
            DType::F64 => Self::F64,
            DType::BF16 => Self::Bf16,
            DType::F16 => Self::F16,
            other => bail!("{op}: dtype {other:?}, expected F32, F64, BF16 or F16 on a GPU"),
        })
    }

    pub(crate) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F64 => DType::F64,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }

    /// What the kernels compute in, and keep statistics in.
    pub(crate) fn arithmetic(self) -> Self {
        if self == Self::F64 { Self::F64 } else { Self::F32 }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    fn c_name(self) -> &'static str {
        match self {
            Self::F32 => "float",
            Self::F64 => "double",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}
