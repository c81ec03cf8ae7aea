//! Elementwise maps: parallel over fixed chunks, vectorised for the machine's widest registers.

use std::ops::Range;

use num_traits::Float;
use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::machine::{Width, width};
use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::elementwise::{Binary, Gate, Unary};

const CHUNK: usize = 1 << 14;

/// Runs `f` compiled for AVX-512 or AVX2 where the machine has them. `f` must be an
/// `#[inline(always)]` closure, else it stays compiled for the baseline.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,fma")]
        fn avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        match width() {
            // SAFETY: the features were detected.
            Width::Avx512 => return unsafe { avx512(f) },
            // SAFETY: the features were detected.
            Width::Avx2 => return unsafe { avx2(f) },
            Width::Portable => {}
        }
    }
    f()
}

/// Splits `len` into chunks whose bounds depend on `len` only.
fn chunks(len: usize, f: impl Fn(Range<usize>) + Sync) {
    if len <= CHUNK {
        return f(0..len);
    }
    (0..len.div_ceil(CHUNK)).into_par_iter().for_each(|i| f(i * CHUNK..len.min((i + 1) * CHUNK)));
}

fn map<T: Element>(x: &[T], f: impl Fn(T) -> T + Sync + Copy) -> Vec<T> {
    filled(x.len(), |out: Shared<T>| {
        chunks(x.len(), |range| {
            vectorised(
                #[inline(always)]
                || {
                    // A copy that no store can change, so that its constants stay in registers.
                    let apply = f;
                    for i in range {
                        // SAFETY: chunks are disjoint and inside.
                        unsafe { out.pointer().add(i).write(apply(*x.get_unchecked(i))) };
                    }
                },
            )
        })
    })
}

fn zip<T: Element>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Sync + Copy) -> Vec<T> {
    assert_eq!(x.len(), y.len());
    filled(x.len(), |out: Shared<T>| {
        chunks(x.len(), |range| {
            vectorised(
                #[inline(always)]
                || {
                    let apply = f; // as in `map`
                    for i in range {
                        // SAFETY: chunks are disjoint and inside.
                        unsafe { out.pointer().add(i).write(apply(*x.get_unchecked(i), *y.get_unchecked(i))) };
                    }
                },
            )
        })
    })
}

/// An axis of a broadcast pair: its size, and how far each operand moves along it (0 if repeated).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Axis {
    size: usize,
    step: [usize; 2],
}

/// The axes of `shape`, neighbours merged where both operands run through them as through one.
fn axes(shape: &[usize], operands: [&[usize]; 2]) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::new();
    let mut strides = [1, 1];
    for (i, size) in shape.iter().enumerate().rev() {
        let mut step = [0, 0];
        for (side, dims) in operands.iter().enumerate() {
            let own = (i + dims.len()).checked_sub(shape.len()).map_or(1, |i| dims[i]);
            if own != 1 {
                step[side] = strides[side];
            }
            strides[side] *= own;
        }
        match merged.last_mut() {
            _ if *size == 1 => {}
            Some(last) if (0..2).all(|side| step[side] == last.step[side] * last.size) => last.size *= size,
            _ => merged.push(Axis { size: *size, step }),
        }
    }
    merged.reverse();
    merged
}

fn broadcast<T: Element>(
    (x, x_dims): (&[T], &[usize]),
    (y, y_dims): (&[T], &[usize]),
    shape: &[usize],
    f: impl Fn(T, T) -> T + Sync,
) -> Vec<T> {
    let axes = axes(shape, [x_dims, y_dims]);
    let len = shape.iter().product();
    let Some((inner, outer)) = axes.split_last() else {
        return (0..len).map(|_| f(x[0], y[0])).collect();
    };
    filled(len, |out: Shared<T>| {
        chunks(len, |range| {
            let mut at = range.start;
            while at < range.end {
                let (mut row, column) = (at / inner.size, at % inner.size);
                let take = (inner.size - column).min(range.end - at);
                let mut start = inner.step.map(|step| column * step);
                for axis in outer.iter().rev() {
                    start = [0, 1].map(|side| start[side] + row % axis.size * axis.step[side]);
                    row /= axis.size;
                }
                // SAFETY: rows of different chunks are disjoint and inside the output.
                let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(at), take) };
                vectorised(
                    #[inline(always)]
                    || row_of_two((&x[start[0]..], inner.step[0]), (&y[start[1]..], inner.step[1]), out, &f),
                );
                at += take;
            }
        });
    })
}

