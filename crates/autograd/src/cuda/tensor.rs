//! Dense arrays in a GPU's memory.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, WithDType};

use super::driver::Kernel;
use super::gpu::{Buffer, Gpu};
use super::texts::{ELEMENTWISE, Element, LAYOUT, Text};
use super::words::{Address, Divisor, words};
use crate::device::Device;

/// Rows and columns of a block of `transpose`, as in `layout.cu`.
const TILE: usize = 32;

/// How images `[N, C, H, W]` lie in memory; everything else is row-major, which is [`Order::Planes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Channel by channel: NCHW.
    Planes,
    /// Pixel by pixel: NHWC, as tensor cores take convolutions.
    Pixels,
}

/// A dense array. Clones share memory; a word in size, as candle's tensors are.
#[derive(Clone, Debug)]
pub(crate) struct CudaTensor(Arc<Array>);

#[derive(Debug)]
struct Array {
    buffer: Arc<Buffer>,
    dims: Vec<usize>,
    element: Element,
    order: Order,
}

impl CudaTensor {
    /// An array whose contents a kernel will write in full.
    pub(crate) fn new(gpu: &Arc<Gpu>, element: Element, dims: &[usize]) -> Result<Self> {
        Self::in_memory(gpu, element, dims, Order::Planes)
    }

    pub(crate) fn in_memory(gpu: &Arc<Gpu>, element: Element, dims: &[usize], order: Order) -> Result<Self> {
        let bytes = dims.iter().product::<usize>() * element.bytes();
        let buffer = Arc::new(gpu.allocate(bytes)?);
        Ok(Self(Arc::new(Array { buffer, dims: dims.to_vec(), element, order })))
    }

    /// An array in memory of another library.
    pub(crate) fn of_buffer(buffer: Buffer, element: Element, dims: &[usize]) -> Self {
        Self(Arc::new(Array { buffer: Arc::new(buffer), dims: dims.to_vec(), element, order: Order::Planes }))
    }

    /// [`CudaTensor::new`] with this one's device and element type.
    pub(crate) fn like(&self, dims: &[usize]) -> Result<Self> {
        Self::new(self.gpu(), self.0.element, dims)
    }

    /// [`CudaTensor::like`] in an order; of images, where that is [`Order::Pixels`].
    pub(crate) fn like_in(&self, dims: &[usize], order: Order) -> Result<Self> {
        Self::in_memory(self.gpu(), self.0.element, dims, order)
    }

    /// An array of the same sizes in another type, in an order.
    pub(crate) fn of_type(&self, element: Element, order: Order) -> Result<Self> {
        Self::in_memory(self.gpu(), element, &self.0.dims, order)
    }

    /// An array of the same sizes in the same order.
    pub(crate) fn like_itself(&self) -> Result<Self> {
        self.like_in(&self.0.dims, self.0.order)
    }

    pub(crate) fn order(&self) -> Order {
        self.0.order
    }

    /// The same images in an order: this array, or a transposed copy.
    pub(crate) fn in_order(&self, order: Order) -> Result<Self> {
        if self.0.order == order {
            return Ok(self.clone());
        }
        let [n, c, h, w] = self.dims4()?;
        if c == 1 || h * w == 1 {
            // Both orders are one.
            let (buffer, element) = (self.0.buffer.clone(), self.0.element);
            return Ok(Self(Arc::new(Array { buffer, dims: self.0.dims.clone(), element, order })));
        }
        // Of each image the rows of a matrix become its columns.
        let (rows, columns) = match order {
            Order::Pixels => (c, h * w),
            Order::Planes => (h * w, c),
        };
        let out = self.like_in(&self.0.dims, order)?;
        let tiles = [rows, columns].map(|size| size.div_ceil(TILE));
        let blocks = n * tiles[0] * tiles[1];
        self.blocks(&LAYOUT, "transpose", &words![blocks, self, &out, rows, columns, tiles.map(Divisor)])?;
        Ok(out)
    }

    /// The same array, row-major.
    pub(crate) fn planes(&self) -> Result<Self> {
        self.in_order(Order::Planes)
    }

    /// [`CudaTensor::like`] in the type that the kernels compute in.
    pub(crate) fn like_in_arithmetic(&self, dims: &[usize]) -> Result<Self> {
        Self::new(self.gpu(), self.0.element.arithmetic(), dims)
    }

    pub(crate) fn full(gpu: &Arc<Gpu>, number: f64, element: Element, dims: &[usize]) -> Result<Self> {
        let out = Self::new(gpu, element, dims)?;
        out.map(&ELEMENTWISE, "fill", &words![out.len(), Address::NULL, &out, number, 0.0])?;
        Ok(out)
    }

    /// A copy of a host tensor, which is dense.
    pub(crate) fn from_host(gpu: &Arc<Gpu>, tensor: &Tensor) -> Result<Self> {
        let element = Element::of("to_device", tensor.dtype())?;
        match element {
            Element::F32 => Self::from_values::<f32>(gpu, element, tensor),
            Element::F64 => Self::from_values::<f64>(gpu, element, tensor),
            // Halves are rounded on the device.
            _ => Self::from_host(gpu, &tensor.to_dtype(DType::F32)?)?.cast(element),
        }
    }

