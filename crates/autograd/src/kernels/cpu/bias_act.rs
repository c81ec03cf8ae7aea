//! Bias, activation, gain and clamp, each value read and written once.

use std::ops::Range;

use num_traits::Float;
use rayon::prelude::*;

use super::axis::{sum_axis, sum_slice};
use super::map::vectorised;
use super::parallel::{Shared, filled};
use super::storage::Element;
use crate::kernels::bias_act::{Layout, SELU_ALPHA, SELU_SCALE};
use crate::ops::bias_act::{Activation, BiasAct};

/// Values of a task.
const TASK: usize = 1 << 14;

/// The bias of a run of values: one for all, or one each.
#[derive(Clone, Copy)]
enum Bias<'a, T> {
    One(T),
    Each(&'a [T]),
}

/// Calls `f(run, its values, their bias)` for the planes, or for the rows of channels where planes are single values.
fn runs<T: Element>(layout: Layout, bias: Option<&[T]>, f: impl Fn(usize, Range<usize>, Bias<T>) + Sync) {
    let Layout { outer, channels, inner } = layout;
    let (count, len) = if inner == 1 { (outer, channels) } else { (outer * channels, inner) };
    let per_task = (TASK / len.max(1)).max(1);
    (0..count.div_ceil(per_task)).into_par_iter().for_each(|task| {
        vectorised(
            #[inline(always)]
            || {
                for run in task * per_task..count.min((task + 1) * per_task) {
                    let bias = match bias {
                        None => Bias::One(T::zero()),
                        Some(bias) if inner == 1 => Bias::Each(bias),
                        Some(bias) => Bias::One(bias[run % channels]),
                    };
                    f(run, run * len..(run + 1) * len, bias);
                }
            },
        );
    });
}

#[inline(always)]
fn sigmoid<T: Element>(v: T) -> T {
    T::one() / (T::one() + (-v).exp_())
}

/// `y = clamp(activation(x + bias) * gain)`
pub(crate) fn forward<T: Element>(f: &BiasAct, layout: Layout, x: &[T], bias: Option<&[T]>) -> Vec<T> {
    let (zero, one, alpha) = (T::zero(), T::one(), T::of(f.alpha));
    let (scale, selu_alpha) = (T::of(SELU_SCALE), T::of(SELU_ALPHA));
    macro_rules! with {
        (|$v:ident| $value:expr) => {
            map(
                f,
                layout,
                x,
                bias,
                #[inline(always)]
                |$v: T| $value,
            )
        };
    }
    match f.activation {
        Activation::Linear => with!(|v| v),
        Activation::Relu => with!(|v| if v < zero { zero } else { v }),
        Activation::Lrelu => with!(|v| v * if v > zero { one } else { alpha }),
        Activation::Tanh => with!(|v| v.tanh_()),
        Activation::Sigmoid => with!(|v| sigmoid(v)),
        Activation::Elu => with!(|v| if v >= zero { v } else { v.exp_() - one }),
        Activation::Selu => with!(|v| scale * if v >= zero { v } else { selu_alpha * (v.exp_() - one) }),
        Activation::Softplus => with!(|v| softplus(v)),
        Activation::Swish => with!(|v| v * sigmoid(v)),
    }
}

#[inline(always)]
fn softplus<T: Element>(v: T) -> T {
    Float::max(v, T::zero()) + (-Float::abs(v)).exp_().ln_1p_()
}

/// The limit of the clamp; NaN, which nothing exceeds, if there is none.
fn limit<T: Element>(f: &BiasAct) -> T {
    T::of(f.clamp.unwrap_or(f64::NAN))
}

/// `v` cut to `[-limit, limit]`; NaN stays.
#[inline(always)]
fn bounded<T: Element>(v: T, limit: T) -> T {
    let v = if v > limit { limit } else { v };
    if v < -limit { -limit } else { v }
}

fn map<T: Element>(
    f: &BiasAct,
    layout: Layout,
    x: &[T],
    bias: Option<&[T]>,
    activation: impl Fn(T) -> T + Sync,
) -> Vec<T> {
    let (gain, limit) = (T::of(f.gain), limit::<T>(f));
    assert_eq!(x.len(), layout.outer * layout.channels * layout.inner);
    filled(x.len(), |out: Shared<T>| {
        runs(
            layout,
            bias,
            #[inline(always)]
            |_, range, bias| {
                // SAFETY: runs are disjoint and cover the output.
                let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(range.start), range.len()) };
                let value = |v: T| bounded(activation(v) * gain, limit);
                match bias {
                    Bias::One(b) => out.iter_mut().zip(&x[range]).for_each(|(y, x)| *y = value(*x + b)),
                    Bias::Each(b) => out.iter_mut().zip(&x[range]).zip(b).for_each(|((y, x), b)| *y = value(*x + *b)),
                }
            },
        );
    })
}

