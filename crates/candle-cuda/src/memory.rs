//! Candle's memory as Frugan's arrays, and back.

use candle_core::cuda_backend::CudaDType;
use candle_core::cuda_backend::cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, DeviceRepr};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Result, Storage, Tensor, bail};
use frugan_autograd::{Device, Var, cuda};
use half::{bf16, f16};

/// The tensor as a constant in its own memory, which lives as long as the Var.
pub(crate) fn borrow(x: &Tensor) -> Result<(Var, CudaDevice)> {
    // Off candle's graph, which would hold this Var and be held by it; copied if it is not dense.
    let x = x.detach().contiguous()?;
    let (device, address) = {
        let (storage, layout) = x.storage_and_layout();
        let Storage::Cuda(storage) = &*storage else {
            bail!("a tensor is on {:?}, expected a CUDA device", x.device().location())
        };
        let device = storage.device.clone();
        let (start, stream) = (layout.start_offset(), device.cuda_stream());
        let address = match x.dtype() {
            DType::F32 => address::<f32>(storage, start, &stream)?,
            DType::F64 => address::<f64>(storage, start, &stream)?,
            DType::BF16 => address::<bf16>(storage, start, &stream)?,
            DType::F16 => address::<f16>(storage, start, &stream)?,
            other => bail!("a tensor has dtype {other:?}, expected F32, F64, BF16 or F16"),
        };
        (device, address)
    };
    let (dims, dtype) = (x.dims().to_vec(), x.dtype());
    // SAFETY: the tensor's memory, dense from that address on, which its storage frees on candle's stream.
    let var = unsafe { cuda::borrow(adopted(&device)?, address, &dims, dtype, Box::new(x))? };
    Ok((var, device))
}

/// Frugan's name for candle's device.
fn adopted(device: &CudaDevice) -> Result<Device> {
    let stream = device.cuda_stream();
    let (context, handle) = (stream.context().cu_ctx().cast(), stream.cu_stream().cast());
    // SAFETY: candle's device holds both.
    unsafe { cuda::adopt(context, handle, Box::new(device.clone())) }
}

/// Where the element `start` lies. What is queued on `stream` from here on comes behind all writes.
fn address<T: CudaDType + DeviceRepr>(storage: &CudaStorage, start: usize, stream: &CudaStream) -> Result<u64> {
    let (address, _read) = storage.as_cuda_slice::<T>()?.device_ptr(stream);
    Ok(address + (start * size_of::<T>()) as u64)
}

/// A copy of the Var, outside candle's graph.
pub(crate) fn tensor(var: &Var, device: &CudaDevice) -> Result<Tensor> {
    let storage = Storage::Cuda(storage(var, device)?);
    Ok(Tensor::from_storage(storage, var.dims(), BackpropOp::none(), false))
}

/// A copy of the Var in memory of candle's.
pub(crate) fn storage(var: &Var, device: &CudaDevice) -> Result<CudaStorage> {
    match var.dtype() {
        DType::F32 => filled::<f32>(var, device),
        DType::F64 => filled::<f64>(var, device),
        DType::BF16 => filled::<bf16>(var, device),
        DType::F16 => filled::<f16>(var, device),
        other => bail!("an output has dtype {other:?}, expected F32, F64, BF16 or F16"),
    }
}

fn filled<T: CudaDType + DeviceRepr>(var: &Var, device: &CudaDevice) -> Result<CudaStorage> {
    let stream = device.cuda_stream();
    // SAFETY: written in full below.
    let mut slice = unsafe { device.alloc::<T>(var.elem_count())? };
    {
        let (address, _written) = slice.device_ptr_mut(&stream);
        // SAFETY: as many elements of that type, on the device that the Var's work is queued on.
        unsafe { cuda::copy_to(var, address)? };
    }
    Ok(CudaStorage::wrap_cuda_slice(slice, device.clone()))
}