    fn from_values<T: WithDType>(gpu: &Arc<Gpu>, element: Element, tensor: &Tensor) -> Result<Self> {
        let out = Self::new(gpu, element, tensor.dims())?;
        let values = tensor.flatten_all()?.to_vec1::<T>()?;
        gpu.upload(out.address(), bytes_of(&values))?;
        Ok(out)
    }

    /// A copy on the host. Waits for the device.
    pub(crate) fn to_host(&self) -> Result<Tensor> {
        if self.0.order != Order::Planes {
            return self.planes()?.to_host();
        }
        match self.0.element {
            Element::F32 => self.to_values::<f32>(),
            Element::F64 => self.to_values::<f64>(),
            _ => self.cast(Element::F32)?.to_host()?.to_dtype(self.0.element.dtype()),
        }
    }

    fn to_values<T: WithDType>(&self) -> Result<Tensor> {
        let mut values = vec![T::zero(); self.len()];
        if !values.is_empty() {
            self.gpu().download(self.address(), bytes_of_mut(&mut values))?;
        }
        Tensor::from_vec(values, self.0.dims.as_slice(), &candle_core::Device::Cpu)
    }

    /// The same array in a type: this one, or a rounded copy.
    pub(crate) fn in_type(&self, element: Element) -> Result<Self> {
        if self.0.element == element { Ok(self.clone()) } else { self.cast(element) }
    }

    pub(crate) fn cast(&self, element: Element) -> Result<Self> {
        let out = Self::in_memory(self.gpu(), element, &self.0.dims, self.0.order)?;
        let function = match element {
            Element::F32 => "cast_f32",
            Element::F64 => "cast_f64",
            Element::Bf16 => "cast_bf16",
            Element::F16 => "cast_f16",
        };
        self.map(&LAYOUT, function, &words![self.len(), self, &out])?;
        Ok(out)
    }

    /// The same array in memory of its own, row-major.
    pub(crate) fn copy(&self) -> Result<Self> {
        if self.0.order != Order::Planes {
            return self.planes();
        }
        let out = self.like(&self.0.dims)?;
        self.gpu().copy(out.address(), self.address(), self.bytes())?;
        Ok(out)
    }

    /// The same memory with other sizes, row-major.
    pub(crate) fn reshape(&self, dims: &[usize]) -> Self {
        let (buffer, element) = (self.0.buffer.clone(), self.0.element);
        Self(Arc::new(Array { buffer, dims: dims.to_vec(), element, order: Order::Planes }))
    }

    /// Runs a kernel with a thread an element, compiled for this array's element type. `words[0]` is their number.
    pub(crate) fn each(&self, text: &'static Text, function: &'static str, words: &[u64]) -> Result<()> {
        self.gpu().each(Kernel { text, function, element: self.0.element }, words)
    }

    /// Runs a kernel that maps elements likewise.
    pub(crate) fn map(&self, text: &'static Text, function: &'static str, words: &[u64]) -> Result<()> {
        self.gpu().map(Kernel { text, function, element: self.0.element }, words)
    }

    /// Runs a kernel of blocks likewise.
    pub(crate) fn blocks(&self, text: &'static Text, function: &'static str, words: &[u64]) -> Result<()> {
        self.gpu().blocks(Kernel { text, function, element: self.0.element }, words)
    }

    pub(crate) fn gpu(&self) -> &Arc<Gpu> {
        self.0.buffer.gpu()
    }

    pub(crate) fn device(&self) -> Device {
        self.gpu().device
    }

    pub(crate) fn address(&self) -> Address {
        self.0.buffer.address()
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.0.dims
    }

    pub(crate) fn dims4(&self) -> Result<[usize; 4]> {
        match self.0.dims.as_slice().try_into() {
            Ok(dims) => Ok(dims),
            Err(_) => candle_core::bail!("shape {:?}, expected [N, C, H, W]", self.0.dims),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.dims.iter().product()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.len() * self.0.element.bytes()
    }

    pub(crate) fn element(&self) -> Element {
        self.0.element
    }

    pub(crate) fn dtype(&self) -> DType {
        self.0.element.dtype()
    }

    /// Whether both lie in the same memory.
    pub(crate) fn shares(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.buffer, &other.0.buffer)
    }
}

/// Numbers as they lie in memory.
pub(crate) fn bytes_of<T: WithDType>(values: &[T]) -> &[u8] {
    // SAFETY: numbers have no padding, and any byte may be read.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), std::mem::size_of_val(values)) }
}

fn bytes_of_mut<T: WithDType>(values: &mut [T]) -> &mut [u8] {
    // SAFETY: as above, and any bytes are numbers.
    unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), std::mem::size_of_val(values)) }
}
