//! Optimiser steps of one array, in place.

use rayon::prelude::*;

use super::map::vectorised;
use super::storage::Element;
use crate::update::AdamStep;

const CHUNK: usize = 1 << 14;

/// `target += weight * (source - target)`
pub(crate) fn lerp<T: Element>(target: &mut [T], source: &[T], weight: T) {
    target.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK)).for_each(|(target, source)| {
        vectorised(
            #[inline(always)]
            || {
                for (target, source) in target.iter_mut().zip(source) {
                    *target += weight * (*source - *target);
                }
            },
        )
    });
}

/// NaN becomes 0, and infinities `most` and `-most`.
pub(crate) fn mend<T: Element>(array: &mut [T], most: T) {
    array.par_chunks_mut(CHUNK).for_each(|chunk| {
        for v in chunk.iter_mut().filter(|v| !v.is_finite()) {
            *v = if v.is_nan() { T::of(0.0) } else { most.copysign(*v) };
        }
    });
}

pub(crate) fn adam<T: Element>(step: &AdamStep, p: &mut [T], m: &mut [T], v: &mut [T], g: &[T]) {
    let [beta1, beta2, epsilon] = [step.beta1, step.beta2, step.epsilon].map(T::of);
    let [rest1, rest2] = [step.beta1, step.beta2].map(|beta| T::of(1.0 - beta));
    let exponent = step.step as f64;
    let rate = T::of(step.lr / (1.0 - step.beta1.powf(exponent)));
    let correction = T::of((1.0 - step.beta2.powf(exponent)).sqrt().recip());
    let state = m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK));
    p.par_chunks_mut(CHUNK).zip(g.par_chunks(CHUNK)).zip(state).for_each(|((p, g), (m, v))| {
        vectorised(
            #[inline(always)]
            || {
                for i in 0..p.len() {
                    m[i] = beta1 * m[i] + rest1 * g[i];
                    v[i] = beta2 * v[i] + rest2 * g[i] * g[i];
                    p[i] -= rate * m[i] / (num_traits::Float::sqrt(v[i]) * correction + epsilon);
                }
            },
        )
    });
}
