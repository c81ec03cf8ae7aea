//! Convolutions by cuDNN, in both orders of images, with accumulation in F32, TF32 where it is allowed, and algorithms whose results repeat.

use std::collections::BTreeMap;
use std::ffi::c_void;

use candle_core::{Error, Result, bail};
use cudarc::cudnn::{CudnnError, result, sys};

use super::libraries;
use crate::cuda::libraries::{Part, find};
use crate::cuda::library::{ConvolutionCall, Pass};
use crate::cuda::tensor::Order;
use crate::cuda::texts::Element;

/// Algorithms that want more memory than this beside the arrays are passed over.
const MOST_WORKSPACE: usize = 1 << 30;
/// How many algorithms are looked at.
const CHOICES: usize = 8;

fn failed(what: &str) -> impl FnOnce(CudnnError) -> Error + '_ {
    move |error| Error::Msg(format!("cuDNN: {what}: {error:?}"))
}

/// The library's handle, and how each convolution is done.
#[derive(Debug)]
pub(super) struct Convolutions {
    handle: sys::cudnnHandle_t,
    plans: BTreeMap<ConvolutionCall, Option<Plan>>,
}

/// Descriptors live as long as the process: there are as many as shapes.
#[derive(Debug)]
struct Plan {
    input: sys::cudnnTensorDescriptor_t,
    filter: sys::cudnnFilterDescriptor_t,
    output: sys::cudnnTensorDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
    algorithm: Algorithm,
    workspace: usize,
}

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Output(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

impl Convolutions {
    /// `None` where the library is not found. All work goes to the driver's `stream`.
    pub(super) fn open_if_found(stream: cudarc::driver::sys::CUstream) -> Result<Option<Self>> {
        // SAFETY: only opens the library.
        if !libraries::are_wanted() || find(Part::Cudnn).is_err() || !unsafe { sys::is_culib_present() } {
            return Ok(None);
        }
        let handle = result::create_handle().map_err(failed("no handle"))?;
        // SAFETY: a live handle and a live stream.
        unsafe { result::set_stream(handle, stream.cast()) }.map_err(failed("no stream"))?;
        Ok(Some(Self { handle, plans: BTreeMap::new() }))
    }

    /// Bytes that the convolution needs, or `None` if it is left to the own kernels.
    pub(super) fn plan(&mut self, call: &ConvolutionCall) -> Result<Option<usize>> {
        if !self.plans.contains_key(call) {
            let plan = Plan::new(self.handle, call)?;
            self.plans.insert(*call, plan);
        }
        Ok(self.plans.get(call).and_then(Option::as_ref).map(|plan| plan.workspace))
    }

    /// Queues a convolution that was planned.
    ///
    /// # Safety
    /// The addresses hold the call's arrays (two operands, then the result), and as much workspace as its plan says.
    pub(super) unsafe fn run(&self, call: &ConvolutionCall, [a, b, out]: [u64; 3], workspace: u64) -> Result<()> {
        let Some(Some(plan)) = self.plans.get(call) else { bail!("cuDNN: a convolution without a plan") };
        let Plan { input, filter, output, convolution, algorithm, workspace: bytes } = *plan;
        let (one, zero) = (1.0f32, 0.0f32);
        let [one, zero] = [&raw const one, &raw const zero].map(|scalar| scalar.cast::<c_void>());
        let [a, b] = [a, b].map(|address| address as *const c_void);
        let (out, space) = (out as *mut c_void, workspace as *mut c_void);
        // SAFETY: live descriptors, and by the caller's promise the arrays.
        unsafe {
            match algorithm {
                Algorithm::Output(algorithm) => result::convolution_forward(
                    self.handle,
                    one,
                    input,
                    a,
                    filter,
                    b,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    output,
                    out,
                ),
                Algorithm::Input(algorithm) => result::convolution_backward_data(
                    self.handle,
                    one,
                    filter,
                    b,
                    output,
                    a,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    input,
                    out,
                ),
                Algorithm::Filter(algorithm) => result::convolution_backward_filter(
                    self.handle,
                    one,
                    input,
                    a,
                    output,
                    b,
                    convolution,
                    algorithm,
                    space,
                    bytes,
                    zero,
                    filter,
                    out,
                ),
            }
        }
        .map_err(failed("convolution"))
    }
}

impl Plan {
    fn new(handle: sys::cudnnHandle_t, call: &ConvolutionCall) -> Result<Option<Self>> {
        use sys::cudnnMathType_t::{CUDNN_DEFAULT_MATH, CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH};
        let (data, math) = match call.element {
            // The default is TF32 where the device has it.
            Element::F32 if call.tf32 => (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, CUDNN_DEFAULT_MATH),
            Element::F32 => (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, CUDNN_FMA_MATH),
            Element::Bf16 => (sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16, CUDNN_TENSOR_OP_MATH),
            Element::F16 => (sys::cudnnDataType_t::CUDNN_DATA_HALF, CUDNN_TENSOR_OP_MATH),
            Element::F64 => return Ok(None),
        };
        let Descriptors { input, filter, output, convolution } = Descriptors::new(call, data, math)?;
        // SAFETY: live descriptors.
        let chosen = unsafe { choose(handle, call.pass, (input, filter, output, convolution), math) }?;
        let Some((algorithm, workspace, math)) = chosen else { return Ok(None) };
        // An algorithm is as fast as it was offered in that arithmetic only.
        // SAFETY: a live descriptor.
        unsafe { result::set_convolution_math_type(convolution, math) }.map_err(failed("no arithmetic"))?;
        Ok(Some(Self { input, filter, output, convolution, algorithm, workspace }))
    }
}

struct Descriptors {
    input: sys::cudnnTensorDescriptor_t,
    filter: sys::cudnnFilterDescriptor_t,
    output: sys::cudnnTensorDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
}

impl Descriptors {
    fn new(call: &ConvolutionCall, data: sys::cudnnDataType_t, math: sys::cudnnMathType_t) -> Result<Self> {
        let ConvolutionCall { batch, in_channels, out_channels, size, out_size, kernel, stride, padding, .. } = *call;
        let format = match call.order {
            Order::Planes => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NCHW,
            Order::Pixels => sys::cudnnTensorFormat_t::CUDNN_TENSOR_NHWC,
        };
        let tensor = |dims: [usize; 4]| -> Result<_> {
            let descriptor = result::create_tensor_descriptor().map_err(failed("no descriptor"))?;
            // SAFETY: a live descriptor.
            unsafe { result::set_tensor4d_descriptor(descriptor, format, data, dims.map(|size| size as i32)) }
                .map_err(failed("no shape"))?;
            Ok(descriptor)
        };
        let input = tensor([batch, in_channels, size[0], size[1]])?;
        let output = tensor([batch, out_channels, out_size[0], out_size[1]])?;
        let filter = result::create_filter_descriptor().map_err(failed("no descriptor"))?;
        let convolution = result::create_convolution_descriptor().map_err(failed("no descriptor"))?;
        let shape = [out_channels, in_channels, kernel[0], kernel[1]].map(|size| size as i32);
        let [pad_height, pad_width] = padding.map(|size| size as i32);
        let step = stride as i32;
        // SAFETY: live descriptors.
        unsafe {
            result::set_filter4d_descriptor(filter, data, format, shape).map_err(failed("no filter"))?;
            result::set_convolution2d_descriptor(
                convolution,
                pad_height,
                pad_width,
                step,
                step,
                1,
                1,
                sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION,
                sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
            )
            .map_err(failed("no convolution"))?;
            result::set_convolution_math_type(convolution, math).map_err(failed("no arithmetic"))?;
        }
        Ok(Self { input, filter, output, convolution })
    }
}

/// Whether an algorithm's arithmetic may be used where another was asked for: any but one that rounds more. TF32 goes by the name of
/// the default and of tensor cores, and halves are added up in F32 under any name.
fn is_meant(offered: sys::cudnnMathType_t, asked: sys::cudnnMathType_t) -> bool {
    use sys::cudnnMathType_t::{CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION};
    offered == CUDNN_FMA_MATH || (asked != CUDNN_FMA_MATH && offered != CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION)
}

type Four = (
    sys::cudnnTensorDescriptor_t,
    sys::cudnnFilterDescriptor_t,
    sys::cudnnTensorDescriptor_t,
    sys::cudnnConvolutionDescriptor_t,
);

/// The first algorithm in the library's order that gives the same result every time, in the arithmetic that was asked
/// for, and fits; with its workspace and its arithmetic.
///
/// # Safety
/// The descriptors are alive.
unsafe fn choose(
    handle: sys::cudnnHandle_t,
    pass: Pass,
    (input, filter, output, convolution): Four,
    math: sys::cudnnMathType_t,
) -> Result<Option<(Algorithm, usize, sys::cudnnMathType_t)>> {
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
                .find(|result| is_meant(result.mathType, math) && result.memory <= MOST_WORKSPACE)
                .map(|result| ($algorithm(result.algo), result.memory, result.mathType))
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
