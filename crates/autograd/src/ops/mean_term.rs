//! The mean of a function of each logit: what adversarial losses are made of.

use candle_core::{DType, Result, bail};

use crate::cuda::launch::loss as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::fusion;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// A function of one logit `x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Term {
    /// `relu(1 + sign x)`
    Hinge {
        /// 1 or -1.
        sign: f64,
    },
    /// `softplus(sign x) + slope x`
    Softplus {
        /// 1 or -1.
        sign: f64,
        /// Of what is added; 0 for none.
        slope: f64,
    },
    /// `factor (x + shift)^2`
    Square {
        /// Added ahead of the square.
        shift: f64,
        /// Times the square.
        factor: f64,
    },
    /// `factor x`
    Linear {
        /// Times the logit.
        factor: f64,
    },
}

impl Term {
    /// Of each logit, op by op.
    ///
    /// # Errors
    /// As [`Var::affine`].
    pub fn of(self, x: &Var) -> Result<Var> {
        let scaled = |x: &Var, factor: f64| if factor == 1.0 { Ok(x.clone()) } else { x.scale(factor) };
        match self {
            Self::Hinge { sign } => x.affine(sign, 1.0)?.relu(),
            Self::Softplus { sign, slope } => {
                let y = scaled(x, sign)?.softplus()?;
                if slope == 0.0 { Ok(y) } else { y.add(&x.scale(slope)?) }
            }
            Self::Square { shift, factor } => {
                let moved = if shift == 0.0 { x.clone() } else { x.affine(1.0, shift)? };
                scaled(&moved.square()?, factor)
            }
            Self::Linear { factor } => scaled(x, factor),
        }
    }

    /// The derivative at each logit; `slopes` are its values, which are a constant where they do not depend on the logit.
    fn derivative(self, x: &Var, slopes: &Var) -> Result<Var> {
        match self {
            Self::Hinge { .. } | Self::Linear { .. } => Ok(slopes.clone()),
            Self::Softplus { sign, slope } => x.scale(sign)?.sigmoid()?.affine(sign, slope),
            Self::Square { shift, factor } => x.affine(2.0 * factor, 2.0 * factor * shift),
        }
    }
}

/// The mean of a term of an array on a GPU, which is there when the op is applied, and with it the derivative by each logit.
struct MeanTerm {
    term: Term,
    mean: CudaTensor,
    slopes: CudaTensor,
}

impl Op for MeanTerm {
    fn name(&self) -> &'static str {
        "mean_term"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0])
    }

    fn forward(&self, _: &[&Value]) -> Result<Value> {
        Ok(Value::Cuda(self.mean.clone()))
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let (x, slopes) = (cx.input(0), Var::with_node(Value::Cuda(self.slopes.clone()), None));
        if !cx.creates_graph() {
            return Ok(vec![Some(g.mul(&slopes)?)]);
        }
        let count = x.elem_count() as f64;
        // Slopes are those of the mean.
        let derivative = self.term.derivative(x, &slopes.scale(count)?)?;
        Ok(vec![Some(g.mul(&derivative)?.scale(1.0 / count)?)])
    }
}

impl Var {
    /// The mean of a function of each element: a number. On a GPU the derivative by each element comes with it, in one launch.
    ///
    /// # Errors
    /// If the array is empty, or the device fails.
    pub fn mean_term(&self, term: Term) -> Result<Var> {
        if self.elem_count() == 0 {
            bail!("mean_term: an array of shape {:?}, expected one element or more", self.dims())
        }
        match self.value() {
            Value::Cuda(x) if !fusion::is_off() && matches!(self.dtype(), DType::F32 | DType::F64) => {
                let [mean, slopes] = cuda::mean_term(term, x)?;
                apply(MeanTerm { term, mean, slopes }, &[self])
            }
            _ => term.of(self)?.mean(),
        }
    }
}
