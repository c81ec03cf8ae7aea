//! Calls that a library of NVIDIA's may serve in place of the crate's own kernels.

use super::tensor::Order;
use super::texts::Element;

/// `batch` products `[m, k] [k, n]`, row-major, each operand read as its transpose if flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProductCall {
    pub(crate) element: Element,
    /// Whether F32 may be multiplied as TF32.
    pub(crate) tf32: bool,
    pub(crate) batch: usize,
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) flip_a: bool,
    pub(crate) flip_b: bool,
}

/// Which of a convolution's three arrays is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    /// The output, from input and filter.
    Output,
    /// The cotangent of the input, from that of the output and the filter.
    Input,
    /// The cotangent of the filter, from the input and that of the output.
    Filter,
}

/// A correlation of images with a filter: NCHW with OIHW, or NHWC with OHWI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConvolutionCall {
    pub(crate) element: Element,
    /// Whether F32 may be multiplied as TF32.
    pub(crate) tf32: bool,
    pub(crate) pass: Pass,
    /// In which order images, and likewise the filter, lie.
    pub(crate) order: Order,
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    /// Height and width of the input, and of the output.
    pub(crate) size: [usize; 2],
    pub(crate) out_size: [usize; 2],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) padding: [usize; 2],
}

/// The sum or mean over ranks of an array of each. It has one operand: the second address is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OverRanks {
    /// Which ranks: those of one meeting.
    pub(crate) session: u64,
    pub(crate) element: Element,
    pub(crate) count: usize,
    pub(crate) mean: bool,
}

/// What a library is asked to do. Two operands, and the result behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Product(ProductCall),
    Convolution(ConvolutionCall),
    OverRanks(OverRanks),
}
