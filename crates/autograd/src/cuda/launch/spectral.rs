//! Spectral normalisation: a power step in three launches, the quotient in one, its gradient in two.

use candle_core::Result;

use super::update::CHUNK;
use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::SPECTRAL;
use crate::cuda::words::words;

/// What a power step finds of a weight `[rows, rest]`.
pub(crate) struct Found {
    /// `[1, rows]`
    pub(crate) u: CudaTensor,
    /// `[1, rest]`
    pub(crate) v: CudaTensor,
    /// `[1]`
    pub(crate) sigma: CudaTensor,
}

/// `v = unit(u W)`, `u' = unit(v W^T)`, `sigma = v W^T u'^T`; `u'` and `sigma` also go into `kept`, where it is given.
pub(crate) fn power_step(
    w: &CudaTensor,
    u: &CudaTensor,
    epsilon: f64,
    kept: Option<[&CudaTensor; 2]>,
) -> Result<Found> {
    let rows = u.len();
    let rest = w.len() / rows;
    let (y, z) = (w.like(&[rest])?, w.like(&[rows])?);
    let found = Found { u: w.like(&[1, rows])?, v: w.like(&[1, rest])?, sigma: w.like(&[1])? };
    w.blocks(&SPECTRAL, "power_columns", &words![rest.div_ceil(32), w, u, &y, rows, rest])?;
    w.blocks(&SPECTRAL, "power_rows", &words![rows, w, &y, &z, rest])?;
    let [kept_u, kept_sigma] = kept.map_or([None, None], |kept| kept.map(Some));
    let out = words![&found.v, &found.u, &found.sigma, kept_u, kept_sigma];
    w.blocks(&SPECTRAL, "power_finish", &words![1usize, &y, &z, *out.as_slice(), rows, rest, epsilon])?;
    Ok(found)
}

/// `W / sigma`
pub(crate) fn quotient(w: &CudaTensor, sigma: &CudaTensor) -> Result<CudaTensor> {
    let out = w.like(w.dims())?;
    w.each(&SPECTRAL, "quotient", &words![w.len(), w, sigma, &out])?;
    Ok(out)
}

/// The cotangent of W from that of `W / sigma`.
pub(crate) fn quotient_grad(g: &CudaTensor, w: &CudaTensor, [u, v, sigma]: [&CudaTensor; 3]) -> Result<CudaTensor> {
    let chunks = w.len().div_ceil(CHUNK);
    let (parts, out) = (w.like(&[chunks])?, w.like(w.dims())?);
    w.blocks(&SPECTRAL, "quotient_dots", &words![chunks, g, w, &parts, w.len()])?;
    let rest = w.len() / u.len();
    w.blocks(&SPECTRAL, "quotient_grad", &words![chunks, g, &parts, u, v, sigma, &out, w.len(), rest])?;
    Ok(out)
}
