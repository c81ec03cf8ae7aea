//! Functions of one element, and of two with broadcasting: one launch each.

use candle_core::{Result, bail};

use crate::cuda::tensor::{CudaTensor, Order};
use crate::cuda::texts::ELEMENTWISE;
use crate::cuda::words::{Divisor, words};
use crate::kernels::elementwise::{Binary, Gate, Unary};

/// The most axes that a kernel takes, neighbours merged: `RANK` of the texts.
pub(crate) const RANK: usize = 6;

pub(crate) fn unary(f: Unary, x: &CudaTensor) -> Result<CudaTensor> {
    let (function, a, b) = match f {
        Unary::Affine(scale, shift) => ("affine", scale, shift),
        Unary::Exp => ("exponential", 0.0, 0.0),
        Unary::Log => ("logarithm", 0.0, 0.0),
        Unary::Sqrt => ("root", 0.0, 0.0),
        Unary::Tanh => ("hyperbolic_tangent", 0.0, 0.0),
        Unary::Sigmoid => ("logistic", 0.0, 0.0),
        Unary::Softplus => ("soft_plus", 0.0, 0.0),
        Unary::LeakyRelu(slope) => ("leaky_relu", slope, 0.0),
        Unary::Abs => ("absolute", 0.0, 0.0),
        Unary::Sign => ("sign", 0.0, 0.0),
        Unary::Clamp(low, high) => ("clamp", low, high),
    };
    let y = x.like_itself()?;
    x.map(&ELEMENTWISE, function, &words![x.len(), x, &y, a, b])?;
    Ok(y)
}

pub(crate) fn binary(f: Binary, x: &CudaTensor, y: &CudaTensor, shape: &[usize]) -> Result<CudaTensor> {
    let (function, alike) = match f {
        Binary::Add => ("add", "add_alike"),
        Binary::Sub => ("sub", "sub_alike"),
        Binary::Mul => ("mul", "mul_alike"),
        Binary::Div => ("divide", "divide_alike"),
    };
    if x.dims() == shape && y.dims() == shape {
        let [x, y] = &alike_in_order([x, y])?;
        let out = x.like_itself()?;
        x.map(&ELEMENTWISE, alike, &words![out.len(), x, y, &out])?;
        return Ok(out);
    }
    let (x, y, out) = (&x.planes()?, &y.planes()?, x.like(shape)?);
    let axes = merged(shape, [x.dims(), y.dims()]);
    let (size, [step_x, step_y]) = columns("broadcast", &axes)?;
    let rank = axes.len().max(1);
    x.map(&ELEMENTWISE, function, &words![out.len(), x, y, &out, rank, size, step_x, step_y])?;
    Ok(out)
}

pub(crate) fn gate(f: Gate, g: &CudaTensor, x: &CudaTensor) -> Result<CudaTensor> {
    let (function, a, b) = match f {
        Gate::Slope(slope) => ("gate_slope", slope, 0.0),
        Gate::Between(low, high) => ("gate_between", low, high),
    };
    let [g, x] = &alike_in_order([g, x])?;
    let out = g.like_itself()?;
    g.map(&ELEMENTWISE, function, &words![out.len(), g, x, &out, a, b])?;
    Ok(out)
}

/// Arrays of the same sizes, in one order: pixel by pixel if one of them is.
pub(super) fn alike_in_order<const N: usize>(arrays: [&CudaTensor; N]) -> Result<[CudaTensor; N]> {
    let order = arrays.iter().map(|array| array.order()).max().unwrap_or(Order::Planes);
    let mut alike = arrays.map(CudaTensor::clone);
    for array in &mut alike {
        *array = array.in_order(order)?;
    }
    Ok(alike)
}

/// An axis: its size and the two steps along it.
pub(crate) type Axis = (usize, [isize; 2]);

/// The axes of `shape` and each operand's steps along them (0 where it repeats), neighbours merged where both operands
/// run through them as through one.
fn merged(shape: &[usize], operands: [&[usize]; 2]) -> Vec<Axis> {
    let mut strides = [1isize, 1];
    let mut axes: Vec<Axis> = Vec::new();
    for (i, size) in shape.iter().enumerate().rev() {
        let step = [0, 1].map(|side| {
            let dims = operands[side];
            let own = (i + dims.len()).checked_sub(shape.len()).map_or(1, |i| dims[i]);
            let step = if own == 1 { 0 } else { strides[side] };
            strides[side] *= own as isize;
            step
        });
        axes.push((*size, step));
    }
    axes.reverse();
    merge(axes)
}

/// Joins neighbouring axes that both sides run through as through one; axes of size 1 go.
pub(crate) fn merge(axes: Vec<Axis>) -> Vec<Axis> {
    let mut joined: Vec<Axis> = Vec::new();
    for (size, step) in axes.into_iter().rev().filter(|(size, _)| *size != 1) {
        match joined.last_mut() {
            Some((inner, inner_step)) if (0..2).all(|side| step[side] == inner_step[side] * *inner as isize) => {
                *inner *= size;
            }
            _ => joined.push((size, step)),
        }
    }
    joined.reverse();
    joined
}

/// Sizes, and both steps, as the fixed columns of a kernel's struct.
pub(crate) fn columns(op: &str, axes: &[Axis]) -> Result<([Divisor; RANK], [[isize; RANK]; 2])> {
    if axes.len() > RANK {
        bail!("{op}: {} axes that do not merge, expected at most {RANK} on a GPU", axes.len())
    }
    let (mut sizes, mut steps) = ([Divisor(1); RANK], [[0; RANK]; 2]);
    for (i, (size, step)) in axes.iter().enumerate() {
        sizes[i] = Divisor(*size);
        for side in 0..2 {
            steps[side][i] = step[side];
        }
    }
    Ok((sizes, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_axes_merge() {
        let axes = merged(&[4, 3, 8, 8], [&[4, 3, 8, 8], &[1, 3, 1, 1]]);
        assert_eq!(axes, [(4, [192, 0]), (3, [64, 1]), (64, [1, 0])]);
        assert_eq!(merged(&[5, 6], [&[5, 6], &[1]]), [(30, [1, 0])]);
        assert_eq!(merged(&[], [&[], &[1]]), []);
    }
}