/// The cotangents of input and, if `sums`, of bias. `known` is the output, or for some activations the input, with its
/// bias: see [`Activation::needs_input`].
pub(crate) fn backward<T: Element>(
    f: &BiasAct,
    layout: Layout,
    g: &[T],
    known: &[T],
    bias: Option<&[T]>,
    sums: bool,
) -> (Vec<T>, Option<Vec<T>>) {
    let (zero, one, alpha, gain) = (T::zero(), T::one(), T::of(f.alpha), T::of(f.gain));
    let (scale, selu_floor, per_gain) = (T::of(SELU_SCALE), T::of(SELU_SCALE * SELU_ALPHA), T::of(f.gain.recip()));
    macro_rules! from_output {
        (|$a:ident| $slope:expr) => {
            map_gradient(
                f,
                (layout, g, known, bias, sums),
                #[inline(always)]
                |y: T| {
                    let $a = y * per_gain;
                    (y, $slope)
                },
            )
        };
    }
    macro_rules! from_input {
        (|$z:ident| $pair:expr) => {
            map_gradient(
                f,
                (layout, g, known, bias, sums),
                #[inline(always)]
                |$z: T| $pair,
            )
        };
    }
    match f.activation {
        Activation::Linear => from_output!(|_a| one),
        Activation::Relu => from_output!(|a| if a > zero { one } else { zero }),
        Activation::Lrelu => from_output!(|a| if a > zero { one } else { alpha }),
        Activation::Tanh => from_output!(|a| one - a * a),
        Activation::Sigmoid => from_output!(|a| a * (one - a)),
        Activation::Elu => from_output!(|a| if a >= zero { one } else { a + one }),
        Activation::Selu => from_output!(|a| if a >= zero { scale } else { a + selu_floor }),
        Activation::Softplus => from_input!(|z| (softplus(z) * gain, sigmoid(z))),
        Activation::Swish => from_input!(|z| {
            let s = sigmoid(z);
            (z * s * gain, s * (one + z * (one - s)))
        }),
    }
}

/// `derive` gives the output and the activation's slope from what is known.
fn map_gradient<T: Element>(
    f: &BiasAct,
    (layout, g, known, bias, sums): (Layout, &[T], &[T], Option<&[T]>, bool),
    derive: impl Fn(T) -> (T, T) + Sync,
) -> (Vec<T>, Option<Vec<T>>) {
    let Layout { outer, channels, inner } = layout;
    assert_eq!((g.len(), known.len()), (outer * channels * inner, g.len()));
    let (gain, limit) = (T::of(f.gain), limit::<T>(f));
    let by_plane = sums && inner > 1;
    let mut planes = vec![T::zero(); if by_plane { outer * channels } else { 0 }];
    let plane_sums = Shared::new(planes.as_mut_ptr());
    let gx = filled(g.len(), |out: Shared<T>| {
        runs(
            layout,
            bias,
            #[inline(always)]
            |run, range, bias| {
                // SAFETY: runs are disjoint and cover the output.
                let out = unsafe { std::slice::from_raw_parts_mut(out.pointer().add(range.start), range.len()) };
                let value = |g: T, known: T| {
                    // Branches that choose between values, not between products, become vectors.
                    let (y, slope) = derive(known);
                    let gain = if y >= limit { T::zero() } else { gain };
                    let gain = if y <= -limit { T::zero() } else { gain };
                    g * (slope * gain)
                };
                let pairs = out.iter_mut().zip(g[range.clone()].iter().zip(&known[range]));
                match bias {
                    Bias::One(b) => pairs.for_each(|(gx, (g, known))| *gx = value(*g, *known + b)),
                    Bias::Each(b) => pairs.zip(b).for_each(|((gx, (g, known)), b)| *gx = value(*g, *known + *b)),
                }
                if by_plane {
                    // SAFETY: one value a run.
                    unsafe { plane_sums.pointer().add(run).write(sum_slice(out)) };
                }
            },
        );
    });
    let gb = sums.then(|| sum_axis(if by_plane { &planes } else { &gx }, (1, outer, channels)));
    (gx, gb)
}
