//! Algorithms that cuDNN offers for a convolution, and that may be taken.

use candle_core::Result;
use cudarc::cudnn::{result, sys};

use super::{Algorithm, Descriptors, failed};
use crate::cuda::library::Pass;

/// How many algorithms are looked at: each may be offered once an arithmetic.
const CHOICES: usize = 16;

/// Whether an algorithm's arithmetic may be used where another was asked for: any but one that rounds more. TF32 goes by the name of
/// the default and of tensor cores, and halves are added up in F32 under any name.
fn is_meant(offered: sys::cudnnMathType_t, asked: sys::cudnnMathType_t) -> bool {
    use sys::cudnnMathType_t::{CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION};
    offered == CUDNN_FMA_MATH || (asked != CUDNN_FMA_MATH && offered != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION)
}

/// Those that give the same result every time, in the arithmetic that was asked for: in the library's order, with the arithmetic in which
/// each is offered.
///
/// # Safety
/// Handle and descriptors are alive.
pub(super) unsafe fn of(
    handle: sys::cudnnHandle_t,
    pass: Pass,
    &Descriptors { input, filter, output, convolution }: &Descriptors,
    math: sys::cudnnMathType_t,
) -> Result<Vec<(Algorithm, sys::cudnnMathType_t)>> {
    /// Asks one of the library's three functions, which differ in types only.
    macro_rules! ask {
        ($function:path, $perf:ty, $algorithm:path, $($descriptor:expr),+) => {{
            let mut count = 0;
            let mut results = [const { std::mem::MaybeUninit::<$perf>::uninit() }; CHOICES];
            let first = results.as_mut_ptr().cast::<$perf>();
            // SAFETY: live descriptors, and room for as many results as are asked for.
            unsafe { $function(handle, $($descriptor,)+ CHOICES as i32, &raw mut count, first) }
                .map_err(failed("no algorithm"))?;
            let results = &results[..(count.max(0) as usize).min(CHOICES)];
            // SAFETY: the library filled `count` of them.
            let results = results.iter().map(|result| unsafe { result.assume_init_ref() });
            results
                .filter(|result| result.status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS)
                .filter(|result| result.determinism == sys::cudnnDeterminism_t::CUDNN_DETERMINISTIC)
                .filter(|result| is_meant(result.mathType, math))
                .map(|result| ($algorithm(result.algo), result.mathType))
                .collect()
        }};
    }
    Ok(match pass {
        Pass::Output => ask!(
            result::get_convolution_forward_algorithm,
            sys::cudnnConvolutionFwdAlgoPerf_t,
            Algorithm::Output,
            input,
            filter,
            convolution,
            output
        ),
        Pass::Input => ask!(
            result::get_convolution_backward_data_algorithm,
            sys::cudnnConvolutionBwdDataAlgoPerf_t,
            Algorithm::Input,
            filter,
            output,
            convolution,
            input
        ),
        Pass::Filter => ask!(
            result::get_convolution_backward_filter_algorithm,
            sys::cudnnConvolutionBwdFilterAlgoPerf_t,
            Algorithm::Filter,
            input,
            output,
            convolution,
            filter
        ),
    })
}
