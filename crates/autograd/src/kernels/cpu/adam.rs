//! Adam's update of one parameter, in place.

use rayon::prelude::*;

use super::map::vectorised;

#[derive(Clone, Copy, Debug)]
pub struct Adam {
    pub rate: f32,
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
}

pub fn update(adam: &Adam, step: i32, parameter: &mut [f32], mean: &mut [f32], square: &mut [f32], gradient: &[f32]) {
    const CHUNK: usize = 1 << 14;
    let rate = adam.rate / (1.0 - adam.beta1.powi(step));
    let correction = 1.0 / (1.0 - adam.beta2.powi(step)).sqrt();
    let state = mean.par_chunks_mut(CHUNK).zip(square.par_chunks_mut(CHUNK));
    let values = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
    values.zip(state).for_each(|((p, g), (m, v))| {
        vectorised(
            #[inline(always)]
            || {
                for i in 0..p.len() {
                    m[i] = adam.beta1 * m[i] + (1.0 - adam.beta1) * g[i];
                    v[i] = adam.beta2 * v[i] + (1.0 - adam.beta2) * g[i] * g[i];
                    p[i] -= rate * m[i] / (v[i].sqrt() * correction + adam.epsilon);
                }
            },
        )
    });
}
