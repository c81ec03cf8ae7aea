//! A filter times a number, in the type that it convolves in.

use candle_core::{DType, Result, bail};

use crate::check_shapes::rank4;
use crate::cuda::launch::filter as cuda;
use crate::cuda::texts::Element;
use crate::fusion;
use crate::op::{Context, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Of a filter on a GPU, from a wide type to a half.
struct ScaledFilter {
    factor: f64,
    from: DType,
    to: DType,
}

impl Op for ScaledFilter {
    fn name(&self) -> &'static str {
        "scaled_filter"
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let Value::Cuda(w) = inputs[0] else { bail!("scaled_filter: the filter lies on the host") };
        cuda::scale(w, self.factor, Element::of(self.name(), self.to)?).map(Value::Cuda)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let gradient = match g.value() {
            Value::Cuda(g) if !cx.creates_graph() => {
                let gradient = cuda::scale_gradient(g, self.factor, Element::of(self.name(), self.from)?)?;
                Var::with_node(Value::Cuda(gradient), None)
            }
            _ => g.to_dtype(self.from)?.scale(self.factor)?,
        };
        Ok(vec![Some(gradient)])
    }
}

impl Var {
    /// `factor * w` of a filter `[O, I, KH, KW]`, in the type of the images that it meets; on a GPU, where that is a half, in one pass and
    /// in the order in which a library convolves.
    ///
    /// # Errors
    /// If it is no filter, or the device fails.
    pub fn scaled_filter(&self, factor: f64, dtype: DType) -> Result<Var> {
        rank4("scaled_filter", "the filter", "[O, I, KH, KW]", self)?;
        let is_half = matches!(dtype, DType::BF16 | DType::F16);
        let is_wide = matches!(self.dtype(), DType::F32 | DType::F64);
        if is_half && is_wide && !fusion::is_off() && matches!(self.value(), Value::Cuda(_)) {
            return apply(ScaledFilter { factor, from: self.dtype(), to: dtype }, &[self]);
        }
        self.scale(factor)?.to_dtype(dtype)
    }
}
