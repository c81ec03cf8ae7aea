//! Bias, activation, gain and clamp in one op, with one pass forward and one back.

use candle_core::{DType, Result, bail};

use crate::check_shapes::{same_or_wide, shape};
use crate::fusion;
use crate::kernels::bias_act::{self, Known, Layout, SELU_ALPHA, SELU_SCALE};
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// The activations of StyleGAN2's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x`
    Linear,
    /// `max(x, 0)`
    Relu,
    /// `x` where positive, `alpha * x` elsewhere.
    Lrelu,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x` where positive, `e^x - 1` elsewhere.
    Elu,
    /// `1.0507 x` where positive, `1.7581 (e^x - 1)` elsewhere.
    Selu,
    /// `log(1 + e^x)`
    Softplus,
    /// `x * sigmoid(x)`
    Swish,
}

impl Activation {
    /// The gain that goes with it: sqrt(2) where half of a normal input is lost, else 1.
    pub fn default_gain(self) -> f64 {
        match self {
            Self::Relu | Self::Lrelu | Self::Swish => std::f64::consts::SQRT_2,
            _ => 1.0,
        }
    }

    /// Whether the slope does not follow from the output, or not exactly.
    fn needs_input(self) -> bool {
        matches!(self, Self::Softplus | Self::Swish)
    }

    /// Whether the slope is constant almost everywhere.
    fn is_piecewise_linear(self) -> bool {
        matches!(self, Self::Linear | Self::Relu | Self::Lrelu)
    }
}

/// What [`Var::bias_act`] does after adding the bias: `clamp(activation(x) * gain)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BiasAct {
    /// The nonlinearity.
    pub activation: Activation,
    /// The slope of [`Activation::Lrelu`] below zero; 0.2 by default. The others do not look at it.
    pub alpha: f64,
    /// Factor after the activation; not 0. [`Activation::default_gain`] by default.
    pub gain: f64,
    /// Values end in `[-clamp, clamp]`, after the gain. The gradient is zero where they are cut.
    pub clamp: Option<f64>,
}

impl BiasAct {
    /// The activation with its default gain, slope 0.2 and no clamp.
    pub fn new(activation: Activation) -> Self {
        Self { activation, alpha: 0.2, gain: activation.default_gain(), clamp: None }
    }

    /// A multiplication by the gain, whose gradient needs nothing of the forward pass.
    fn is_scale(&self) -> bool {
        self.activation == Activation::Linear && self.clamp.is_none()
    }

    fn check(&self) -> Result<()> {
        let Self { activation, alpha, gain, clamp } = *self;
        if !gain.is_finite() || gain == 0.0 {
            bail!("bias_act: gain {gain}, expected a finite number other than 0")
        }
        // The sign of the output stands for the input's.
        if activation == Activation::Lrelu && !(alpha >= 0.0 && alpha.is_finite()) {
            bail!("bias_act: alpha {alpha}, expected a finite number of 0 or more")
        }
        match clamp {
            Some(limit) if limit.is_nan() || limit < 0.0 => bail!("bias_act: clamp {limit}, expected 0 or more"),
            _ => Ok(()),
        }
    }
}

/// Of an input and, if there is one, a bias.
struct BiasActivation {
    config: BiasAct,
    layout: Layout,
    /// Of the bias.
    dtype: DType,
}

/// The cotangent `g` times the slope at the output `y`, for piecewise linear activations: linear in `g`, constant in `y`
/// almost everywhere, and its own second derivative.
struct Slope(BiasActivation);

impl Op for BiasActivation {
    fn name(&self) -> &'static str {
        "bias_act"
    }

    fn keep(&self) -> Keep {
        match self.config.activation {
            _ if self.config.is_scale() => Keep::default(),
            activation if activation.needs_input() => Keep::inputs(&[0, 1]),
            _ => Keep::output(),
        }
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        bias_act::forward(&self.config, self.layout, inputs[0], inputs.get(1).copied())
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        if !cx.creates_graph() && !self.config.is_scale() {
            return self.fused_vjp(cx, &g);
        }
        let gx = self.composed_vjp(cx, &g)?;
        let Layout { outer, channels, inner } = self.layout;
        let sums =
            || gx.reshape(&[outer, channels, inner])?.sum_to_in(&[1, channels, 1], self.dtype)?.reshape(&[channels]);
        let gb = if cx.has(1) { cx.when(1, sums)? } else { None };
        Ok(vec![Some(gx), gb])
    }
}

impl BiasActivation {
    fn fused_vjp(&self, cx: &Context, g: &Var) -> Result<Vec<Option<Var>>> {
        let known = match self.config.activation.needs_input() {
            true => Known::Input(cx.input(0).value(), cx.has(1).then(|| cx.input(1).value())),
            false => Known::Output(cx.output().value()),
        };
        let sums = cx.has(1) && cx.needs(1);
        let (gx, gb) = bias_act::backward(&self.config, self.layout, g.value(), known, sums)?;
        let gb = gb.map(|gb| Var::with_node(gb, None).to_dtype(self.dtype)).transpose()?;
        Ok(vec![Some(Var::with_node(gx, None)), gb])
    }

