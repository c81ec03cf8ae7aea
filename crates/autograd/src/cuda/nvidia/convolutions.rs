//! Convolutions by cuDNN, in both orders of images, with accumulation in F32, TF32 where it is allowed, and algorithms whose results repeat.

use std::collections::BTreeMap;
use std::ffi::c_void;

mod candidates;
mod trial;

use candle_core::{Error, Result, bail};
use cudarc::cudnn::{CudnnError, result, sys};

use super::libraries;
use crate::cuda::libraries::Part;
use crate::cuda::library::ConvolutionCall;
use crate::cuda::tensor::Order;
use crate::cuda::texts::Element;

/// Algorithms that want more memory than this beside the arrays are passed over.
const MOST_WORKSPACE: usize = 1 << 30;

fn failed(what: &str) -> impl FnOnce(CudnnError) -> Error + '_ {
    move |error| Error::Msg(format!("cuDNN: {what}: {error:?}"))
}

/// The library's handle, and how each convolution is done.
#[derive(Debug)]
pub(super) struct Convolutions {
    handle: sys::cudnnHandle_t,
    stream: cudarc::driver::sys::CUstream,
    plans: BTreeMap<ConvolutionCall, Option<Plan>>,
}

/// Descriptors live as long as the process: there are as many as shapes.
#[derive(Clone, Copy, Debug)]
struct Plan {
    descriptors: Descriptors,
    algorithm: Algorithm,
    workspace: usize,
}

#[derive(Clone, Copy, Debug)]
struct Descriptors {
    input: sys::cudnnTensorDescriptor_t,
    filter: sys::cudnnFilterDescriptor_t,
    output: sys::cudnnTensorDescriptor_t,
    convolution: sys::cudnnConvolutionDescriptor_t,
}

#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Output(sys::cudnnConvolutionFwdAlgo_t),
    Input(sys::cudnnConvolutionBwdDataAlgo_t),
    Filter(sys::cudnnConvolutionBwdFilterAlgo_t),
}

impl Convolutions {
    /// `None` where the library is not found; why it cannot be used, if so. All work goes to the driver's `stream`.
    pub(super) fn open_if_found(stream: cudarc::driver::sys::CUstream) -> std::result::Result<Option<Self>, String> {
        // SAFETY: only opens the library, and asks for its version.
        let version = || unsafe { sys::is_culib_present().then(|| sys::cudnnGetVersion()) };
        let Some(name) = libraries::found(Part::Cudnn, version)? else { return Ok(None) };
        let handle = result::create_handle().map_err(|error| format!("{name}: no handle: {error:?}"))?;
        // SAFETY: a live handle and a live stream.
        unsafe { result::set_stream(handle, stream.cast()) }
            .map_err(|error| format!("{name}: no stream: {error:?}"))?;
        Ok(Some(Self { handle, stream, plans: BTreeMap::new() }))
    }

    pub(super) fn knows(&self, call: &ConvolutionCall) -> bool {
        self.plans.contains_key(call)
    }

    /// Bytes that the convolution needs, or `None` if it is left to the own kernels: the first time with the reason. The stream has nothing
    /// to do when a convolution is planned.
    pub(super) fn plan(&mut self, call: &ConvolutionCall) -> std::result::Result<Option<usize>, String> {
        if call.element == Element::F64 {
            return Ok(None);
        }
        if let Some(known) = self.plans.get(call) {
            return Ok(known.as_ref().map(|plan| plan.workspace));
        }
        let plan = self.first_that_works(call).map_err(|error| error.to_string());
        let workspace = plan.as_ref().map(|plan| Some(plan.workspace)).map_err(Clone::clone);
        self.plans.insert(*call, plan.ok());
        workspace
    }

    /// By the first algorithm in the library's order that gives the same result every time, in the arithmetic that was asked for, fits,
    /// and does it: what the library offers it does not always do.
    fn first_that_works(&self, call: &ConvolutionCall) -> Result<Plan> {
        use sys::cudnnMathType_t::{CUDNN_DEFAULT_MATH, CUDNN_FMA_MATH, CUDNN_TENSOR_OP_MATH};
        let (data, math) = match call.element {
            // The default is TF32 where the device has it.
            Element::F32 if call.tf32 => (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, CUDNN_DEFAULT_MATH),
            Element::F32 => (sys::cudnnDataType_t::CUDNN_DATA_FLOAT, CUDNN_FMA_MATH),
            Element::Bf16 => (sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16, CUDNN_TENSOR_OP_MATH),
            Element::F16 => (sys::cudnnDataType_t::CUDNN_DATA_HALF, CUDNN_TENSOR_OP_MATH),
            Element::F64 => bail!("cuDNN: F64 is the own kernels'"),
        };
        let descriptors = Descriptors::new(call, data, math)?;
        // SAFETY: live descriptors.
        let candidates = unsafe { candidates::of(self.handle, call.pass, &descriptors, math) }?;
        let mut why = "no algorithm that gives the same result every time, in this arithmetic".to_owned();
        for (algorithm, math) in candidates {
            // SAFETY: as above; the stream has nothing to do.
            match unsafe { self.try_out(call, &descriptors, algorithm, math) } {
                Ok(workspace) => return Ok(Plan { descriptors, algorithm, workspace }),
                Err(error) => why = format!("{algorithm:?}: {error}"),
            }
        }
        bail!("{why}")
    }

    /// Queues a convolution that was planned.
    ///
    /// # Safety
    /// The addresses hold the call's arrays (two operands, then the result), and as much workspace as its plan says.
    pub(super) unsafe fn run(&self, call: &ConvolutionCall, [a, b, out]: [u64; 3], workspace: u64) -> Result<()> {
        let Some(Some(plan)) = self.plans.get(call) else { bail!("cuDNN: a convolution without a plan") };
        // SAFETY: the caller's.
        unsafe { self.queue(plan, [a, b, out], workspace) }
    }

    /// # Safety
    /// As [`Self::run`].
    unsafe fn queue(&self, plan: &Plan, [a, b, out]: [u64; 3], workspace: u64) -> Result<()> {
        let Plan { descriptors, algorithm, workspace: bytes } = *plan;
        let Descriptors { input, filter, output, convolution } = descriptors;
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
