//! The standard deviation over groups of a batch as further channels (Karras et al. 2018, section 3).

use candle_core::{DType, Result, bail};

use super::concat::concat;
use crate::check_shapes::rank4;
use crate::cuda::launch::group as cuda;
use crate::cuda::tensor::CudaTensor;
use crate::fusion;
use crate::op::{Context, Keep, Op, apply};
use crate::value::Value;
use crate::var::Var;

/// Added to the variance.
const EPSILON: f64 = 1e-8;

/// The mean over the last axis of the deviation over the first, of `[size, rows, share]` on a GPU: `[1, rows, 1]`.
struct GroupDeviation {
    sizes: [usize; 3],
}

fn on_gpu(value: &Value) -> Result<CudaTensor> {
    match value {
        Value::Cuda(array) => array.planes(),
        Value::Cpu(_) => bail!("minibatch_stddev: an array lies on the host, expected both on one GPU"),
    }
}

impl Op for GroupDeviation {
    fn name(&self) -> &'static str {
        "minibatch_stddev"
    }

    fn keep(&self) -> Keep {
        Keep::inputs(&[0])
    }

    fn forward(&self, inputs: &[&Value]) -> Result<Value> {
        cuda::deviation(&on_gpu(inputs[0])?, self.sizes, EPSILON).map(Value::Cuda)
    }

    fn vjp(&self, cx: &Context, g: Var) -> Result<Vec<Option<Var>>> {
        let x = cx.input(0);
        if !cx.creates_graph() {
            let [x, g] = [on_gpu(x.value())?, on_gpu(g.value())?];
            let gradient = cuda::deviation_gradient(&x, &g, self.sizes, EPSILON)?;
            return Ok(vec![Some(Var::with_node(Value::Cuda(gradient), None))]);
        }
        let [size, _, share] = self.sizes;
        let [x64, g] = [x.to_dtype(DType::F64)?, g.to_dtype(DType::F64)?];
        let centred = x64.sub(&x64.mean_keep(&[0])?)?;
        let deviation = centred.square()?.mean_keep(&[0])?.affine(1.0, EPSILON)?.sqrt()?;
        let each = g.scale(1.0 / (size * share) as f64)?.div(&deviation)?;
        Ok(vec![Some(each.mul(&centred)?.to_dtype(x.dtype())?)])
    }
}

/// The mean deviation of each row of `[size, rows, share]`, in the array's type.
fn deviations(x: &Var) -> Result<Var> {
    if let ([size, rows, share], Value::Cuda(_), false) = (x.dims(), x.value(), fusion::is_off()) {
        return apply(GroupDeviation { sizes: [*size, *rows, *share] }, &[x]);
    }
    // In f64, for near a root's zero the rounding of differences reaches the second derivative.
    let wide = x.to_dtype(DType::F64)?;
    let variance = wide.sub(&wide.mean_keep(&[0])?)?.square()?.mean_keep(&[0])?;
    variance.affine(1.0, EPSILON)?.sqrt()?.mean_keep(&[2])?.to_dtype(x.dtype())
}

impl Var {
    /// Appends `num_channels` channels to `[N, C, H, W]`: the standard deviation over each group of images, averaged over
    /// the pixels of an equal share of the channels. The discriminator of StyleGAN2 sees a batch's variety by it.
    ///
    /// A group has `group` images, or the batch if that is smaller or `None`: with M groups, image j is in group j mod M.
    ///
    /// # Errors
    /// If the groups do not divide the batch, or `num_channels` not the channels.
    pub fn minibatch_stddev(&self, group: Option<usize>, num_channels: usize) -> Result<Var> {
        let op = "minibatch_stddev";
        let [batch, channels, height, width] = rank4(op, "the input", "[N, C, H, W]", self)?;
        let size = group.map_or(batch, |size| size.min(batch));
        if size == 0 || batch % size != 0 {
            bail!("{op}: groups of {size}, expected a divisor of the {batch} images of {:?}", self.dims())
        }
        if num_channels == 0 || channels % num_channels != 0 {
            bail!("{op}: {num_channels} new channels, expected a divisor of the {channels} of {:?}", self.dims())
        }
        let (groups, share) = (batch / size, channels / num_channels * height * width);
        let tiled = deviations(&self.reshape(&[size, groups * num_channels, share])?)?
            .reshape(&[1, groups, num_channels, 1, 1])?
            .broadcast_to(&[size, groups, num_channels, height, width])?
            .reshape(&[batch, num_channels, height, width])?;
        concat(&[self, &tiled], 1)
    }
}