    /// The cotangent of the input, in ops.
    fn composed_vjp(&self, cx: &Context, g: &Var) -> Result<Var> {
        let BiasAct { activation, gain, clamp, .. } = self.config;
        if self.config.is_scale() {
            return g.scale(gain);
        }
        if activation.is_piecewise_linear() {
            return apply(Slope(Self { ..*self }), &[g, cx.output()]);
        }
        let (slope, y) = match activation.needs_input() {
            true => {
                let bias = cx.has(1).then(|| self.bias_by_axis(cx)).transpose()?;
                let z = bias.map_or_else(|| Ok(cx.input(0).clone()), |bias| cx.input(0).add(&bias))?;
                let y = || z.detach().bias_act(None, &BiasAct { clamp, ..self.config });
                (slope_of_input(activation, &z)?, clamp.map(|_| y()).transpose()?)
            }
            false => {
                let y = cx.output();
                (slope_of_output(activation, &y.scale(gain.recip())?)?, clamp.map(|_| y.clone()))
            }
        };
        let gx = g.mul(&slope)?.scale(gain)?;
        let Some(y) = y else { return Ok(gx) };
        // What the clamp lets through.
        let config = BiasAct { activation: Activation::Linear, gain: 1.0, ..self.config };
        apply(Slope(Self { config, ..*self }), &[&gx, &y])
    }

    /// The bias in the rank of the input.
    fn bias_by_axis(&self, cx: &Context) -> Result<Var> {
        let mut by_axis = vec![1; cx.input(0).dims().len()];
        by_axis[1] = self.layout.channels;
        cx.input(1).to_dtype(cx.input(0).dtype())?.reshape(&by_axis)
    }
}

/// The slope at `z`.
fn slope_of_input(activation: Activation, z: &Var) -> Result<Var> {
    let s = z.sigmoid()?;
    match activation {
        Activation::Swish => s.mul(&z.mul(&s.affine(-1.0, 1.0)?)?.affine(1.0, 1.0)?),
        _ => Ok(s),
    }
}

/// The slope where the activation's value is `a`.
fn slope_of_output(activation: Activation, a: &Var) -> Result<Var> {
    // `scale` above zero, `a + floor` below.
    let exponential = |scale: f64, floor: f64| {
        let below = a.affine(1.0, floor - scale)?;
        below.sub(&below.slope_by_sign(a, 0.0)?)?.affine(1.0, scale)
    };
    match activation {
        Activation::Tanh => a.square()?.affine(-1.0, 1.0),
        Activation::Sigmoid => a.mul(&a.affine(-1.0, 1.0)?),
        Activation::Elu => exponential(1.0, 1.0),
        _ => exponential(SELU_SCALE, SELU_SCALE * SELU_ALPHA),
    }
}

impl Op for Slope {
    fn name(&self) -> &'static str {
        "bias_act_grad"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        let BiasActivation { config, layout, .. } = &self.0;
        Ok(bias_act::backward(config, *layout, inputs[0], Known::Output(inputs[1]), false)?.0)
    }

    fn vjp(&self, cx: &Context, c: Var) -> Result<Vec<Option<Var>>> {
        let slope = Self(BiasActivation { ..self.0 });
        Ok(vec![cx.when(0, || apply(slope, &[&c, cx.input(1)]))?, None])
    }
}

impl Var {
    /// `clamp(activation(x + bias) * gain)` in one pass, for an input of rank 2 or more and a bias `[C]` along axis 1. The bias of an
    /// input in a half may be F32, and its gradient then is.
    ///
    /// # Errors
    /// If the shapes are not those, or a number of `config` is out of its range.
    pub fn bias_act(&self, bias: Option<&Var>, config: &BiasAct) -> Result<Var> {
        config.check()?;
        let [outer, channels, rest @ ..] = self.dims() else {
            bail!("bias_act: the input has shape {:?}, expected [N, C, ..]", self.dims())
        };
        let layout = Layout { outer: *outer, channels: *channels, inner: rest.iter().product() };
        if fusion::is_off()
            && let Some(y) = self.bias_act_by_steps(bias, config)?
        {
            return Ok(y);
        }
        let op = BiasActivation { config: *config, layout, dtype: bias.unwrap_or(self).dtype() };
        match bias {
            Some(bias) => {
                shape("bias_act", "the bias", &[*channels], bias)?;
                same_or_wide("bias_act", "the bias", self, bias)?;
                apply(op, &[self, bias])
            }
            None => apply(op, &[self]),
        }
    }

    /// [`Var::bias_act`], an op a step, of activations that are an op of their own.
    fn bias_act_by_steps(&self, bias: Option<&Var>, config: &BiasAct) -> Result<Option<Var>> {
        let mut by_axis = vec![1; self.dims().len()];
        by_axis[1] = self.dims()[1];
        let bias = bias.map(|bias| bias.to_dtype(self.dtype())?.reshape(&by_axis)).transpose()?;
        let z = bias.map_or_else(|| Ok(self.clone()), |bias| self.add(&bias))?;
        let y = match config.activation {
            Activation::Linear => z,
            Activation::Relu => z.relu()?,
            Activation::Lrelu => z.leaky_relu(config.alpha)?,
            Activation::Tanh => z.tanh()?,
            Activation::Sigmoid => z.sigmoid()?,
            Activation::Softplus => z.softplus()?,
            Activation::Swish => z.mul(&z.sigmoid()?)?,
            Activation::Elu | Activation::Selu => return Ok(None),
        };
        let y = if config.gain == 1.0 { y } else { y.scale(config.gain)? };
        config.clamp.map_or(Ok(y.clone()), |limit| y.clamp(-limit, limit)).map(Some)
    }
}
