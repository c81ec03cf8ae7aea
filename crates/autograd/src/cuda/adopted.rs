//! GPUs and arrays of another library of this process, such as candle's: its memory is read where it lies, and all work is
//! queued on its stream, so that neither side waits for the other.

use std::any::Any;

use candle_core::{DType, Result, bail};

use super::gpu::Buffer;
use super::open;
use super::tensor::CudaTensor;
use super::texts::Element;
use crate::device::Device;
use crate::value::Value;
use crate::var::Var;

/// A device that another library opened, given its CUDA context (`CUcontext`) and the stream (`CUstream`) on which its work is
/// queued. The same two give the same device again. It stays open as long as the process, and `owner` with it.
///
/// # Safety
/// Context and stream live as long as `owner`. Where the stream is the calling thread's (`CU_STREAM_PER_THREAD`), the device is
/// used from this thread alone: between streams nothing waits.
///
/// # Errors
/// If the driver does not know the context.
#[cfg(feature = "driver")]
pub unsafe fn adopt(
    context: *mut std::ffi::c_void,
    stream: *mut std::ffi::c_void,
    owner: Box<dyn Any + Send + Sync>,
) -> Result<Device> {
    use super::gpu::Gpu;
    use super::nvidia::Nvidia;
    use super::pool::lock;
    use std::sync::{Arc, Mutex};
    static ADOPTED: Mutex<Vec<[usize; 2]>> = Mutex::new(Vec::new());
    let handles = [context as usize, stream as usize];
    let mut adopted = lock(&ADOPTED);
    if let Some(index) = adopted.iter().position(|known| *known == handles) {
        return Ok(Device::Adopted(index));
    }
    let device = Device::Adopted(adopted.len());
    // SAFETY: the caller's.
    let driver = unsafe { Nvidia::adopt(context, stream, owner)? };
    lock(&super::OPEN).push(Arc::new(Gpu::new(device, Box::new(driver))));
    adopted.push(handles);
    Ok(device)
}

/// A constant in memory of another library's on `device`: a dense array of these sizes, row-major, which is not copied.
///
/// # Safety
/// `address` is the device's, and holds so many numbers of that type as long as `owner` lives. They do not change while the
/// Var, or what was recorded with it on the tape, lives; whoever writes or frees them queues that on the device's stream.
///
/// # Errors
/// If the device is not open or is the CPU, or keeps no arrays of that type.
pub unsafe fn borrow(
    device: Device,
    address: u64,
    dims: &[usize],
    dtype: DType,
    owner: Box<dyn Any + Send + Sync>,
) -> Result<Var> {
    let element = Element::of("borrow", dtype)?;
    let buffer = Buffer::borrowed(open(device)?, address, owner);
    Ok(Var::with_node(Value::Cuda(CudaTensor::of_buffer(buffer, element, dims)), None))
}

/// Queues a copy of a Var's numbers, row-major, to memory of another library's on the same device. Nothing waits.
///
/// # Safety
/// `address` is the device's, with room for all of them, and whoever reads them queues that on the device's stream.
///
/// # Errors
/// If the Var is on the CPU, or the device fails.
pub unsafe fn copy_to(var: &Var, address: u64) -> Result<()> {
    match var.value() {
        Value::Cuda(array) => {
            let array = array.planes()?;
            array.gpu().copy(super::words::Address(address), array.address(), array.bytes())
        }
        Value::Cpu(_) => bail!("copy_to: the array is on the CPU, expected a GPU"),
    }
}
