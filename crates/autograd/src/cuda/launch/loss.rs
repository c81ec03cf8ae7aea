//! The mean of a function of each logit, with its derivative.

use candle_core::Result;

use crate::cuda::tensor::CudaTensor;
use crate::cuda::texts::LOSS;
use crate::cuda::words::words;
use crate::ops::mean_term::Term;

/// The mean of a term of each element, which are no halves, and the mean's derivative by each.
pub(crate) fn mean_term(term: Term, x: &CudaTensor) -> Result<[CudaTensor; 2]> {
    let (kind, numbers) = match term {
        Term::Hinge { sign } => (0usize, [sign, 0.0]),
        Term::Softplus { sign, slope } => (1, [sign, slope]),
        Term::Square { shift, factor } => (2, [factor, shift]),
        Term::Linear { factor } => (3, [factor, 0.0]),
    };
    let x = x.planes()?;
    let (mean, slopes) = (x.like(&[])?, x.like(x.dims())?);
    x.blocks(&LOSS, "mean_term", &words![1usize, &x, &mean, &slopes, x.len(), kind, numbers])?;
    Ok([mean, slopes])
}
