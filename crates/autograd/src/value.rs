//! What a [`Var`](crate::Var) holds: a dense array on one device.

use candle_core::{DType, Result, Tensor, bail};

use crate::cuda;
use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::Element;
use crate::device::Device;

/// A dense array. Kernels alone look inside.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Cpu(Tensor),
    Cuda(CudaTensor),
}

impl Value {
    /// Takes a candle tensor without its candle graph. A copy is made if it is not dense.
    pub(crate) fn from_tensor(tensor: &Tensor) -> Self {
        let tensor = tensor.detach();
        // A copy fails for tensors on candle's own GPUs only, and the first kernel reports those.
        Self::Cpu(tensor.contiguous().unwrap_or(tensor))
    }

    pub(crate) fn full(number: f64, dims: &[usize], dtype: DType, device: Device) -> Result<Self> {
        if device != Device::Cpu {
            let element = Element::of("full", dtype)?;
            return CudaTensor::full(&cuda::open(device)?, number, element, dims).map(Self::Cuda);
        }
        let host = candle_core::Device::Cpu;
        Ok(Self::Cpu(match dtype {
            DType::F32 => Tensor::full(number as f32, dims, &host)?.contiguous()?,
            DType::F64 => Tensor::full(number, dims, &host)?.contiguous()?,
            other => bail!("full: dtype {other:?}, expected F32 or F64"),
        }))
    }

    pub(crate) fn to_tensor(&self) -> Result<Tensor> {
        match self {
            Self::Cpu(tensor) => Ok(tensor.clone()),
            Self::Cuda(tensor) => tensor.to_host(),
        }
    }

    /// The same array in memory of its own.
    pub(crate) fn copy(&self) -> Result<Self> {
        match self {
            Self::Cpu(tensor) => Ok(Self::Cpu(tensor.copy()?)),
            Self::Cuda(tensor) => tensor.copy().map(Self::Cuda),
        }
    }

    pub(crate) fn dims(&self) -> &[usize] {
        match self {
            Self::Cpu(tensor) => tensor.dims(),
            Self::Cuda(tensor) => tensor.dims(),
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::Cpu(tensor) => tensor.dtype(),
            Self::Cuda(tensor) => tensor.dtype(),
        }
    }

    /// Whether it lies pixel by pixel on a GPU; everything else is row-major.
    pub(crate) fn lies_by_pixels(&self) -> bool {
        matches!(self, Self::Cuda(tensor) if tensor.order() == Order::Pixels)
    }

    pub(crate) fn device(&self) -> Device {
        match self {
            Self::Cpu(_) => Device::Cpu,
            Self::Cuda(tensor) => tensor.device(),
        }
    }

    /// The same array on another device.
    pub(crate) fn to_device(&self, device: Device) -> Result<Self> {
        if device == self.device() {
            return Ok(self.clone());
        }
        let host = self.to_tensor()?;
        match device {
            Device::Cpu => Ok(Self::Cpu(host)),
            _ => CudaTensor::from_host(&cuda::open(device)?, &host).map(Self::Cuda),
        }
    }
}
