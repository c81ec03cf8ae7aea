//! The end of a residual block: a convolution added to what went past it.

use candle_core::Result;

use super::conv::{Conv2d, Conv2dConfig, ConvShape, Resample};
use crate::check_shapes::{rank4, same_or_wide, same_type, shape};
use crate::fusion;
use crate::kernels::conv::Relus;
use crate::op::apply;
use crate::value::Value;
use crate::var::Var;

impl Var {
    /// `onto` plus [`Var::conv2d`]: the end of a residual block, on a GPU in one pass over memory.
    ///
    /// # Errors
    /// As [`Var::conv2d`], and if `onto` has not the output's shape and type.
    pub fn conv2d_onto(&self, w: &Var, bias: Option<&Var>, onto: &Var, config: Conv2dConfig) -> Result<Var> {
        let Some(bias) = bias.filter(|_| self.adds_last()) else { return self.conv2d(w, bias, config)?.add(onto) };
        let input = rank4("conv2d", "the input", "[N, I, H, W]", self)?;
        let filter = rank4("conv2d", "the filter", "[O, I, KH, KW]", w)?;
        same_type("conv2d", "the filter", self, w)?;
        self.convolved_onto(w, bias, onto, ConvShape::new("conv2d", input, filter, config)?)
    }

    /// Whether a convolution takes what is added to it in the same pass.
    fn adds_last(&self) -> bool {
        !fusion::is_off() && matches!(self.value(), Value::Cuda(_))
    }

    fn convolved_onto(&self, w: &Var, bias: &Var, onto: &Var, sizes: ConvShape) -> Result<Var> {
        shape("conv2d", "the bias", &[sizes.out_channels], bias)?;
        same_or_wide("conv2d", "the bias", self, bias)?;
        shape("conv2d", "what is added", &sizes.output(), onto)?;
        same_type("conv2d", "what is added", self, onto)?;
        apply(Conv2d { shape: sizes, relus: Relus::default() }, &[self, w, bias, onto])
    }

    /// `onto` plus [`Var::conv2d_avg_pool2`], on a GPU in one pass over memory.
    ///
    /// # Errors
    /// As [`Var::conv2d_avg_pool2`], and if `onto` has not the output's shape and type.
    pub fn conv2d_avg_pool2_onto(&self, w: &Var, bias: Option<&Var>, onto: &Var, config: Conv2dConfig) -> Result<Var> {
        let Some(bias) = bias.filter(|_| self.adds_last()) else {
            return self.conv2d_avg_pool2(w, bias, config)?.add(onto);
        };
        let op = "conv2d_avg_pool2";
        let sizes = self.pooled_sizes(w, config)?;
        same_or_wide(op, "the filter", self, w)?;
        self.convolved_onto(w, bias, onto, ConvShape { resample: Resample::HalveOutput, ..sizes })
    }
}
