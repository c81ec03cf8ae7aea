//! An algorithm of cuDNN's run once, before it is relied on: work that is put off, or in a graph, can be given to no other.

use candle_core::{Result, bail};
use cudarc::cudnn::{result, sys};
use cudarc::driver::result as driver;

use super::{Algorithm, Convolutions, Descriptors, MOST_WORKSPACE, Plan, failed};
use crate::cuda::library::{ConvolutionCall, Pass};

/// Memory of the device for as long as the trial.
struct Scratch(u64);

impl Scratch {
    /// `None` where there is not so much.
    fn of(bytes: usize) -> Option<Self> {
        // SAFETY: freed in `drop`.
        unsafe { driver::malloc_sync(bytes.max(1)) }.ok().map(Self)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: made by `of`, and nothing in flight uses it. Its error would be that the memory is lost.
        let _ = unsafe { driver::free_sync(self.0) };
    }
}

impl Convolutions {
    /// Sets the descriptor to the arithmetic in which the algorithm was offered, convolves once whatever the memory holds, and gives the
    /// bytes that it wants beside the arrays. Where there is no memory for a trial, the library's word is taken.
    ///
    /// # Safety
    /// The descriptors are alive, the context is current, and the stream has nothing to do.
    pub(super) unsafe fn try_out(
        &self,
        call: &ConvolutionCall,
        descriptors: &Descriptors,
        algorithm: Algorithm,
        math: sys::cudnnMathType_t,
    ) -> Result<usize> {
        // SAFETY: a live descriptor.
        unsafe { result::set_convolution_math_type(descriptors.convolution, math) }.map_err(failed("no arithmetic"))?;
        // SAFETY: the caller's.
        let workspace = unsafe { self.workspace(descriptors, algorithm) }?;
        if workspace > MOST_WORKSPACE {
            bail!("{} MiB beside the arrays, expected at most {}", workspace >> 20, MOST_WORKSPACE >> 20)
        }
        let scratch: Option<Vec<_>> = array_bytes(call).into_iter().chain([workspace]).map(Scratch::of).collect();
        let Some([a, b, out, space]) = scratch.as_deref() else { return Ok(workspace) };
        let plan = Plan { descriptors: *descriptors, algorithm, workspace };
        // SAFETY: memory of these sizes, which goes when the stream is done.
        let queued = unsafe { self.queue(&plan, [a.0, b.0, out.0], space.0) };
        // SAFETY: a live stream.
        unsafe { driver::stream::synchronize(self.stream) }
            .map_err(|error| candle_core::Error::Msg(format!("cuDNN: a convolution failed: {error}")))?;
        queued.map(|()| workspace)
    }

    /// # Safety
    /// The descriptors are alive.
    unsafe fn workspace(&self, descriptors: &Descriptors, algorithm: Algorithm) -> Result<usize> {
        let (handle, Descriptors { input, filter, output, convolution }) = (self.handle, *descriptors);
        // SAFETY: live descriptors.
        unsafe {
            match algorithm {
                Algorithm::Output(algorithm) => result::get_convolution_forward_workspace_size(
                    handle,
                    input,
                    filter,
                    convolution,
                    output,
                    algorithm,
                ),
                Algorithm::Input(algorithm) => result::get_convolution_backward_data_workspace_size(
                    handle,
                    filter,
                    output,
                    convolution,
                    input,
                    algorithm,
                ),
                Algorithm::Filter(algorithm) => result::get_convolution_backward_filter_workspace_size(
                    handle,
                    input,
                    output,
                    convolution,
                    filter,
                    algorithm,
                ),
            }
        }
        .map_err(failed("no workspace"))
    }
}

/// Of the pass' two operands and its result.
fn array_bytes(call: &ConvolutionCall) -> [usize; 3] {
    let number = call.element.dtype().size_in_bytes();
    let input = call.batch * call.in_channels * call.size[0] * call.size[1] * number;
    let output = call.batch * call.out_channels * call.out_size[0] * call.out_size[1] * number;
    let filter = call.in_channels * call.out_channels * call.kernel[0] * call.kernel[1] * number;
    match call.pass {
        Pass::Output => [input, filter, output],
        // As they are called: the cotangent of the output first.
        Pass::Input => [output, filter, input],
        Pass::Filter => [input, output, filter],
    }
}
