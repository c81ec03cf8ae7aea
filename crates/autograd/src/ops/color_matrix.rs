//! A matrix of colours an image: every channel a weighted sum of all channels, and a shift.

use candle_core::{Result, bail};

use crate::check_shapes::{rank4, shape};
use crate::kernels::color;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Without its shift, the adjoint is the transposed matrix.
#[derive(Clone, Copy)]
struct ColorMatrix {
    transposed: bool,
    shifted: bool,
}

impl Op for ColorMatrix {
    fn name(&self) -> &'static str {
        "color_matrix"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[1])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        color::matrix(inputs[0], inputs[1], self.transposed, self.shifted)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let adjoint = Self { transposed: !self.transposed, shifted: false };
        let gx = cx.when(0, || apply(adjoint, &[&g, cx.input(1)]))?;
        Ok(vec![gx, None])
    }
}

impl Var {
    /// `sum_k a[c][k] x[k] + a[c][C]` in channel c of each image of `[N, C, H, W]`, with the image's rows
    /// `a[c] = [a[c][0], .., a[c][C]]` of `rows` `[N, C, C + 1]`.
    ///
    /// Any sequence of linear colour changes (brightness, contrast, hue, saturation) is of this form.
    ///
    /// # Errors
    /// If the shapes do not fit, or if `rows` asks for a gradient: it takes none.
    pub fn color_matrix(&self, rows: &Var) -> Result<Var> {
        let [batch, channels, ..] = rank4("color_matrix", "the input", "[N, C, H, W]", self)?;
        shape("color_matrix", "rows", &[batch, channels, channels + 1], rows)?;
        if rows.requires_grad() {
            bail!("color_matrix: rows take no gradient; detach them")
        }
        apply(ColorMatrix { transposed: false, shifted: true }, &[self, rows])
    }
}
