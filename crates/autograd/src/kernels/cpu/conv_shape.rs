//! The sizes of a stride-1 convolution: NCHW input, OIHW filter, square zero padding.

use candle_core::{Result, bail};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub batch: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub padding: usize,
}

impl ConvShape {
    pub fn new(
        input: (usize, usize, usize, usize),
        filter: (usize, usize, usize, usize),
        padding: usize,
    ) -> Result<Self> {
        let (batch, in_channels, height, width) = input;
        let (out_channels, filter_in, kernel, kernel_width) = filter;
        if filter_in != in_channels {
            bail!("conv2d: filter {filter:?} takes {filter_in} channels, input {input:?} has {in_channels}")
        }
        if kernel != kernel_width || kernel % 2 == 0 || padding >= kernel {
            bail!("conv2d: filter {filter:?} with padding {padding}: want an odd square filter, padding < size")
        }
        if height + 2 * padding < kernel || width + 2 * padding < kernel {
            bail!("conv2d: input {input:?} is smaller than filter {filter:?}")
        }
        Ok(Self { batch, in_channels, out_channels, height, width, kernel, padding })
    }

    pub fn out_height(&self) -> usize {
        self.height + 2 * self.padding + 1 - self.kernel
    }

    pub fn out_width(&self) -> usize {
        self.width + 2 * self.padding + 1 - self.kernel
    }

    pub fn input_len(&self) -> usize {
        self.batch * self.in_channels * self.height * self.width
    }

    pub fn output_len(&self) -> usize {
        self.batch * self.out_channels * self.out_height() * self.out_width()
    }

    pub fn filter_len(&self) -> usize {
        self.out_channels * self.in_channels * self.kernel * self.kernel
    }

    /// The convolution that maps the output's cotangent to the input's.
    pub fn adjoint(&self) -> Self {
        Self {
            in_channels: self.out_channels,
            out_channels: self.in_channels,
            height: self.out_height(),
            width: self.out_width(),
            padding: self.kernel - 1 - self.padding,
            ..*self
        }
    }
}