#[inline(always)]
fn row_of_two<T: Element>((x, sx): (&[T], usize), (y, sy): (&[T], usize), out: &mut [T], f: &impl Fn(T, T) -> T) {
    match (sx, sy) {
        (0, 0) => out.fill(f(x[0], y[0])),
        (0, _) => {
            let x = x[0];
            out.iter_mut().zip(y).for_each(|(out, y)| *out = f(x, *y));
        }
        (_, 0) => {
            let y = y[0];
            out.iter_mut().zip(x).for_each(|(out, x)| *out = f(*x, y));
        }
        _ => out.iter_mut().zip(x.iter().zip(y)).for_each(|(out, (x, y))| *out = f(*x, *y)),
    }
}

pub(crate) fn binary<T: Element>(f: Binary, x: (&[T], &[usize]), y: (&[T], &[usize]), shape: &[usize]) -> Vec<T> {
    if x.1 == y.1 {
        return match f {
            Binary::Add => zip(x.0, y.0, |a, b| a + b),
            Binary::Sub => zip(x.0, y.0, |a, b| a - b),
            Binary::Mul => zip(x.0, y.0, |a, b| a * b),
            Binary::Div => zip(x.0, y.0, |a, b| a / b),
        };
    }
    match f {
        Binary::Add => broadcast(x, y, shape, |a, b| a + b),
        Binary::Sub => broadcast(x, y, shape, |a, b| a - b),
        Binary::Mul => broadcast(x, y, shape, |a, b| a * b),
        Binary::Div => broadcast(x, y, shape, |a, b| a / b),
    }
}

pub(crate) fn gate<T: Element>(f: Gate, g: &[T], x: &[T]) -> Vec<T> {
    match f {
        Gate::Slope(slope) => {
            let slope = T::of(slope);
            zip(g, x, |g, x| if x > T::zero() { g } else { g * slope })
        }
        Gate::Between(low, high) => {
            let (low, high) = (T::of(low), T::of(high));
            zip(g, x, |g, x| if x >= low && x <= high { g } else { T::zero() })
        }
    }
}

pub(crate) fn unary<T: Element>(f: Unary, x: &[T]) -> Vec<T> {
    match f {
        Unary::Affine(scale, shift) => {
            let (scale, shift) = (T::of(scale), T::of(shift));
            map(x, |v| v * scale + shift)
        }
        Unary::Exp => map(
            x,
            #[inline(always)]
            |v| v.exp_(),
        ),
        Unary::Log => map(
            x,
            #[inline(always)]
            |v| v.ln_(),
        ),
        Unary::Sqrt => map(x, |v| Float::sqrt(v)),
        Unary::Tanh => map(
            x,
            #[inline(always)]
            |v| v.tanh_(),
        ),
        Unary::Sigmoid => map(
            x,
            #[inline(always)]
            |v| T::one() / (T::one() + (-v).exp_()),
        ),
        Unary::Softplus => map(
            x,
            #[inline(always)]
            |v| Float::max(v, T::zero()) + (-Float::abs(v)).exp_().ln_1p_(),
        ),
        Unary::LeakyRelu(slope) => {
            let slope = T::of(slope);
            map(x, |v| if v > T::zero() { v } else { v * slope })
        }
        Unary::Abs => map(x, |v| Float::abs(v)),
        Unary::Sign => map(x, |v| if v == T::zero() { v } else { Float::signum(v) }),
        Unary::Clamp(low, high) => {
            let (low, high) = (T::of(low), T::of(high));
            map(x, |v| {
                if v < low {
                    low
                } else if v > high {
                    high
                } else {
                    v
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_axes_merge() {
        let merged = axes(&[4, 3, 8, 8], [&[4, 3, 8, 8], &[1, 3, 1, 1]]);
        let want = [(4, [192, 0]), (3, [64, 1]), (64, [1, 0])].map(|(size, step)| Axis { size, step });
        assert_eq!(merged, want);
        assert_eq!(axes(&[5, 6], [&[5, 6], &[1]]), [Axis { size: 30, step: [1, 0] }]);
        assert_eq!(axes(&[], [&[], &[1]]), []);
    }
}
