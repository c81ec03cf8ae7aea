//! Per-image linear maps of colours: brightness, saturation and contrast in one pass.

use candle_core::{Result, bail};

use crate::check_shapes::{rank4, shape};
use crate::kernels::color;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Both means are symmetric projections, so without its shift the map is its own adjoint.
struct ColorMix {
    shifted: bool,
}

impl Op for ColorMix {
    fn name(&self) -> &'static str {
        "color_mix"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        color::mix(inputs[0], inputs[1], self.shifted)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let gx = cx.when(0, || apply(Self { shifted: false }, &[&g, cx.input(1)]))?;
        Ok(vec![gx, None])
    }
}

impl Var {
    /// `a x + b m + c M + d` for each image of `[N, C, H, W]`, where m is the mean over the channels of each pixel, M the
    /// mean over the image, and `[a, b, c, d]` the image's row of `coefficients` `[N, 4]`.
    ///
    /// Sequences of brightness, saturation and contrast changes are all of this form.
    ///
    /// # Errors
    /// If the shapes do not fit, or if `coefficients` asks for a gradient: it takes none.
    pub fn color_mix(&self, coefficients: &Var) -> Result<Var> {
        let [batch, ..] = rank4("color_mix", "the input", "[N, C, H, W]", self)?;
        shape("color_mix", "coefficients", &[batch, 4], coefficients)?;
        if coefficients.requires_grad() {
            bail!("color_mix: coefficients take no gradient; detach them")
        }
        apply(ColorMix { shifted: true }, &[self, coefficients])
    }
}
